#!lua flags=allow-oom
-- finish: the one final state of a task, by the attempt that owns it.
-- KEYS  1 live  2 counts  3 stream  4 dead  5 task record  6 done channel
-- ARGV  1 id  2 stream cap  3 token; '' = the worker's main process speaks for a child that cannot
--       4 that worker's name, '' = it is nobody's run in particular  5 final state  6 record's lifetime in s
--       7 '1' when it also becomes a dead letter  8 result meta to publish  9 the error's message, '' without one
--       10 number of the message that ends (its retries), '' when it is nobody's in particular
--       11 payload of a dead letter that was recorded without one, '' = none  12… field, value, …
-- Returns the state that stands now: the asked-for one, another final one that was there first, 'lost' when token or
-- worker no longer own the run, 'stale' when the message was followed by a later one, or 'cancelled' when a running task's
-- cancellation was already answered.
local t, final = life(5), ARGV[5]
local about = redis.call('HMGET', t.task, 'state', 'token', 'cancel_ms', 'worker', 'retries')
local state, token = about[1], about[2]
if state and FINAL[state] then return state end
if state and ARGV[3] ~= '' and token ~= ARGV[3] then return 'lost' end
if state == 'running' and ARGV[3] == '' and ARGV[4] ~= '' and about[4] ~= ARGV[4] then return 'lost' end
if ARGV[10] ~= '' and tonumber(ARGV[10]) < tonumber(about[5] or '0') then return 'stale' end
local now = now_ms()
if not state then
  -- a task of Celery's own that nobody recorded
  redis.call('HSET', t.task, 'id', ARGV[1], 'created_ms', int(now), 'type', '', 'name', '', 'service', '', 'queue', '')
  accept(t, ARGV[1], ARGV[2], now)
end
local how = {id = ARGV[1], cap = ARGV[2], ttl = ARGV[6], why = ARGV[9], extra = {'error', cut(ARGV[9], 200)}}
if about[3] then
  final = 'cancelled'
else
  how.fields, how.dead = {unpack(ARGV, 12)}, ARGV[7] == '1' and final ~= 'cancelled'
  if how.dead and ARGV[11] ~= '' then redis.call('HSETNX', t.task, 'payload', ARGV[11]) end
end
if final == ARGV[5] then how.meta = ARGV[8] end
conclude(t, final, now, how)
return final
