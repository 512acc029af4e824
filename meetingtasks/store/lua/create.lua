-- create: accept a task: its record, its place among the live ones, its count, its event.
-- KEYS  1 live  2 counts  3 stream  4 dead  5 task record  6 done channel
-- ARGV  1 id  2 stream cap  3… field, value, …  (with state, queue, type)
-- Returns 1, or 0 when the id is taken: then nothing changes.
local t = life(5)
if redis.call('EXISTS', t.task) == 1 then return 0 end
local now = now_ms()
redis.call('HSET', t.task, 'id', ARGV[1], 'created_ms', int(now), unpack(ARGV, 3))
accept(t, ARGV[1], ARGV[2], now)
return 1
