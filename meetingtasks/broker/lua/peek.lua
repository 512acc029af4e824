-- peek: look at ready messages in the order in which they will be handed out, without taking them.
-- KEYS  the queue's block
-- ARGV  1 first position from 0  2 how many
-- Returns {id, stored message, …}.
local q, out = queue(0), {}
local first = tonumber(ARGV[1])
for _, found in ipairs(redis.call('ZRANGE', q.ready, int(first), int(first + ARGV[2] - 1))) do
  local id = string.sub(found, 17)
  out[#out + 1] = id
  out[#out + 1] = redis.call('HGET', q.messages, id) or ''
end
return out
