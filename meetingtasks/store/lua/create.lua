-- create: accept a task: its record, its place among the live ones, its count, its event.
-- KEYS  1 task record  2 live  3 counts  4 stream
-- ARGV  1 id  2 stream cap  3… field, value, …  (with state, queue, type)
-- Returns 1, or 0 when the id is taken: then nothing changes.
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local now = now_ms()
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'created_ms', int(now), unpack(ARGV, 3))
redis.call('ZADD', KEYS[2], now, ARGV[1])
count(KEYS[3], redis.call('HGET', KEYS[1], 'queue'), 'dispatched')
tell(KEYS[4], ARGV[2], KEYS[1], ARGV[1], 'created', now, {})
return 1
