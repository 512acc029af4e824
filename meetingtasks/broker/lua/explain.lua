-- explain: where one message is.
-- KEYS  the queue's block
-- ARGV  1 message id
-- Returns {place, stored message, detail, ms now}: 'ready' with its position from 0, 'delayed' with its due time in ms,
--         'leased' with "<expiry in ms> <owner>", 'parked' with "<position from 0 among those of its cap> <name of the
--         cap> <how many of it are in work> <most in work or inf> <starts per s or 0>", 'dead' with the reason, or 'unknown'.
local q, id, now = queue(0), ARGV[1], int(now_ms())
local value = redis.call('HGET', q.messages, id)
if not value then
  local grave = redis.call('HGET', q.graves, id)
  if not grave then return {'unknown', '', '', now} end
  local reason, stored = string.match(grave, '^([^\n]*)\n(.*)$')
  return {'dead', stored, reason, now}
end
local due = redis.call('ZSCORE', q.delayed, id)
if due then return {'delayed', value, due, now} end
local m = read(value)
local position = m and redis.call('ZRANK', q.ready, member(m.seq, id))
if position then return {'ready', value, tostring(position), now} end
if m and m.cap ~= '' then
  local cap = cap_named(q, m.cap)
  local own = parked_member(cap.name, m.rank, m.seq, id)
  if redis.call('ZSCORE', q.parked, own) then
    local ahead = redis.call('ZLEXCOUNT', q.parked, '[' .. cap.name .. ' ', '(' .. own)
    local most = cap.most == math.huge and 'inf' or int(cap.most)
    local rate = cap.interval > 0 and string.format('%g', 1000 / cap.interval) or '0'
    local detail = string.format('%d %s %d %s %s', ahead, cap.name, in_work(q, cap.name), most, rate)
    return {'parked', value, detail, now}
  end
end
local leases = redis.call('ZRANGE', q.leases, 0, -1, 'WITHSCORES')
for i = 1, #leases, 2 do
  local owner, held = string.match(leases[i], '^(%S+) (.*)$')
  if held == id then return {'leased', value, leases[i + 1] .. ' ' .. owner, now} end
end
return {'unknown', value, '', now}
