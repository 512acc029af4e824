#!lua flags=allow-oom
-- release: messages go back to their old rank, or wait a while first.
-- KEYS  the queue's block
-- ARGV  1 deliveries that this counts as (0: unrun)  2 deliveries that make a message dead  3 delay in ms
--       4… per message: id, owner
-- Returns per message 1, 0 when the lease was not the owner's, or 2 when the message was now delivered too often: then the
--         owner keeps the lease and must reject it.
local q, now, answers = queue(0), now_ms(), {}
local counted, max_deliveries, delay_ms = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
for i = 4, #ARGV, 2 do
  local id, owner = ARGV[i], ARGV[i + 1]
  local value = redis.call('ZSCORE', q.leases, owner .. ' ' .. id) and redis.call('HGET', q.messages, id)
  local m = value and read(value)
  local answer = 0
  if m then
    m.deliveries = m.deliveries + counted
    if counted > 0 and m.deliveries >= max_deliveries then
      redis.call('HSET', q.messages, id, write(m))
      answer = 2
    else
      end_lease(q, id, owner)
      if delay_ms > 0 then
        m.deferrals = m.deferrals + 1
        redis.call('HSET', q.messages, id, write(m))
        redis.call('ZADD', q.delayed, int(now + delay_ms), id)
        ring(q)
      else
        make_ready(q, id, m)
      end
      answer = 1
    end
  end
  answers[#answers + 1] = answer
end
settle(q)
tell_of_places(q)
return answers
