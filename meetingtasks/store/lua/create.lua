-- create: accept a task: its record, its place among the live ones, its count, its event.
-- KEYS  1 live  2 counts  3 stream  4 dead  5 task record  6 done channel
--       7 record of the task that submits it, if there is one: its meeting is inherited, and so is its cancellation
-- ARGV  1 id  2 stream cap  3 record's lifetime in s  4… field, value, …  (with state, queue, type)
-- Returns 1, or 0 when the id is taken: then nothing changes.
local t = life(5)
if redis.call('EXISTS', t.task) == 1 then return 0 end
local now = now_ms()
redis.call('HSET', t.task, 'id', ARGV[1], 'created_ms', int(now), unpack(ARGV, 4))
local parent = KEYS[7] and redis.call('HMGET', KEYS[7], 'cancel_ms', 'meeting_id') or {}
if parent[2] then redis.call('HSETNX', t.task, 'meeting_id', parent[2]) end
accept(t, ARGV[1], ARGV[2], now)
-- a run ends its own stages; all else that a cancelled task submits, as the next step of its chain, never starts
if parent[1] and redis.call('HEXISTS', t.task, 'pipeline_id') == 0 then
  redis.call('HSET', t.task, 'cancel_ms', int(now), 'cancel_reason', 'the task that submitted it was cancelled')
  conclude(t, 'cancelled', now, {id = ARGV[1], cap = ARGV[2], ttl = ARGV[3]})
end
return 1
