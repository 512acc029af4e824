-- enqueue: put messages into a queue, each at most once.
-- KEYS  the queue's block
-- ARGV  1 how long a done submission is remembered in ms
--       2… per message: id, submission mark or '', priority, delay in ms, lifetime in ms or 0, cost, meeting key, cap,
--       message
-- Returns per message 1 ready, 2 delayed, 0 refused because it is live or its submission is already done.
local q, now, dedupe_ms = queue(0), now_ms(), tonumber(ARGV[1])
local answers, accepted = {}, 0
local first = redis.call('ZRANGE', q.delayed, 0, 0, 'WITHSCORES')[2]
local earliest = first and tonumber(first) or math.huge
for i = 2, #ARGV, 9 do
  local id, mark, delay_ms, lifetime_ms = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4])
  local answer = 0
  local repeated = mark ~= '' and dedupe_ms > 0 and redis.call('ZSCORE', q.done, mark)
  if not repeated and redis.call('HEXISTS', q.messages, id) == 0 then
    local m = {level = tonumber(ARGV[i + 2]), rank = 0, seq = 0, deliveries = 0, deferrals = 0, enqueued = now,
      expires = lifetime_ms > 0 and now + lifetime_ms or 0, cost = tonumber(ARGV[i + 5]), key = ARGV[i + 6],
      cap = ARGV[i + 7], payload = ARGV[i + 8]}
    -- submitted anew after it was dead-lettered: a message is in one place only
    -- (looked at first: a removal would count as the first write, after which the server allows all others even when full)
    if redis.call('ZSCORE', q.dead, id) then
      redis.call('ZREM', q.dead, id)
      redis.call('HDEL', q.graves, id)
    end
    if delay_ms > 0 then
      redis.call('HSET', q.messages, id, write(m))
      redis.call('ZADD', q.delayed, int(now + delay_ms), id)
      if now + delay_ms < earliest then
        earliest = now + delay_ms
        ring(q)
      end
      answer = 2
    else
      place(q, m)
      make_ready(q, id, m)
      answer = 1
    end
    accepted = accepted + 1
  end
  answers[#answers + 1] = answer
end
count(q, 'enqueued', accepted)
settle(q)
return answers
