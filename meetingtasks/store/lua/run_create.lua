-- run_create: begin a run, or leave the one that is there.
-- KEYS  1 run  2 live runs  3 recent runs
-- ARGV  1 id  2 how many recent runs to list  3… field, value, …
-- Returns 1 when it is new.
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local now = now_ms()
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'state', 'running', 'created_ms', int(now), 'heard_ms', int(now),
  unpack(ARGV, 3))
redis.call('ZADD', KEYS[2], now, ARGV[1])
redis.call('ZADD', KEYS[3], now, ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -1 - tonumber(ARGV[2]))
return 1
