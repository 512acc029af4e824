-- size: how much there is of everything.
-- KEYS  the queue's block
-- ARGV  none
-- Returns {ready per priority 0…10 as a list, delayed, leased, dead, foreign, enqueue time in ms of the first ready message
--         or -1, ms now, {event, count, …}, parked}.
local q, now, ready = queue(0), now_ms(), {}
for level = 0, 10 do
  ready[level + 1] = redis.call('ZCOUNT', q.ready, int(level * BAND), '(' .. int((level + 1) * BAND))
end
local first = redis.call('ZRANGE', q.ready, 0, 0)[1]
local value = first and redis.call('HGET', q.messages, string.sub(first, 17))
local m = value and read(value)
local counters = {}
for _, event in ipairs({'enqueued', 'acked', 'recovered', 'dead', 'expired', 'purged', 'corrupt'}) do
  counters[#counters + 1] = event
  counters[#counters + 1] = tonumber(redis.call('HGET', q.state, event) or 0)
end
return {ready, redis.call('ZCARD', q.delayed), redis.call('ZCARD', q.leases), redis.call('ZCARD', q.dead),
  redis.call('LLEN', q.inbox), m and int(m.enqueued) or '-1', int(now), counters,
  redis.call('ZCARD', q.parked)}
