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
    done = KEYS[offset + 9], inbox = KEYS[offset + 10], dead = KEYS[offset + 11], graves = KEYS[offset + 12]}
end

local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- Lua's own conversion keeps 14 digits only.
local function int(n)
  return string.format('%.0f', n)
end

local function count(q, event, n)
  if n > 0 then redis.call('HINCRBY', q.state, event, n) end
end

-- What stands before a stored message: everything the scripts must know about it.
local HEADER = '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%S*)\n()'

local function read(value)
  local level, rank, seq, deliveries, deferrals, enqueued, expires, cost, key, at = string.match(value, HEADER)
  if not at then return nil end
  return {level = tonumber(level), rank = tonumber(rank), seq = tonumber(seq), deliveries = tonumber(deliveries),
    deferrals = tonumber(deferrals), enqueued = tonumber(enqueued), expires = tonumber(expires), cost = tonumber(cost),
    key = key, payload = string.sub(value, at)}
end

local function write(m)
  return string.format('%d %.0f %.0f %d %d %.0f %.0f %d %s\n', m.level, m.rank, m.seq, m.deliveries, m.deferrals,
    m.enqueued, m.expires, m.cost, m.key) .. m.payload
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

-- As many tokens on the list as ready messages; what foreign programs pushed goes to the inbox.
local function settle(q)
  local missing = redis.call('ZCARD', q.ready) - redis.call('LLEN', q.list)
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

-- End an owner's lease; false when it is no longer the owner's.
local function end_lease(q, id, owner)
  return redis.call('ZREM', q.leases, owner .. ' ' .. id) == 1
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
