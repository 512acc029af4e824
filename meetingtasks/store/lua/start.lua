#!lua flags=allow-oom
-- start: the right to run an attempt now. The token fences: only its owner may report progress or an end.
-- KEYS  1 live  2 counts  3 stream  4 dead  5 task record  6 done channel
-- ARGV  1 id  2 stream cap  3 retries in the message  4 token  5 worker  6 pid  7 record's lifetime in s
--       8… field, value, … of a record to make when a foreign producer sent the message without one
-- Returns {'run', field, value, …} with the whole record, or {'refused', state}: the message is to be acknowledged unrun.
local t, now = life(5), now_ms()
local state = redis.call('HGET', t.task, 'state')
if not state then
  redis.call('HSET', t.task, 'id', ARGV[1], 'created_ms', int(now), unpack(ARGV, 8))
  accept(t, ARGV[1], ARGV[2], now)
  state = 'pending'
end
if FINAL[state] then return {'refused', state} end
local queue = redis.call('HGET', t.task, 'queue')
-- an older attempt's message that came back after its retry was planned
if tonumber(ARGV[3]) < tonumber(redis.call('HGET', t.task, 'retries') or '0') then return {'refused', 'stale'} end
if state == 'running' then
  close_attempt(t.task, 'lost', now, 'its worker was lost')
  redis.call('HSET', t.task, 'redelivered', '1')
  count(t.counts, queue, 'lost')
end
local function end_unrun(final)
  conclude(t, final, now, {id = ARGV[1], cap = ARGV[2], ttl = ARGV[7]})
  return {'refused', final}
end
if redis.call('HEXISTS', t.task, 'cancel_ms') == 1 then return end_unrun('cancelled') end
local expires = tonumber(redis.call('HGET', t.task, 'expires_ms') or '')
if expires and now > expires then return end_unrun('expired') end
local attempt = redis.call('HINCRBY', t.task, 'attempt', 1)
redis.call('HSET', t.task, 'state', 'running', 'token', ARGV[4], 'worker', ARGV[5], 'pid', ARGV[6],
  'retries', ARGV[3], 'started_ms', int(now), 'attempt:' .. attempt, cjson.encode({attempt = attempt,
  worker = ARGV[5], pid = tonumber(ARGV[6]), started_ms = now, outcome = 'running', error = ''}))
-- progress is the attempt's own
redis.call('HDEL', t.task, 'percent', 'step', 'completed_steps', 'total_steps', 'message', 'progress_ms', 'due_ms')
redis.call('HSETNX', t.task, 'first_started_ms', int(now))
count(t.counts, queue, 'started')
tell(t.stream, ARGV[2], t.task, ARGV[1], 'started', now, {'worker', ARGV[5]})
local reply = redis.call('HGETALL', t.task)
table.insert(reply, 1, 'run')
return reply
