-- dead_requeue: a dead letter becomes a live task again. Goes with the enqueueing of its message.
-- KEYS  1 live  2 counts  3 stream  4 dead  5 task record  6 done channel  7 audit
-- ARGV  1 id  2 stream cap  3 name of the act  4 actor  5 queue  6 the generation that ends here  7 audit cap
-- Returns 1, or 0 when the task is no dead letter of this generation: then nothing changes.
local t = life(5)
local about = redis.call('HMGET', t.task, 'dead', 'generation', 'state', 'ended_ms', 'error', 'queue', 'attempt', 'retries')
local generation = tonumber(about[2] or '1')
if about[1] ~= '1' or generation ~= tonumber(ARGV[6]) then return 0 end
local now, attempt, retries = now_ms(), about[7] or '0', tonumber(about[8] or '0')
-- put together as text: a round trip through Lua's numbers and tables would change the error
redis.call('HSET', t.task, 'generation:' .. generation, '{"generation":' .. int(generation) .. ',"state":"' .. about[3] ..
  '","ended_ms":' .. about[4] .. ',"error":' .. (about[5] or 'null') .. ',"queue":' .. cjson.encode(about[6] or '') ..
  ',"attempt":' .. attempt .. ',"retries":' .. int(retries) .. ',"requeued_ms":' .. int(now) ..
  ',"requeued_by":' .. cjson.encode(ARGV[4]) .. '}')
unbury(t, ARGV[1])
redis.call('HDEL', t.task, 'error', 'result', 'partial', 'children', 'ended_ms', 'worker', 'pid', 'redelivered', 'eta_ms',
  'due_ms', 'expires_ms', 'deadline_ms', 'percent', 'step', 'completed_steps', 'total_steps', 'message', 'progress_ms')
-- the number of its message goes on, so that a message of an earlier generation is recognised as stale
redis.call('HSET', t.task, 'state', 'pending', 'token', '', 'queue', ARGV[5], 'generation', int(generation + 1),
  'retries', int(retries + 1), 'retries_before', int(retries + 1), 'requeued_ms', int(now), 'requeue', ARGV[3])
go_live(t, ARGV[1], now)
count(t.counts, ARGV[5], 'requeued')
tell(t.stream, ARGV[2], t.task, ARGV[1], 'requeued', now, {'generation', int(generation + 1), 'actor', ARGV[4]})
redis.call('XADD', KEYS[7], 'MAXLEN', '~', ARGV[7], '*', 'action', 'requeue', 'task', ARGV[1], 'actor', ARGV[4],
  'at_ms', int(now), 'act', ARGV[3], 'from', about[6] or '', 'to', ARGV[5], 'generation', int(generation + 1))
return 1
