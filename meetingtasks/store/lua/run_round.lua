#!lua flags=allow-oom
-- run_round: count that a stage was opened once more.
-- KEYS  1 run
-- ARGV  1 stage
-- Returns how often it was opened, or 0 when the run is gone.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
return redis.call('HINCRBY', KEYS[1], 'rounds:' .. ARGV[1], 1)
