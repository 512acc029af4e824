-- dead_edit: a dead letter gets another payload; who did it, and both payloads, are kept.
-- KEYS  1 task record  2 audit
-- ARGV  1 id  2 the new payload as JSON  3 the payload that it replaces, as it is stored; '' = none  4 actor  5 audit cap
-- Returns 1, or 0 when the task is no dead letter or its payload is another by now: then nothing changes.
local about = redis.call('HMGET', KEYS[1], 'dead', 'payload')
if about[1] ~= '1' or (about[2] or '') ~= ARGV[3] then return 0 end
redis.call('HSET', KEYS[1], 'payload', ARGV[2])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[5], '*', 'action', 'edit', 'task', ARGV[1], 'actor', ARGV[4],
  'at_ms', int(now_ms()), 'before', ARGV[3], 'after', ARGV[2])
return 1
