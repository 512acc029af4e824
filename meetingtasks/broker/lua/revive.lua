-- revive: dead letters go back to their queue, with their deliveries counted anew.
-- KEYS  the queue's block
-- ARGV  message ids
-- Returns per message 1, or 0 when it is not among the dead or the same id is live.
local q, now, answers = queue(0), now_ms(), {}
for _, id in ipairs(ARGV) do
  local grave = redis.call('HGET', q.graves, id)
  local m = grave and read(string.match(grave, '^[^\n]*\n(.*)$') or '')
  local answer = 0
  if m and redis.call('HEXISTS', q.messages, id) == 0 then
    redis.call('ZREM', q.dead, id)
    redis.call('HDEL', q.graves, id)
    m.deliveries, m.deferrals, m.enqueued, m.expires = 0, 0, now, 0
    place(q, m)
    make_ready(q, id, m)
    answer = 1
  end
  answers[#answers + 1] = answer
end
settle(q)
return answers
