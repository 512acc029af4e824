-- Functions that several scripts share; not a script of its own.
-- A queue's keys come as a block in the order of keys.BLOCK; queue(offset) names them.
local TOKEN = '\1'
-- Eleven priorities of 2^49 stay below 2^53, up to where a double counts exactly.
local BAND = 562949953421312
-- Lua's stack bounds the arguments of one call.
local CHUNK = 1000

local function queue(offset)
  return {list = KEYS[offset + 1], ready = KEYS[offset + 2], messages = KEYS[offset + 3], leases = KEYS[offset + 4],
    delayed = KEYS[offset + 5], lanes = KEYS[offset + 6], state = KEYS[offset + 7], bell = KEYS[offset + 8],
    done = KEYS[offset + 9], inbox = KEYS[offset + 10], dead = KEYS[offset + 11], graves = KEYS[offset + 12],
    caps = KEYS[offset + 13], parked = KEYS[offset + 14], working = KEYS[offset + 15], waking = KEYS[offset + 16]}
end

local current_ms

local function now_ms()
  if not current_ms then
    local t = redis.call('TIME')
    current_ms = t[1] * 1000 + math.floor(t[2] / 1000)
  end
  return current_ms
end

-- Lua's own conversion keeps 14 digits only.
local function int(n)
  return string.format('%.0f', n)
end

local function count(q, event, n)
  if n > 0 then redis.call('HINCRBY', q.state, event, n) end
end

-- What stands before a stored message: everything the scripts must know about it.
local HEADER = '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%S*) ?(%S*)\n()'

local function read(value)
  local level, rank, seq, deliveries, deferrals, enqueued, expires, cost, key, cap, at = string.match(value, HEADER)
  if not at then return nil end
  return {level = tonumber(level), rank = tonumber(rank), seq = tonumber(seq), deliveries = tonumber(deliveries),
    deferrals = tonumber(deferrals), enqueued = tonumber(enqueued), expires = tonumber(expires), cost = tonumber(cost),
    key = key, cap = cap, payload = string.sub(value, at)}
end

local function write(m)
  return string.format('%d %.0f %.0f %d %d %.0f %.0f %d %s\n', m.level, m.rank, m.seq, m.deliveries, m.deferrals,
    m.enqueued, m.expires, m.cost, m.cap == '' and m.key or m.key .. ' ' .. m.cap) .. m.payload
end

local function member(seq, id)
  return string.format('%016.0f', seq) .. id
end

-- Give a message its rank: start-time fair queuing between the meeting keys of one priority.
local function place(q, m)
  local base = m.level * BAND
  local lane = m.level .. ' ' .. m.key
  local tag = tonumber(redis.call('HGET', q.state, 'v' .. m.level) or 0)
  local last = redis.call('ZSCORE', q.lanes, lane)
  if last then tag = math.max(tag, last - base) end
  redis.call('ZADD', q.lanes, int(base + tag + m.cost), lane)
  m.rank = base + tag
  m.seq = redis.call('HINCRBY', q.state, 'seq', 1)
end

-- Back to (or into) the ready messages at the rank it has.
local function make_ready(q, id, m)
  redis.call('HSET', q.messages, id, write(m))
  redis.call('ZADD', q.ready, int(m.rank), member(m.seq, id))
end

-- What a message carries of its cap is a name, and after '=' how many may be in work where nothing else is set.
local ALL = '*'  -- the name of the whole queue's cap

-- Whether there is anything about caps in this queue: nearly always not, and then it costs this one look.
local function has_caps(q)
  if q.has_caps == nil then q.has_caps = redis.call('EXISTS', q.caps, q.working, q.parked, q.waking) > 0 end
  return q.has_caps
end

local OPEN = {most = math.huge, interval = 0, is_open = true}

local function cap_named(q, text)
  if not has_caps(q) and not string.find(text, '=', 1, true) then return OPEN end
  q.read = q.read or {}
  local cap = q.read[text]
  if not cap then
    local name, most = string.match(text, '^([^=]*)=?(%d*)$')
    cap = {name = name, most = tonumber(most) or math.huge, interval = 0, burst = 1}
    local set = has_caps(q) and redis.call('HGET', q.caps, name)
    if set then
      local set_most, rate, burst = string.match(set, '^(%S+) (%S+) (%S+)$')
      cap.most = tonumber(set_most) or math.huge
      cap.interval = tonumber(rate) and 1000 / tonumber(rate) or 0
      cap.burst = tonumber(burst) or 1
    end
    cap.is_open = cap.most == math.huge and cap.interval == 0
    q.read[text] = cap
  end
  return cap
end

-- The members of `parked` and `working` that belong to one name.
local function lane_of(name)
  return '[' .. name .. ' ', '(' .. name .. '!'
end

