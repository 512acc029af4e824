#!lua flags=allow-oom
-- cancel: waiting tasks end at once, running ones are told.
-- KEYS  1 live  2 counts  3 stream  4 dead  then per task … its record, its done channel
-- ARGV  1 stream cap  2 reason  3 actor  4 record's lifetime in s  5 '1' = leave running tasks alone  6… ids
-- Returns per task '<outcome> <1 when it ended just now> <retries> <queue>'. Outcome: 'unknown', 'cancelled', 'running' (told;
--         it ends as cancelled), or the final state it already has. Retries and queue name the message that is now to be
--         dropped; the queue is empty where there is none, or where it is to stay: a chord waits until it was looked at.
local now, answers = now_ms(), {}

local function cancel(t, id)
  local about = redis.call('HMGET', t.task, 'state', 'queue', 'retries', 'group', 'cancel_ms')
  local state = about[1]
  if not state then return 'unknown 0 0 ' end
  if FINAL[state] or (ARGV[5] == '1' and state == 'running') then return state .. ' 0 0 ' end
  if not about[5] then
    redis.call('HSET', t.task, 'cancel_ms', int(now), 'cancel_reason', ARGV[2], 'cancel_actor', ARGV[3])
  end
  if state == 'running' then
    redis.call('PUBLISH', 'mt:watch:' .. id, cjson.encode({task = id, event = 'cancelling'}))
    return 'running 0 0 '
  end
  conclude(t, 'cancelled', now, {id = id, cap = ARGV[1], ttl = ARGV[4], extra = {'reason', ARGV[2]}})
  return 'cancelled 1 ' .. (about[3] or '0') .. ' ' .. (about[4] and '' or about[2] or '')
end

for i = 6, #ARGV do answers[#answers + 1] = cancel(life(2 * i - 7), ARGV[i]) end
return answers
