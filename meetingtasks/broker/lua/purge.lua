#!lua flags=allow-oom
-- purge: drop messages that nobody runs, in two steps: look which they are, then drop these. Between the two their tasks
-- are cancelled, so a process that dies there leaves messages which are refused when they are fetched, never lost tasks.
-- KEYS  the queue's block
-- ARGV  1 most messages to look at  2… ids to drop; without any it only looks
-- Returns the ids: those that wait (ready ones first, then delayed and parked ones), or those that were dropped.
local q, limit, ids = queue(0), math.min(tonumber(ARGV[1]), CHUNK), {}
if #ARGV == 1 then
  for _, member in ipairs(redis.call('ZRANGE', q.ready, 0, limit - 1)) do ids[#ids + 1] = string.sub(member, 17) end
  if #ids < limit then
    for _, id in ipairs(redis.call('ZRANGE', q.delayed, 0, limit - #ids - 1)) do ids[#ids + 1] = id end
  end
  if #ids < limit then
    for _, member in ipairs(redis.call('ZRANGE', q.parked, 0, limit - #ids - 1)) do
      ids[#ids + 1] = string.match(member, '^%S* %d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d(.*)$')
    end
  end
  return ids
end
for i = 2, #ARGV do
  local id, removed = ARGV[i], redis.call('ZREM', q.delayed, ARGV[i])
  if removed == 0 then
    local value = redis.call('HGET', q.messages, id)
    local m = value and read(value)
    if m then removed = redis.call('ZREM', q.ready, member(m.seq, id)) end
    if m and m.cap ~= '' then
      if removed == 1 then
        rouse(q, m.cap)  -- a parked message may have the start that this one would have had
      else
        removed = redis.call('ZREM', q.parked, parked_member(string.match(m.cap, '^[^=]*'), m.rank, m.seq, id))
      end
    end
  end
  if removed == 1 then
    redis.call('HDEL', q.messages, id)
    ids[#ids + 1] = id
  end
end
count(q, 'purged', #ids)
settle(q)
tell_of_places(q)
return ids
