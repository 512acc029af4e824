-- Functions that several scripts share; not a script of its own.
local FINAL = {completed = true, failed = true, timeout = true, cancelled = true, expired = true}

local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- Numbers above 2^53 never occur here; %d keeps times free of exponents.
local function int(n)
  return string.format('%d', n)
end

-- At most n bytes of a text, never half a character.
local function cut(text, n)
  if #text <= n then return text end
  while n > 0 and bit.band(text:byte(n + 1), 0xC0) == 0x80 do n = n - 1 end
  return text:sub(1, n)
end

local function count(counts, queue, event)
  redis.call('HINCRBY', counts, event, 1)
  redis.call('HINCRBY', counts, queue .. ':' .. event, 1)
end

-- One change of a task: to the stream for late readers, to the watchers' channel for those who listen now.
local function tell(stream, cap, task_key, id, event, now, extra)
  local about = redis.call('HMGET', task_key, 'type', 'queue', 'meeting_id', 'attempt')
  local entry = {'task', id, 'event', event, 'at_ms', int(now), 'type', about[1] or '', 'queue', about[2] or '',
    'meeting_id', about[3] or '', 'attempt', about[4] or '0'}
  for i = 1, #extra do entry[#entry + 1] = extra[i] end
  redis.call('XADD', stream, 'MAXLEN', '~', cap, '*', unpack(entry))
  local told = {}
  for i = 1, #entry, 2 do told[entry[i]] = entry[i + 1] end
  redis.call('PUBLISH', 'mt:watch:' .. id, cjson.encode(told))
end

-- Write the end of the attempt that the record calls current.
local function close_attempt(task_key, outcome, now, why)
  local field = 'attempt:' .. (redis.call('HGET', task_key, 'attempt') or '0')
  local text = redis.call('HGET', task_key, field)
  if not text then return end
  local attempt = cjson.decode(text)
  attempt.ended_ms = now
  attempt.outcome = outcome
  attempt.error = why
  redis.call('HSET', task_key, field, cjson.encode(attempt))
end

-- Tell a waiting AsyncResult that the task ended without running: Celery's result meta as JSON.
local function publish_revoked(channel, id, word)
  redis.call('PUBLISH', channel, '{"status":"REVOKED","traceback":null,"children":[],"task_id":' .. cjson.encode(id) ..
    ',"result":{"exc_type":"TaskRevokedError","exc_module":"celery.exceptions","exc_message":["' .. word .. '"]}}')
end
