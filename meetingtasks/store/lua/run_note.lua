#!lua flags=allow-oom
-- run_note: note something in a run's record; a run that is gone is not made anew.
-- KEYS  1 run
-- ARGV  1 field that only the first note sets, '' = none  2 its value  3… field, value, … that every note sets
-- Returns 1 when the first-note field was set now, else 0.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if #ARGV > 2 then redis.call('HSET', KEYS[1], unpack(ARGV, 3)) end
if ARGV[1] == '' then return 0 end
return redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
