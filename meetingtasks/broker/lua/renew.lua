#!lua flags=allow-oom
-- renew: extend leases.
-- KEYS  the queue's block
-- ARGV  1 lease in ms  2… per message: id, owner
-- Returns per message 1, or 0 when the lease is no longer the owner's.
local q, now, answers = queue(0), now_ms(), {}
redis.call('HSET', q.state, 'seen', int(now))
for i = 2, #ARGV, 2 do
  local held = ARGV[i + 1] .. ' ' .. ARGV[i]
  local owned = redis.call('ZSCORE', q.leases, held)
  if owned then redis.call('ZADD', q.leases, int(now + ARGV[1]), held) end
  answers[#answers + 1] = owned and 1 or 0
end
return answers