local function in_work(q, name)
  q.in_work = q.in_work or {}
  if not q.in_work[name] then
    q.in_work[name] = name == ALL and redis.call('ZCARD', q.leases) or redis.call('ZLEXCOUNT', q.working, lane_of(name))
  end
  return q.in_work[name]
end

-- When, by its rate alone, a cap's starts so far are paid for: never further away than a full burst.
local function paid_until(q, cap)
  q.paid = q.paid or {}
  if not q.paid[cap.name] then
    local now = now_ms()
    local paid = tonumber(redis.call('HGET', q.state, 'paid ' .. cap.name) or 0)
    q.paid[cap.name] = math.min(math.max(paid, now), now + cap.burst * cap.interval)
  end
  return q.paid[cap.name]
end

-- How many may start now; when none may for want of a token only, also the time in ms of the next one.
local function room(q, cap)
  local places, tokens = math.huge, math.huge
  if cap.most < math.huge then places = cap.most - in_work(q, cap.name) end
  if cap.interval > 0 then
    tokens = math.floor(cap.burst - (paid_until(q, cap) - now_ms()) / cap.interval + 0.000001)
    if places >= 1 and tokens < 1 then
      return 0, math.ceil(paid_until(q, cap) - (cap.burst - 1) * cap.interval)
    end
  end
  return math.max(0, math.min(places, tokens))
end

local function start(q, cap, id)
  if q.in_work and q.in_work[cap.name] then q.in_work[cap.name] = q.in_work[cap.name] + 1 end
  if cap.interval > 0 then
    q.paid[cap.name] = paid_until(q, cap) + cap.interval
    redis.call('HSET', q.state, 'paid ' .. cap.name, string.format('%.3f', q.paid[cap.name]))
  end
  if cap.name ~= ALL then
    redis.call('ZADD', q.working, 0, cap.name .. ' ' .. id)
    q.has_caps = true
  end
end

local function parked_member(name, rank, seq, id)
  return string.format('%s %016.0f%016.0f', name, rank, seq) .. id
end

-- A place of this name may be free: the next fetch looks whether something parked can use it.
local function rouse(q, text)
  local name = string.match(text, '^[^=]*')
  if has_caps(q) and redis.call('ZLEXCOUNT', q.parked, lane_of(name)) > 0 then
    redis.call('ZADD', q.waking, 0, name)
    q.is_roused = true
  end
end

-- A message is no longer in work. Called while its text is still there.
local function free_place(q, id)
  if not has_caps(q) then return end
  q.in_work = nil
  q.is_roused = q.is_roused or redis.call('HEXISTS', q.caps, ALL) == 1
  local value = redis.call('HGET', q.messages, id)
  local m = value and read(value)
  if m and m.cap ~= '' and redis.call('ZREM', q.working, string.match(m.cap, '^[^=]*') .. ' ' .. id) == 1 then
    rouse(q, m.cap)
  end
end

-- As many tokens on the list as ready messages that may start; what foreign programs pushed goes to the inbox.
local function settle(q)
  local whole = cap_named(q, ALL)
  local may_start = redis.call('ZCARD', q.ready)
  if not whole.is_open then may_start = math.min(may_start, (room(q, whole))) end
  local missing = may_start - redis.call('LLEN', q.list)
  while missing > 0 do
    local tokens = {}
    for i = 1, math.min(missing, CHUNK) do tokens[i] = TOKEN end
    redis.call('RPUSH', q.list, unpack(tokens))
    missing = missing - #tokens
  end
  while missing < 0 do
    local popped = redis.call('LPOP', q.list, math.min(-missing, CHUNK))
    for _, element in ipairs(popped) do
      if element ~= TOKEN then redis.call('RPUSH', q.inbox, element) end
    end
    missing = missing + #popped
  end
end

local function ring(q)
  if redis.call('LLEN', q.bell) == 0 then redis.call('RPUSH', q.bell, TOKEN) end
end

-- Idle workers must look when a place was freed.
local function tell_of_places(q)
  if not q.is_roused then return end
  settle(q)
  ring(q)
end

-- End an owner's lease; false when it is no longer the owner's.
local function end_lease(q, id, owner)
  if redis.call('ZREM', q.leases, owner .. ' ' .. id) == 0 then return false end
  free_place(q, id)
  return true
end

-- Remember for a while which submissions are done, so that a publish that is repeated runs nothing again.
local function remember(q, marks, now, dedupe_ms)
  if dedupe_ms == 0 or #marks == 0 then return end
  local entries = {}
  for i, mark in ipairs(marks) do
    entries[2 * i - 1] = int(now)
    entries[2 * i] = mark
  end
  redis.call('ZADD', q.done, unpack(entries))
  redis.call('ZREMRANGEBYSCORE', q.done, '-inf', int(now - dedupe_ms))
  redis.call('ZREMRANGEBYRANK', q.done, 0, -20001)
  redis.call('PEXPIRE', q.done, int(dedupe_ms))
end
