-- finish: the one final state of a task, by the attempt that owns it.
-- KEYS  1 task record  2 live  3 counts  4 stream  5 done channel  6 dead
-- ARGV  1 id  2 stream cap  3 token; '' = the worker's main process speaks for a child that cannot
--       4 final state  5 record's lifetime in s  6 '1' when it also becomes a dead letter
--       7 result meta to publish  8 the error's message, '' without one  9… field, value, …
-- Returns the state that stands now: the asked-for one, another final one that was there first, 'lost' when the token
-- no longer owns the run, or 'cancelled' when a completed run's cancellation was already answered.
local about = redis.call('HMGET', KEYS[1], 'state', 'token', 'cancel_ms', 'queue')
local state, token, final = about[1], about[2], ARGV[4]
if state and FINAL[state] then return state end
if ARGV[3] ~= '' and token and token ~= ARGV[3] then return 'lost' end
local now = now_ms()
if not state then
  redis.call('HSET', KEYS[1], 'id', ARGV[1], 'created_ms', int(now))
end
if about[3] and final == 'completed' then final = 'cancelled' end
if final == 'cancelled' then
  redis.call('HSET', KEYS[1], 'state', final, 'ended_ms', int(now), 'token', '')
else
  redis.call('HSET', KEYS[1], 'state', final, 'ended_ms', int(now), 'token', '', unpack(ARGV, 9))
end
if not state then
  -- a task of Celery's own that runs without a start of ours
  redis.call('HSETNX', KEYS[1], 'queue', '')
end
if final == 'completed' then redis.call('HSET', KEYS[1], 'percent', '100') end
close_attempt(KEYS[1], final, now, ARGV[8])
redis.call('ZREM', KEYS[2], ARGV[1])
if ARGV[6] == '1' and final ~= 'cancelled' then
  redis.call('HSET', KEYS[1], 'dead', '1')
  redis.call('ZADD', KEYS[6], now, ARGV[1])
  redis.call('PERSIST', KEYS[1])
else
  redis.call('EXPIRE', KEYS[1], ARGV[5])
end
local queue = redis.call('HGET', KEYS[1], 'queue')
count(KEYS[3], queue, final)
if ARGV[6] == '1' and final ~= 'cancelled' then count(KEYS[3], queue, 'dead') end
tell(KEYS[4], ARGV[2], KEYS[1], ARGV[1], final, now, {'error', string.sub(ARGV[8], 1, 200)})
if final == ARGV[4] then
  redis.call('PUBLISH', KEYS[5], ARGV[7])
else
  publish_revoked(KEYS[5], ARGV[1], final)
end
return final
