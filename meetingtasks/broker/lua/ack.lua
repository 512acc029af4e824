#!lua flags=allow-oom
-- ack: messages are done.
-- KEYS  the queue's block
-- ARGV  1 how long a done submission is remembered in ms  2… per message: id, owner, submission mark or ''
-- Returns per message 1, or 0 when the lease was not the owner's: then nothing changes.
local q, answers, marks, done = queue(0), {}, {}, 0
for i = 2, #ARGV, 3 do
  local owned = end_lease(q, ARGV[i], ARGV[i + 1])
  if owned then
    redis.call('HDEL', q.messages, ARGV[i])
    done = done + 1
    if ARGV[i + 2] ~= '' then marks[#marks + 1] = ARGV[i + 2] end
  end
  answers[#answers + 1] = owned and 1 or 0
end
count(q, 'acked', done)
remember(q, marks, now_ms(), tonumber(ARGV[1]))
tell_of_places(q)
return answers
