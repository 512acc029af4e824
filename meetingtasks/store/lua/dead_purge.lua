#!lua flags=allow-oom
-- dead_purge: a dead letter is given up: its record ends as those of other tasks do.
-- KEYS  1 live  2 counts  3 stream  4 dead  5 task record  6 done channel  7 audit
-- ARGV  1 id  2 stream cap  3 name of the act  4 actor  5 record's lifetime in s  6 audit cap
-- Returns 1, or 0 when the task is no dead letter: then nothing changes.
local t = life(5)
local about = redis.call('HMGET', t.task, 'dead', 'queue', 'type', 'fingerprint', 'error_code')
if about[1] ~= '1' then return 0 end
local now = now_ms()
unbury(t, ARGV[1])
redis.call('EXPIRE', t.task, ARGV[5])
count(t.counts, about[2] or '', 'purged')
tell(t.stream, ARGV[2], t.task, ARGV[1], 'purged', now, {'actor', ARGV[4]})
redis.call('XADD', KEYS[7], 'MAXLEN', '~', ARGV[6], '*', 'action', 'purge', 'task', ARGV[1], 'actor', ARGV[4],
  'at_ms', int(now), 'act', ARGV[3], 'type', about[3] or '', 'queue', about[2] or '', 'fingerprint', about[4] or '',
  'error_code', about[5] or '')
return 1
