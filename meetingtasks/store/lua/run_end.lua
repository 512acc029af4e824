#!lua flags=allow-oom
-- run_end: the one end of a run.
-- KEYS  1 run  2 live runs  3… further keys of the run, which get its lifetime
-- ARGV  1 id  2 final state  3 lifetime in s  4 outcome as JSON
-- Returns the state that stands now; of a run that is gone, the asked-for one.
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return ARGV[2] end
if state ~= 'running' then return state end
redis.call('HSET', KEYS[1], 'state', ARGV[2], 'ended_ms', int(now_ms()), 'outcome', ARGV[4])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
for i = 3, #KEYS do redis.call('EXPIRE', KEYS[i], ARGV[3]) end
return ARGV[2]
