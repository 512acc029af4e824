-- dead_redrive_settle: count the ends of a redrive's tasks, each once.
-- KEYS  1 redrive  2 its open tasks
-- ARGV  1… task id, 'ended' or 'failed', …
-- Returns how many were counted.
local counted = 0
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
for i = 1, #ARGV, 2 do
  if redis.call('ZREM', KEYS[2], ARGV[i]) == 1 then
    counted = counted + 1
    redis.call('HINCRBY', KEYS[1], 'ended', 1)
    if ARGV[i + 1] == 'failed' then redis.call('HINCRBY', KEYS[1], 'failed', 1) end
  end
end
return counted
