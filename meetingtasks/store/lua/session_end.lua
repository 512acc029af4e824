-- session_end: end a session, at its owner's wish or because it is idle; its tasks go on.
-- KEYS  1 session  2 its requests  3 those that are open  4 outbox  5 all sessions  6 its log  7 counts
-- ARGV  1 id  2 why  3 only when its last sign of life is before this time in ms, and no task of it waits or runs;
--       '' = at once  4 s that its log is kept  5 channel of the words
-- Returns 'gone' when there was none, 'active' when it stays, 'ended'.
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('ZREM', KEYS[5], ARGV[1])
  return 'gone'
end
local now, open = now_ms(), redis.call('HVALS', KEYS[3])
if ARGV[3] ~= '' then
  if tonumber(redis.call('ZSCORE', KEYS[5], ARGV[1]) or '0') >= tonumber(ARGV[3]) then return 'active' end
  for _, task in ipairs(open) do
    local state = redis.call('HGET', 'mt:task:' .. task, 'state')
    if state and not FINAL[state] then return 'active' end
  end
end
for _, task in ipairs(open) do  -- nobody will write their final frames
  local state = redis.call('HGET', 'mt:task:' .. task, 'state')
  if state and FINAL[state] then
    redis.call('HINCRBY', KEYS[7], state == 'completed' and 'total_success' or 'total_failed', 1)
  end
end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
redis.call('ZREM', KEYS[5], ARGV[1])
note(KEYS[6], now, 'ended', {why = ARGV[2]})
redis.call('EXPIRE', KEYS[6], ARGV[4])
redis.call('PUBLISH', ARGV[5], ARGV[1] .. ' ')
return 'ended'
