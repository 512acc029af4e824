#!lua flags=allow-oom
-- purge: drop messages that nobody runs, in two steps: look which they are, then drop these. Between the two their tasks
-- are cancelled, so a process that dies there leaves messages which are refused when they are fetched, never lost tasks.
-- KEYS  the queue's block
-- ARGV  1 most messages to look at  2… ids to drop; without any it only looks
-- Returns the ids: those that wait (ready ones first, then delayed ones), or those that were dropped.
local q, limit, ids = queue(0), math.min(tonumber(ARGV[1]), CHUNK), {}
if #ARGV == 1 then
  for _, member in ipairs(redis.call('ZRANGE', q.ready, 0, limit - 1)) do ids[#ids + 1] = string.sub(member, 17) end
  if #ids < limit then
    for _, id in ipairs(redis.call('ZRANGE', q.delayed, 0, limit - #ids - 1)) do ids[#ids + 1] = id end
  end
  return ids
end
for i = 2, #ARGV do
  local id, removed = ARGV[i], redis.call('ZREM', q.delayed, ARGV[i])
  if removed == 0 then
    local m = redis.call('HGET', q.messages, id)
    if m then removed = redis.call('ZREM', q.ready, member(read(m).seq, id)) end
  end
  if removed == 1 then
    redis.call('HDEL', q.messages, id)
    ids[#ids + 1] = id
  end
end
count(q, 'purged', #ids)
settle(q)
return ids
