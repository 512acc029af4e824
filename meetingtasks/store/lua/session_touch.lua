-- session_touch: a sign of life.
-- KEYS  1 session  2 all sessions
-- ARGV  1 id
-- Returns the session's connection, '' without one, or 'gone' when there is no such session.
if redis.call('EXISTS', KEYS[1]) == 0 then return 'gone' end
redis.call('ZADD', KEYS[2], now_ms(), ARGV[1])
return redis.call('HGET', KEYS[1], 'connection') or ''
