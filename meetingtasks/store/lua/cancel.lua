#!lua flags=allow-oom
-- cancel: a waiting task ends at once, a running one is told.
-- KEYS  1 task record  2 live  3 counts  4 stream  5 done channel
-- ARGV  1 id  2 stream cap  3 reason  4 actor  5 record's lifetime in s  6 '1' = leave a running task alone
-- Returns 'unknown', 'cancelled', 'running' (told; it ends as cancelled), or the final state it already has.
local about = redis.call('HMGET', KEYS[1], 'state', 'queue')
local state = about[1]
if not state then return 'unknown' end
if FINAL[state] then return state end
if ARGV[6] == '1' and state == 'running' then return state end
local now = now_ms()
if redis.call('HSETNX', KEYS[1], 'cancel_ms', int(now)) == 1 then
  redis.call('HSET', KEYS[1], 'cancel_reason', ARGV[3], 'cancel_actor', ARGV[4])
end
if state == 'running' then
  redis.call('PUBLISH', 'mt:watch:' .. ARGV[1], cjson.encode({task = ARGV[1], event = 'cancelling'}))
  return 'running'
end
redis.call('HSET', KEYS[1], 'state', 'cancelled', 'ended_ms', int(now), 'token', '')
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[5])
count(KEYS[3], about[2] or '', 'cancelled')
tell(KEYS[4], ARGV[2], KEYS[1], ARGV[1], 'cancelled', now, {'reason', ARGV[3]})
publish_revoked(KEYS[5], ARGV[1], 'cancelled')
return 'cancelled'
