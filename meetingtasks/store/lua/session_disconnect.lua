-- session_disconnect: note that a connection is gone; one that was taken over changes nothing.
-- KEYS  1 session  2 all sessions  3 its log
-- ARGV  1 id  2 the connection  3 why
-- Returns 1, or 0 when it was no longer the session's.
if redis.call('HGET', KEYS[1], 'connection') ~= ARGV[2] then return 0 end
local now = now_ms()
redis.call('HDEL', KEYS[1], 'connection')
redis.call('ZADD', KEYS[2], now, ARGV[1])
note(KEYS[3], now, 'disconnected', {connection = ARGV[2], why = ARGV[3]})
return 1
