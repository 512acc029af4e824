#!lua flags=allow-oom
-- reject: messages become dead letters.
-- KEYS  the queue's block
-- ARGV  1 reason  2 '1' keeps the message among the dead, '0' drops it because a companion keeps it
--       3… per message: id, owner
-- Returns per message 1, or 0 when the lease was not the owner's: then nothing changes.
local q, now, answers, died = queue(0), now_ms(), {}, 0
for i = 3, #ARGV, 2 do
  local id = ARGV[i]
  local owned = end_lease(q, id, ARGV[i + 1])
  if owned then
    local value = redis.call('HGET', q.messages, id)
    redis.call('HDEL', q.messages, id)
    if ARGV[2] == '1' and value then
      redis.call('ZADD', q.dead, int(now), id)
      redis.call('HSET', q.graves, id, ARGV[1] .. '\n' .. value)
    end
    died = died + 1
  end
  answers[#answers + 1] = owned and 1 or 0
end
count(q, 'dead', died)
tell_of_places(q)
return answers
