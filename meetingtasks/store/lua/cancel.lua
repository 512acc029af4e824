#!lua flags=allow-oom
-- cancel: waiting tasks end at once, running ones are told.
-- KEYS  1 live  2 counts  3 stream  4 dead  then per task … its record, its done channel
-- ARGV  1 stream cap  2 reason  3 actor  4 record's lifetime in s  5 '1' = leave running tasks alone  6… ids
-- Returns per task {outcome, 1 when it ended just now, queue, retries}. Outcome: 'unknown', 'cancelled', 'running' (told; it
--         ends as cancelled), or the final state it already has. Queue and retries name the message that is now to be dropped;
--         the queue is '' where there is none, or where it is to stay: a chord waits until it was looked at.
local now, answers = now_ms(), {}

local function cancel(t, id)
  local about = redis.call('HMGET', t.task, 'state', 'queue', 'retries', 'group')
  local state = about[1]
  if not state then return {'unknown', 0, '', 0} end
  if FINAL[state] or (ARGV[5] == '1' and state == 'running') then return {state, 0, '', 0} end
  if redis.call('HSETNX', t.task, 'cancel_ms', int(now)) == 1 then
    redis.call('HSET', t.task, 'cancel_reason', ARGV[2], 'cancel_actor', ARGV[3])
  end
  if state == 'running' then
    redis.call('PUBLISH', 'mt:watch:' .. id, cjson.encode({task = id, event = 'cancelling'}))
    return {'running', 0, '', 0}
  end
  conclude(t, 'cancelled', now, {id = id, cap = ARGV[1], ttl = ARGV[4], extra = {'reason', ARGV[2]}})
  return {'cancelled', 1, not about[4] and about[2] or '', tonumber(about[3] or '0')}
end

for i = 6, #ARGV do answers[#answers + 1] = cancel(life(2 * i - 7), ARGV[i]) end
return answers
