-- collect: bring what stock producers pushed on their lists for single priorities to the inbox.
-- KEYS  1 inbox  2… stock lists of the same queue
-- ARGV  1 most messages per list
-- Returns how many were brought.
local brought = 0
for i = 2, #KEYS do
  for _, element in ipairs(redis.call('RPOP', KEYS[i], ARGV[1]) or {}) do
    redis.call('RPUSH', KEYS[1], element)
    brought = brought + 1
  end
end
return brought
