#!lua flags=allow-oom
-- session_conclude: the one final frame of a request, whoever writes it first.
-- KEYS  1 session  2 those requests that are open  3 outbox  4 counts  5 its log  6 all sessions
-- ARGV  1 session  2 request id  3 'success' or 'error'  4 the frame's data as JSON  5 ms that the task took
--       6 frames kept  7 channel of the words
-- Returns the frame's seq, or 0 when it was written before, or the session is gone.
if redis.call('HDEL', KEYS[2], ARGV[2]) == 0 then return 0 end
local now, seq = now_ms(), redis.call('HINCRBY', KEYS[1], 'seq', 1)
redis.call('XADD', KEYS[3], 'MAXLEN', ARGV[6], int(seq) .. '-0', 'type', 'task.result', 'ts', int(now), 'data', ARGV[4])
redis.call('ZADD', KEYS[6], now, ARGV[1])
redis.call('HINCRBY', KEYS[1], 'ended', 1)
redis.call('HINCRBY', KEYS[1], 'ended_ms', ARGV[5])
redis.call('HINCRBY', KEYS[4], ARGV[3] == 'success' and 'total_success' or 'total_failed', 1)
note(KEYS[5], now, 'finished', {request_id = ARGV[2], outcome = ARGV[3]})
redis.call('PUBLISH', ARGV[7], ARGV[1] .. ' ' .. (redis.call('HGET', KEYS[1], 'connection') or ''))
return seq
