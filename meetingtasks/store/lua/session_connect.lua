-- session_connect: make a connection the session's only one; the one before it learns that by the word.
-- KEYS  1 session  2 all sessions  3 its log
-- ARGV  1 id  2 the connection  3 channel of the words
-- Returns 1, or 0 when there is no such session.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local now = now_ms()
redis.call('HSET', KEYS[1], 'connection', ARGV[2])
redis.call('ZADD', KEYS[2], now, ARGV[1])
note(KEYS[3], now, 'connected', {connection = ARGV[2]})
redis.call('PUBLISH', ARGV[3], ARGV[1] .. ' ' .. ARGV[2])
return 1
