-- session_release: take a claim back whose request was refused; the request id is free again.
-- KEYS  1 its requests  2 those that are open  3 counts  4 its log
-- ARGV  1 request id  2 task id  3 why
-- Returns 1, or 0 when it was not open.
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HINCRBY', KEYS[3], 'total_failed', 1)
note(KEYS[4], now_ms(), 'refused', {request_id = ARGV[1], why = ARGV[3]})
return 1
