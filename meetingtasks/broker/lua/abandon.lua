#!lua flags=allow-oom
-- abandon: give back every message of an owner whose fetch was never answered; it uses no delivery.
-- KEYS  the queue's block
-- ARGV  1 owner
-- Returns how many went back.
local q, released = queue(0), 0
local prefix = ARGV[1] .. ' '
for _, held in ipairs(redis.call('ZRANGE', q.leases, 0, -1)) do
  if string.sub(held, 1, #prefix) == prefix then
    local id = string.sub(held, #prefix + 1)
    local value = redis.call('HGET', q.messages, id)
    local m = value and read(value)
    end_lease(q, id, ARGV[1])
    if m then
      make_ready(q, id, m)
      released = released + 1
    end
  end
end
settle(q)
tell_of_places(q)
return released
