-- session_append: owe the client an event, once, by the connection that the session has now.
-- KEYS  1 session  2 outbox
-- ARGV  1 the connection  2 what the event comes from (a channel)  3 its place there, ms-number
--       4 the frame's data as JSON; '' = only begin here,
--       when nothing of that source was owed yet  5 frames kept
-- Returns the frame's seq, or 0: another connection has taken over, or the session had this event or a later one.
if redis.call('HGET', KEYS[1], 'connection') ~= ARGV[1] then return 0 end
local field = 'at:' .. ARGV[2]
if ARGV[4] == '' then return redis.call('HSETNX', KEYS[1], field, ARGV[3]) * 0 end
local ms, number = ARGV[3]:match('^(%d+)-(%d+)$')
local had_ms, had_number = (redis.call('HGET', KEYS[1], field) or '0-0'):match('^(%d+)-(%d+)$')
ms, number, had_ms, had_number = tonumber(ms), tonumber(number), tonumber(had_ms), tonumber(had_number)
if ms < had_ms or (ms == had_ms and number <= had_number) then return 0 end
local seq = redis.call('HINCRBY', KEYS[1], 'seq', 1)
redis.call('HSET', KEYS[1], field, ARGV[3])
redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[5], int(seq) .. '-0', 'type', 'event', 'ts', int(now_ms()), 'data', ARGV[4])
return seq
