#!lua flags=allow-oom
-- expire: messages whose start-by time has passed are dropped.
-- KEYS  the queue's block
-- ARGV  per message: id, owner
-- Returns per message 1, or 0 when the lease was not the owner's: then nothing changes.
local q, answers, gone = queue(0), {}, 0
for i = 1, #ARGV, 2 do
  local owned = end_lease(q, ARGV[i], ARGV[i + 1])
  if owned then
    redis.call('HDEL', q.messages, ARGV[i])
    gone = gone + 1
  end
  answers[#answers + 1] = owned and 1 or 0
end
count(q, 'expired', gone)
tell_of_places(q)
return answers
