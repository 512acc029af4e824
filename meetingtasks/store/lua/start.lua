#!lua flags=allow-oom
-- start: the right to run an attempt now. The token fences: only its owner may report progress or an end.
-- KEYS  1 task record  2 live  3 counts  4 stream  5 done channel
-- ARGV  1 id  2 stream cap  3 retries in the message  4 token  5 worker  6 pid  7 record's lifetime in s
--       8… field, value, … of a record to make when a foreign producer sent the message without one
-- Returns {'run', field, value, …} with the whole record, or {'refused', state}: the message is to be acknowledged unrun.
local now = now_ms()
local state = redis.call('HGET', KEYS[1], 'state')
if not state then
  redis.call('HSET', KEYS[1], 'id', ARGV[1], 'created_ms', int(now), unpack(ARGV, 8))
  redis.call('ZADD', KEYS[2], now, ARGV[1])
  count(KEYS[3], redis.call('HGET', KEYS[1], 'queue'), 'dispatched')
  tell(KEYS[4], ARGV[2], KEYS[1], ARGV[1], 'created', now, {})
  state = 'pending'
end
if FINAL[state] then return {'refused', state} end
local queue = redis.call('HGET', KEYS[1], 'queue')
-- an older attempt's message that came back after its retry was planned
if tonumber(ARGV[3]) < tonumber(redis.call('HGET', KEYS[1], 'retries') or '0') then return {'refused', 'stale'} end
if state == 'running' then
  close_attempt(KEYS[1], 'lost', now, 'its worker was lost')
  redis.call('HSET', KEYS[1], 'redelivered', '1')
  count(KEYS[3], queue, 'lost')
end
local function end_unrun(final)
  redis.call('HSET', KEYS[1], 'state', final, 'ended_ms', int(now), 'token', '')
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('EXPIRE', KEYS[1], ARGV[7])
  count(KEYS[3], queue, final)
  tell(KEYS[4], ARGV[2], KEYS[1], ARGV[1], final, now, {})
  publish_revoked(KEYS[5], ARGV[1], final)
  return {'refused', final}
end
if redis.call('HEXISTS', KEYS[1], 'cancel_ms') == 1 then return end_unrun('cancelled') end
local expires = tonumber(redis.call('HGET', KEYS[1], 'expires_ms') or '')
if expires and now > expires then return end_unrun('expired') end
local attempt = redis.call('HINCRBY', KEYS[1], 'attempt', 1)
redis.call('HSET', KEYS[1], 'state', 'running', 'token', ARGV[4], 'worker', ARGV[5], 'pid', ARGV[6],
  'retries', ARGV[3], 'started_ms', int(now), 'attempt:' .. attempt, cjson.encode({attempt = attempt,
  worker = ARGV[5], pid = tonumber(ARGV[6]), started_ms = now, outcome = 'running', error = ''}))
-- progress is the attempt's own
redis.call('HDEL', KEYS[1], 'percent', 'step', 'completed_steps', 'total_steps', 'message', 'progress_ms', 'due_ms')
redis.call('HSETNX', KEYS[1], 'first_started_ms', int(now))
count(KEYS[3], queue, 'started')
tell(KEYS[4], ARGV[2], KEYS[1], ARGV[1], 'started', now, {'worker', ARGV[5]})
local reply = redis.call('HGETALL', KEYS[1])
table.insert(reply, 1, 'run')
return reply
