-- limit: set a cap, or go back to the one that messages bring. It holds from the next fetch on.
-- KEYS  the queue's block
-- ARGV  1 name of the cap, '*' the whole queue's  2 figures "<most in work or -> <starts per s or -> <burst>", or ''
-- Returns how many are in work.
local q, name = queue(0), ARGV[1]
if ARGV[2] == '' then redis.call('HDEL', q.caps, name) else redis.call('HSET', q.caps, name, ARGV[2]) end
redis.call('HDEL', q.state, 'paid ' .. name)
if name ~= ALL then
  -- what started while there was no cap counts, too
  for _, held in ipairs(redis.call('ZRANGE', q.leases, 0, -1)) do
    local id = string.match(held, '^%S+ (.*)$')
    local value = redis.call('HGET', q.messages, id)
    local m = value and read(value)
    if m and string.match(m.cap, '^[^=]*') == name then redis.call('ZADD', q.working, 0, name .. ' ' .. id) end
  end
  rouse(q, name)
end
q.is_roused = true
tell_of_places(q)
return in_work(q, name)
