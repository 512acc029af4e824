#!lua flags=allow-oom
-- cancel: a waiting task ends at once, a running one is told.
-- KEYS  1 live  2 counts  3 stream  4 dead  5 task record  6 done channel
-- ARGV  1 id  2 stream cap  3 reason  4 actor  5 record's lifetime in s  6 '1' = leave a running task alone
-- Returns 'unknown', 'cancelled', 'running' (told; it ends as cancelled), or the final state it already has.
local t = life(5)
local state = redis.call('HGET', t.task, 'state')
if not state then return 'unknown' end
if FINAL[state] then return state end
if ARGV[6] == '1' and state == 'running' then return state end
local now = now_ms()
if redis.call('HSETNX', t.task, 'cancel_ms', int(now)) == 1 then
  redis.call('HSET', t.task, 'cancel_reason', ARGV[3], 'cancel_actor', ARGV[4])
end
if state == 'running' then
  redis.call('PUBLISH', 'mt:watch:' .. ARGV[1], cjson.encode({task = ARGV[1], event = 'cancelling'}))
  return 'running'
end
conclude(t, 'cancelled', now, {id = ARGV[1], cap = ARGV[2], ttl = ARGV[5], extra = {'reason', ARGV[3]}})
return 'cancelled'
