#!lua flags=allow-oom
-- owe: note an end that others than the task's own caller must still be told.
-- KEYS  1 owed ends
-- ARGV  1 what is needed to tell it, as JSON
-- Returns how many are owed.
return redis.call('RPUSH', KEYS[1], ARGV[1])
