#!lua flags=allow-oom
-- forget: drop the record of a task that has ended; a dead letter stays.
-- KEYS  1 task record
-- Returns 1 when it was dropped, 0 when it is live, dead or unknown.
local about = redis.call('HMGET', KEYS[1], 'state', 'dead')
if not about[1] or not FINAL[about[1]] or about[2] == '1' then return 0 end
return redis.call('DEL', KEYS[1])
