#!lua flags=allow-oom
-- retry: a failed attempt ends, the next one is planned. Goes with the enqueueing of its message.
-- KEYS  1 task record  2 counts  3 stream
-- ARGV  1 id  2 stream cap  3 retries from now on  4 planned time in ms, '' = at once  5 the error's message
--       6 token of the failed attempt, '' = a foreign program's retry, which is believed
-- Returns 1, or 0 when nothing is planned: this retry (or a later one, or an end) is on record already, the token no
-- longer owns the run, or its cancellation was asked for.
local about = redis.call('HMGET', KEYS[1], 'state', 'retries', 'queue', 'token', 'cancel_ms')
if not about[1] or FINAL[about[1]] or tonumber(about[2] or '0') >= tonumber(ARGV[3]) then return 0 end
if about[5] or (ARGV[6] ~= '' and about[4] ~= ARGV[6]) then return 0 end
local now = now_ms()
redis.call('HSET', KEYS[1], 'state', 'retrying', 'retries', ARGV[3], 'token', '', 'due_ms', ARGV[4])
close_attempt(KEYS[1], 'retrying', now, ARGV[5])
count(KEYS[2], about[3] or '', 'retried')
tell(KEYS[3], ARGV[2], KEYS[1], ARGV[1], 'retrying', now, {'retries', ARGV[3], 'error', cut(ARGV[5], 200)})
return 1
