#!lua flags=allow-oom
-- quarantine: a message that no worker may see is taken out of its queue and kept as it came.
-- KEYS  the queue's block, then  17 quarantine index  18 quarantine entries
-- ARGV  1 message id  2 owner  3 entry id  4 what is known about it, one line of JSON
-- Returns 1, or 0 when the lease was not the owner's: then nothing changes.
local q = queue(0)
if not end_lease(q, ARGV[1], ARGV[2]) then return 0 end
local value = redis.call('HGET', q.messages, ARGV[1]) or ''
local m = read(value)
redis.call('HDEL', q.messages, ARGV[1])
redis.call('ZADD', KEYS[17], int(now_ms()), ARGV[3])
redis.call('HSET', KEYS[18], ARGV[3], ARGV[4] .. '\n' .. (m and m.payload or value))
count(q, 'quarantined', 1)
tell_of_places(q)
return 1
