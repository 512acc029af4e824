#!lua flags=allow-oom
-- finish: the one final state of a task, by the attempt that owns it.
-- KEYS  1 task record  2 live  3 counts  4 stream  5 done channel  6 dead
-- ARGV  1 id  2 stream cap  3 token; '' = the worker's main process speaks for a child that cannot
--       4 that worker's name, '' = it is nobody's run in particular  5 final state  6 record's lifetime in s
--       7 '1' when it also becomes a dead letter  8 result meta to publish  9 the error's message, '' without one
--       10… field, value, …
-- Returns the state that stands now: the asked-for one, another final one that was there first, 'lost' when token or
-- worker no longer own the run, or 'cancelled' when a running task's cancellation was already answered.
local about = redis.call('HMGET', KEYS[1], 'state', 'token', 'cancel_ms', 'worker')
local state, token, final = about[1], about[2], ARGV[5]
if state and FINAL[state] then return state end
if state and ARGV[3] ~= '' and token ~= ARGV[3] then return 'lost' end
if state == 'running' and ARGV[3] == '' and ARGV[4] ~= '' and about[4] ~= ARGV[4] then return 'lost' end
local now = now_ms()
if not state then
  -- a task of Celery's own that nobody recorded
  redis.call('HSET', KEYS[1], 'id', ARGV[1], 'created_ms', int(now), 'type', '', 'name', '', 'service', '', 'queue', '')
  count(KEYS[3], '', 'dispatched')
  tell(KEYS[4], ARGV[2], KEYS[1], ARGV[1], 'created', now, {})
end
if about[3] then final = 'cancelled' end
if final == 'cancelled' then
  redis.call('HSET', KEYS[1], 'state', final, 'ended_ms', int(now), 'token', '')
else
  redis.call('HSET', KEYS[1], 'state', final, 'ended_ms', int(now), 'token', '', unpack(ARGV, 10))
end
if final == 'completed' then redis.call('HSET', KEYS[1], 'percent', '100') end
if state == 'running' then close_attempt(KEYS[1], final, now, ARGV[9]) end
redis.call('ZREM', KEYS[2], ARGV[1])
local queue = redis.call('HGET', KEYS[1], 'queue')
count(KEYS[3], queue, final)
if ARGV[7] == '1' and final ~= 'cancelled' then
  redis.call('HSET', KEYS[1], 'dead', '1')
  redis.call('ZADD', KEYS[6], now, ARGV[1])
  count(KEYS[3], queue, 'dead')
else
  redis.call('EXPIRE', KEYS[1], ARGV[6])
end
tell(KEYS[4], ARGV[2], KEYS[1], ARGV[1], final, now, {'error', cut(ARGV[9], 200)})
if final == ARGV[5] then
  redis.call('PUBLISH', KEYS[5], ARGV[8])
else
  publish_revoked(KEYS[5], ARGV[1], final)
end
return final
