-- session_claim: one of a session's slots for a request; what holds a slot is looked up, so none can leak.
-- KEYS  1 session  2 its requests  3 those that are open  4 all sessions  5 counts  6 its log
-- ARGV  1 session  2 request id  3 task id for it  4 digest of the request  5 how many slots
--       6 ms that a claim without a task holds its slot: its submitter may have died
-- Returns {'gone'}, {'new', task}, {'duplicate', task}, {'conflict', task}, or {'busy', position, retry after in ms}:
--         how many tasks must end first, and when the next one does if it takes as long as those before.
if redis.call('EXISTS', KEYS[1]) == 0 then return {'gone'} end
local now = now_ms()
redis.call('ZADD', KEYS[4], now, ARGV[1])
local known = redis.call('HGET', KEYS[2], ARGV[2])
if known then
  known = cjson.decode(known)
  return {known.digest == ARGV[4] and 'duplicate' or 'conflict', known.task}
end
local held, oldest = 0, now
local open = redis.call('HGETALL', KEYS[3])
for i = 1, #open, 2 do
  local about = redis.call('HMGET', 'mt:task:' .. open[i + 1], 'state', 'started_ms')
  local claimed = cjson.decode(redis.call('HGET', KEYS[2], open[i])).at_ms
  if (about[1] and not FINAL[about[1]]) or (not about[1] and now - claimed < tonumber(ARGV[6])) then
    held = held + 1
    oldest = math.min(oldest, tonumber(about[2] or '') or now)
  end
end
if held >= tonumber(ARGV[5]) then
  local past = redis.call('HMGET', KEYS[1], 'ended', 'ended_ms')
  local mean = past[1] and tonumber(past[2]) / tonumber(past[1]) or 5000
  return {'busy', held - tonumber(ARGV[5]) + 1, math.floor(math.max(1000, mean - (now - oldest)))}
end
redis.call('HSET', KEYS[2], ARGV[2], cjson.encode({task = ARGV[3], digest = ARGV[4], at_ms = now}))
redis.call('HSET', KEYS[3], ARGV[2], ARGV[3])
redis.call('HINCRBY', KEYS[5], 'total_requests', 1)
note(KEYS[6], now, 'submitted', {request_id = ARGV[2], task_id = ARGV[3]})
return {'new', ARGV[3]}
