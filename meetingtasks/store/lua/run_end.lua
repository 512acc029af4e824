#!lua flags=allow-oom
-- run_end: the one end of a run: it ends as its task has ended. Goes in one transaction with the task's end.
-- KEYS  1 run  2 live runs  3 the run's task  4… further keys of the run, which get its lifetime
-- ARGV  1 id  2 lifetime in s  3 outcome as JSON
-- Returns the state that stands now: the task's ('failed' when there is no record of it), an earlier end, 'running'
-- while the task has not ended, or 'gone' when there is no record of the run.
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return 'gone' end
if state ~= 'running' then return state end
local final = redis.call('HGET', KEYS[3], 'state') or 'failed'
if not FINAL[final] then return state end
redis.call('HSET', KEYS[1], 'state', final, 'ended_ms', int(now_ms()), 'outcome', ARGV[3])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
for i = 4, #KEYS do redis.call('EXPIRE', KEYS[i], ARGV[2]) end
return final
