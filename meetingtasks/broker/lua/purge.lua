-- purge: drop messages that nobody runs, ready ones first, then delayed ones.
-- KEYS  the queue's block
-- ARGV  1 most messages to drop in this call
-- Returns how many were dropped.
local q, limit = queue(0), math.min(tonumber(ARGV[1]), CHUNK)
local popped, ids = redis.call('ZPOPMIN', q.ready, limit), {}
for i = 1, #popped, 2 do ids[#ids + 1] = string.sub(popped[i], 17) end
if #ids < limit then
  popped = redis.call('ZPOPMIN', q.delayed, limit - #ids)
  for i = 1, #popped, 2 do ids[#ids + 1] = popped[i] end
end
if #ids > 0 then redis.call('HDEL', q.messages, unpack(ids)) end
count(q, 'purged', #ids)
settle(q)
return #ids
