#!lua flags=allow-oom
-- fetch: acknowledge what is finished, put in order what is due, then hand out messages under a lease.
-- KEYS  a block per queue
-- ARGV  1 how many messages are wanted  2 lease in ms  3 owner of the new leases  4 deliveries that make a message dead
--       5 silence in ms after which leases get grace  6 grace in ms  7 how long a done submission is remembered in ms
--       8 longest time in ms that an idle consumer blocks  9 which queue goes first among equals, from 0
--       10… per acknowledgement: number of its queue from 0, message id, owner, submission mark or ''
-- Returns {ms until something is due or -1, waiting foreign messages, {positions of acknowledgements that were not the
--         owner's, from 0}, {"<number of its queue from 0> <length of its id> <verdict>\n<id><stored message>", …}}; the
--         verdict is '' (run it), 'exhausted' (delivered too often) or 'expired', and a message with one is beyond the
--         number wanted. One text for each message, because a client's time goes by the number of texts it reads.
local wanted, lease_ms, owner, max_deliveries = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local silence_ms, grace_ms, dedupe_ms = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local longest_block_ms, turn = tonumber(ARGV[8]), tonumber(ARGV[9])
local SWEEP = 200  -- due messages and expired leases that one call looks after, per queue
local VERDICTS = 100  -- messages that one call condemns
local PARKED = 1000  -- messages that one call parks
local now = now_ms()
local queues, out, lost, condemned, parked = {}, {}, {}, 0, 0
for offset = 0, #KEYS - 16, 16 do
  queues[#queues + 1] = queue(offset)
end

local function acknowledge()
  local acked, marks = {}, {}
  for i = 10, #ARGV, 4 do
    local number = tonumber(ARGV[i]) + 1
    local q = queues[number]
    if end_lease(q, ARGV[i + 1], ARGV[i + 2]) then
      acked[number] = acked[number] or {}
      table.insert(acked[number], ARGV[i + 1])
      if ARGV[i + 3] ~= '' then
        marks[number] = marks[number] or {}
        table.insert(marks[number], ARGV[i + 3])
      end
    else
      lost[#lost + 1] = (i - 10) / 4
    end
  end
  for number, ids in pairs(acked) do
    redis.call('HDEL', queues[number].messages, unpack(ids))
    count(queues[number], 'acked', #ids)
    remember(queues[number], marks[number] or {}, now, dedupe_ms)
  end
end

-- Nobody was here for a while (the server was away, or its clock jumped): holders get time to renew before others take over.
local function mind_the_gap(q)
  if redis.call('EXISTS', q.leases) == 0 then return end
  local seen = tonumber(redis.call('HGET', q.state, 'seen') or now)
  redis.call('HSET', q.state, 'seen', int(now))
  if now - seen <= silence_ms and seen - now <= silence_ms then return end
  local upper = seen > now and '+inf' or int(now + grace_ms)
  local held = redis.call('ZRANGEBYSCORE', q.leases, '-inf', upper, 'WITHSCORES')
  for i = 1, #held, 2 do
    -- half a millisecond marks a lease that had its grace; its holder's next renewal removes the mark
    if held[i + 1] % 1 == 0 then redis.call('ZADD', q.leases, int(now + grace_ms) .. '.5', held[i]) end
  end
end

local function hand_out(number, q, id, verdict, value)
  q.taken = q.taken or {}
  table.insert(q.taken, int(now + lease_ms))
  table.insert(q.taken, owner .. ' ' .. id)
  out[#out + 1] = (number - 1) .. ' ' .. #id .. ' ' .. verdict .. '\n' .. id .. value
  if verdict ~= '' then condemned = condemned + 1 end
end

local function lease(q)
  for i = 1, #q.taken, 2 * CHUNK do
    redis.call('ZADD', q.leases, unpack(q.taken, i, math.min(#q.taken, i + 2 * CHUNK - 1)))
  end
  redis.call('HSET', q.state, 'seen', int(now))
end

local function promote(q)
  local due = redis.call('ZRANGEBYSCORE', q.delayed, '-inf', int(now), 'LIMIT', 0, SWEEP)
  for _, id in ipairs(due) do
    redis.call('ZREM', q.delayed, id)
    local value = redis.call('HGET', q.messages, id)
    local m = value and read(value)
    if m then
      place(q, m)
      make_ready(q, id, m)
    end
  end
end

local function recover(number, q)
  local recovered = 0
  for _, held in ipairs(redis.call('ZRANGEBYSCORE', q.leases, '-inf', int(now), 'LIMIT', 0, SWEEP)) do
    local owner_then, id = string.match(held, '^(%S+) (.*)$')
    end_lease(q, id, owner_then)
    local value = redis.call('HGET', q.messages, id)
    local m = value and read(value)
    if m then
      m.deliveries = m.deliveries + 1
      recovered = recovered + 1
      if m.deliveries >= max_deliveries then
        redis.call('HSET', q.messages, id, write(m))
        hand_out(number, q, id, 'exhausted', write(m))
      else
        make_ready(q, id, m)
      end
    end
  end
  count(q, 'recovered', recovered)
end

-- What is parked comes back at its rank as far as its cap has room. Only names that something happened to are looked at.
local function wake(q)
  if not has_caps(q) then return end
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', q.waking, '-inf', int(now), 'LIMIT', 0, SWEEP)) do
    local from, to = lane_of(name)
    local at, again = #name + 2, nil
    local head = redis.call('ZRANGEBYLEX', q.parked, from, to, 'LIMIT', 0, 1)[1]
    local value = head and redis.call('HGET', q.messages, string.sub(head, at + 32))
    local m = value and read(value)
    if m then
      local free, due = room(q, cap_named(q, m.cap))
      local back = {}
      if free >= 1 then back = redis.call('ZRANGEBYLEX', q.parked, from, to, 'LIMIT', 0, math.min(free, SWEEP)) end
      for _, found in ipairs(back) do
        redis.call('ZREM', q.parked, found)
        redis.call('ZADD', q.ready, int(tonumber(string.sub(found, at, at + 15))), string.sub(found, at + 16))
      end
      again = #back == SWEEP and 0 or due
    elseif head then
      redis.call('ZREM', q.parked, head)
      count(q, 'corrupt', 1)
      again = 0
    end
    if again then redis.call('ZADD', q.waking, int(again), name) else redis.call('ZREM', q.waking, name) end
  end
end

local function park(q, cap, rank, found, due)
  local seq, id = tonumber(string.sub(found, 1, 16)), string.sub(found, 17)
  redis.call('ZADD', q.parked, 0, parked_member(cap.name, rank, seq, id))
  if due then redis.call('ZADD', q.waking, int(due), cap.name) end
  q.has_caps = true
  parked = parked + 1
end

-- Names of which something started: whether more may start, or when.
local function look_after(q)
  if not q.started or redis.call('EXISTS', q.parked) == 0 then return end
  for name, cap in pairs(q.started) do
    local from, to = lane_of(name)
    local free, due = room(q, cap)
    local again = free >= 1 and 0 or due
    if again and redis.call('ZLEXCOUNT', q.parked, from, to) > 0 then
      redis.call('ZADD', q.waking, int(again), name)
    end
  end
end

-- Virtual time follows what is handed out; lanes that it has passed are forgotten.
local function advance(q, reached)
  for level, tag in pairs(reached) do
    local base = level * BAND
    local now_at = tonumber(redis.call('HGET', q.state, 'v' .. level) or 0)
    if tag > now_at then
      redis.call('HSET', q.state, 'v' .. level, int(tag))
      redis.call('ZREMRANGEBYSCORE', q.lanes, int(base), int(base + tag))
    end
  end
end

local function take(number, q, limit)
  local popped = redis.call('ZPOPMIN', q.ready, limit)
  if #popped == 0 then return 0 end
  local ids, reached, taken, whole = {}, {}, 0, cap_named(q, ALL)
  for i = 1, #popped, 2 do ids[#ids + 1] = string.sub(popped[i], 17) end
  local values = redis.call('HMGET', q.messages, unpack(ids))
  for i, id in ipairs(ids) do
    local value, rank, stays = values[i], tonumber(popped[2 * i]), false
    local expires, text
    if value then expires, text = string.match(value, '^%d+ %d+ %d+ %d+ %d+ %d+ (%d+) %d+ %S* ?(%S*)\n') end
    if not expires then
      count(q, 'corrupt', 1)
    elseif expires ~= '0' and tonumber(expires) <= now then
      hand_out(number, q, id, 'expired', value)
      if text ~= '' then rouse(q, text) end
    else
      local cap = text ~= '' and cap_named(q, text)
      if cap and not cap.is_open then
        local free, due = room(q, cap)
        if free < 1 then
          park(q, cap, rank, popped[2 * i - 1], due)
          stays = true
        else
          start(q, cap, id)
          q.started = q.started or {}
          q.started[cap.name] = cap
        end
      end
      if not stays then
        if not whole.is_open then start(q, whole, id) end
        hand_out(number, q, id, '', value)
        taken = taken + 1
      end
    end
    if not stays then
      local level = math.floor(rank / BAND)
      reached[level] = rank - level * BAND
    end
  end
  advance(q, reached)
  return taken
end

-- How many the whole queue's cap lets start.
local function open_places(q)
  local whole = cap_named(q, ALL)
  return whole.is_open and math.huge or (room(q, whole))
end

-- The highest priority over all queues; queues of equal priority in turn.
local function choose()
  local best, tied, chosen = math.huge, 0, nil
  for i = 0, #queues - 1 do
    local number = (turn + i) % #queues + 1
    local head = redis.call('ZRANGE', queues[number].ready, 0, 0, 'WITHSCORES')[2]
    local level = head and math.floor(tonumber(head) / BAND)
    if level and level <= best and open_places(queues[number]) < 1 then level = nil end
    if level and level < best then
      best, tied, chosen = level, 1, number
    elseif level and level == best then
      tied = tied + 1
    end
  end
  return chosen, best, tied
end

local function take_from_all()
  local left = wanted
  while left > 0 and condemned < VERDICTS and parked < PARKED do
    local number, level, tied = 1, nil, 1
    if #queues > 1 then number, level, tied = choose() end
    if not number then break end
    local q = queues[number]
    local limit = math.min(left, CHUNK, open_places(q))
    if limit < 1 then break end
    if level then
      local same = redis.call('ZCOUNT', q.ready, int(level * BAND), '(' .. int((level + 1) * BAND))
      limit = tied > 1 and 1 or math.min(limit, same)
      turn = number
    end
    local before = #out
    left = left - take(number, q, limit)
    if #out == before and redis.call('ZCARD', q.ready) == 0 and #queues == 1 then break end
  end
  return left
end

-- An empty queue starts anew: virtual time moves to the furthest lane and no lane is kept.
local function close_lanes(q)
  local furthest = redis.call('ZREVRANGE', q.lanes, 0, 0, 'WITHSCORES')[2]
  while furthest do
    local level = math.floor(tonumber(furthest) / BAND)
    redis.call('HSET', q.state, 'v' .. level, int(tonumber(furthest) - level * BAND))
    redis.call('ZREMRANGEBYSCORE', q.lanes, int(level * BAND), '+inf')
    furthest = redis.call('ZREVRANGE', q.lanes, 0, 0, 'WITHSCORES')[2]
  end
end

acknowledge()
for number, q in ipairs(queues) do
  mind_the_gap(q)
  promote(q)
  recover(number, q)
  wake(q)
end
local left = take_from_all()
local next_due, foreign = math.huge, 0
for _, q in ipairs(queues) do
  if q.taken then lease(q) end
  look_after(q)
  settle(q)
  local is_empty = redis.call('ZCARD', q.ready) == 0
  if is_empty and not (has_caps(q) and redis.call('EXISTS', q.parked) == 1) then close_lanes(q) end
  local due = redis.call('ZRANGE', q.delayed, 0, 0, 'WITHSCORES')[2]
  local expiry = redis.call('ZRANGE', q.leases, 0, 0, 'WITHSCORES')[2]
  local wakes = has_caps(q) and redis.call('ZRANGE', q.waking, 0, 0, 'WITHSCORES')[2]
  next_due = math.min(next_due, due and tonumber(due) or math.huge, expiry and tonumber(expiry) or math.huge,
    wakes and tonumber(wakes) or math.huge)
  local whole = cap_named(q, ALL)
  if not is_empty and not whole.is_open then
    local _, paid = room(q, whole)
    next_due = math.min(next_due, paid or math.huge)
  end
  foreign = foreign + redis.call('LLEN', q.inbox)
end
local wait_ms = next_due == math.huge and -1 or math.max(0, math.ceil(next_due - now))
-- A consumer that goes idle minds the next due time itself; one that is full leaves that to another.
if left > 0 then
  for _, q in ipairs(queues) do redis.call('DEL', q.bell) end
elseif wanted > 0 and wait_ms >= 0 and wait_ms < longest_block_ms then
  ring(queues[1])
end
return {wait_ms, foreign, lost, out}
