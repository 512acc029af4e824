#!lua flags=allow-oom
-- callback_done: the delivery of a task's end was submitted.
-- KEYS  1 due callbacks
-- ARGV  1 task id  2 time of that end in ms
-- Returns 1, or 0 when the task ended anew meanwhile: then it stays due.
if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or '') ~= tonumber(ARGV[2]) then return 0 end
return redis.call('ZREM', KEYS[1], ARGV[1])
