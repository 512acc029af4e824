#!lua flags=allow-oom
-- progress: how far the running attempt is; the percent never falls within it.
-- KEYS  1 task record
-- ARGV  1 id  2 token  3 percent  4 step  5 completed steps  6 total steps  7 message
-- Returns 'ok', 'cancel' when its cancellation was asked for, or 'lost' when the token no longer owns the run.
local about = redis.call('HMGET', KEYS[1], 'token', 'state', 'percent', 'cancel_ms')
if about[1] ~= ARGV[2] or about[2] ~= 'running' then return 'lost' end
local percent = math.max(tonumber(about[3] or '0'), tonumber(ARGV[3]))
local shown = string.format('%.4g', percent)
redis.call('HSET', KEYS[1], 'percent', shown, 'step', ARGV[4], 'completed_steps', ARGV[5],
  'total_steps', ARGV[6], 'message', ARGV[7], 'progress_ms', int(now_ms()))
redis.call('PUBLISH', 'mt:watch:' .. ARGV[1], cjson.encode({task = ARGV[1], event = 'progress', percent = shown,
  step = ARGV[4], completed_steps = ARGV[5], total_steps = ARGV[6], message = ARGV[7]}))
local of = redis.call('HMGET', KEYS[1], 'type', 'queue', 'meeting_id', 'attempt')
tell_fleet(of, ARGV[1], 'progress', {percent = tonumber(shown), step = ARGV[4], completed_steps = tonumber(ARGV[5]),
  total_steps = tonumber(ARGV[6]), message = ARGV[7]}, nil, now_ms())
if about[4] then return 'cancel' end
return 'ok'
