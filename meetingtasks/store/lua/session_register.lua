-- session_register: begin a client session, or find the one that is there.
-- KEYS  1 session  2 all sessions  3 its log
-- ARGV  1 id  2 user as JSON  3 meeting as JSON  4 SHA-256 of the token by which it is resumed
-- Returns 'new', 'there' (for the same user and meeting: the digest is replaced), or 'taken' by another user or meeting.
local now, held = now_ms(), redis.call('HMGET', KEYS[1], 'user', 'meeting')
if held[1] and (held[1] ~= ARGV[2] or held[2] ~= ARGV[3]) then return 'taken' end
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'user', ARGV[2], 'meeting', ARGV[3], 'digest', ARGV[4])
redis.call('ZADD', KEYS[2], now, ARGV[1])
if held[1] then return 'there' end
redis.call('HSET', KEYS[1], 'created_ms', int(now), 'seq', '0')
redis.call('PERSIST', KEYS[3])
note(KEYS[3], now, 'registered', {})
return 'new'
