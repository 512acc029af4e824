-- dead_redrive: a redrive changes its state; who did it is kept.
-- KEYS  1 redrive  2 its open tasks  3 audit
-- ARGV  1 id  2 new state  3 reason  4 actor  5 token of the process that drives from now on, '' = nobody new
--       6 seconds that one which is over is kept  7 audit cap  8… states from which this is allowed
-- Returns the state before; nothing changes when it is not an allowed one.
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return '' end
local is_allowed = false
for i = 8, #ARGV do is_allowed = is_allowed or ARGV[i] == state end
if not is_allowed then return state end
redis.call('HSET', KEYS[1], 'state', ARGV[2], 'reason', ARGV[3])
if ARGV[5] ~= '' then redis.call('HSET', KEYS[1], 'driver', ARGV[5]) end
if ARGV[2] ~= 'running' and ARGV[2] ~= 'paused' then
  redis.call('EXPIRE', KEYS[1], ARGV[6])
  redis.call('EXPIRE', KEYS[2], ARGV[6])
end
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[7], '*', 'action', 'redrive ' .. ARGV[2], 'task', '', 'actor', ARGV[4],
  'at_ms', int(now_ms()), 'act', ARGV[1], 'reason', ARGV[3])
return state
