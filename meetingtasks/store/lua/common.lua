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

-- An envelope's text, with the id (nil: it is not kept) and times that only the server knows.
local function stamped(text, id, ms)
  return '{' .. (id and '"message_id":"' .. id .. '",' or '') .. '"ts_ms":' .. int(ms) .. ',"timestamp":' ..
    string.format('%.3f', ms / 1000) .. ',' .. text:sub(2)
end

-- A change of a task for everybody: `about` is its type, queue, meeting and attempt, `place` its entry in the stream.
local function tell_fleet(about, id, event, payload, place, now)
  payload.task_id, payload.task_type, payload.queue = id, about[1] or '', about[2] or ''
  payload.attempt, payload.at_ms = tonumber(about[4] or '0'), now
  local envelope = {type = 'task.' .. event, payload = payload, source = 'store', v = 1, task_id = id}
  if about[3] and about[3] ~= '' and about[3] ~= 'null' then
    local meeting = about[3]:sub(1, 1) == '"' and cjson.decode(about[3]) or tonumber(about[3]) or about[3]
    payload.meeting_id, envelope.meeting_id = meeting, meeting
  end
  redis.call('PUBLISH', 'task_events', stamped(cjson.encode(envelope), place, place and place:match('^%d+') or now))
end

-- One change of a task: to the stream for late readers, to its watchers and to everybody for those who listen now.
local function tell(stream, cap, task_key, id, event, now, extra)
  local about = redis.call('HMGET', task_key, 'type', 'queue', 'meeting_id', 'attempt')
  local entry = {'task', id, 'event', event, 'at_ms', int(now), 'type', about[1] or '', 'queue', about[2] or '',
    'meeting_id', about[3] or '', 'attempt', about[4] or '0'}
  for i = 1, #extra do entry[#entry + 1] = extra[i] end
  local place = redis.call('XADD', stream, 'MAXLEN', '~', cap, '*', unpack(entry))
  local told, payload = {}, {}
  for i = 1, #entry, 2 do told[entry[i]] = entry[i + 1] end
  for i = 1, #extra, 2 do payload[extra[i]] = extra[i + 1] end
  redis.call('PUBLISH', 'mt:watch:' .. id, cjson.encode(told))
  tell_fleet(about, id, event, payload, place, now)
end

-- An event of a channel: kept in its stream and told to those who listen now. `kept` and `kept_ms`: how much of the
-- stream stays, '' = by number alone. Returns its id, which is its place.
local function publish_event(stream, channel, event, task, envelope, kept, kept_ms)
  local id = redis.call('XADD', stream, 'MAXLEN', '~', kept, '*', 'event', event, 'task', task, 'envelope', envelope)
  local ms = tonumber(id:match('^%d+'))
  if kept_ms ~= '' then redis.call('XTRIM', stream, 'MINID', '~', int(ms - tonumber(kept_ms))) end
  redis.call('PUBLISH', channel, stamped(envelope, id, ms))
  return id
end

-- Write the end of the attempt that the record calls current; one that has ended stays as it is.
local function close_attempt(task_key, outcome, now, why)
  local field = 'attempt:' .. (redis.call('HGET', task_key, 'attempt') or '0')
  local text = redis.call('HGET', task_key, field)
  if not text then return end
  local attempt = cjson.decode(text)
  if attempt.ended_ms then return end
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

-- The keys of a script that makes or ends tasks, as tasks.life() gives them: the fleet's, then from KEYS[at] the task's.
local function life(at)
  return {live = KEYS[1], counts = KEYS[2], stream = KEYS[3], dead = KEYS[4], task = KEYS[at], done = KEYS[at + 1]}
end

-- The live tasks of the meeting that a stored meeting_id (JSON: a number or a string) names; nil without one.
local function meeting_key(stored)
  if not stored or stored == '' or stored == 'null' then return nil end
  if stored:sub(1, 1) == '"' then stored = cjson.decode(stored) end
  return 'mt:meeting:' .. stored
end

-- The idempotency key by which a task was submitted.
local function claim_key(claim)
  return 'mt:claim:' .. claim
end

-- A task whose record was just written counts among the live ones: its own place and its meeting's.
local function go_live(t, id, now)
  redis.call('ZADD', t.live, now, id)
  local meeting = meeting_key(redis.call('HGET', t.task, 'meeting_id'))
  if meeting then redis.call('ZADD', meeting, now, id) end
end

-- A line of a client session's log.
local function note(log, now, event, about)
  about.event, about.at_ms = event, now
  redis.call('RPUSH', log, cjson.encode(about))
  redis.call('LTRIM', log, -500, -1)
end

-- The one way in: a record that was just written becomes a live task.
local function accept(t, id, cap, now)
  go_live(t, id, now)
  count(t.counts, redis.call('HGET', t.task, 'queue') or '', 'dispatched')
  tell(t.stream, cap, t.task, id, 'created', now, {})
end

-- An ended task becomes a dead letter: its place among all and among those of its fingerprint. Operators are told of the
-- first of a fingerprint, and at most once a minute when there are many.
local DEAD_PER_MINUTE = 100
local function bury(t, id, now)
  local about = redis.call('HMGET', t.task, 'fingerprint', 'type', 'queue', 'error_code')
  local fingerprint = about[1] or 'unknown'
  local group = t.dead .. ':group:' .. fingerprint
  local is_first = redis.call('EXISTS', group) == 0
  redis.call('HSET', t.task, 'dead', '1', 'fingerprint', fingerprint)
  for _, place in ipairs({t.dead, group}) do redis.call('ZADD', place, now, id) end
  redis.call('ZADD', t.dead .. ':fingerprints', now, fingerprint)
  count(t.counts, about[3] or '', 'dead')
  local function announce(why, number)
    local envelope = {type = 'dlq.added', source = 'store', v = 1, task_id = id, payload = {task_id = id,
      task_type = about[2] or '', queue = about[3] or '', error_code = about[4] or '', reason = why,
      fingerprint = fingerprint, count = number}}
    -- as many and as long as keys.KEPT_EVENTS says
    publish_event('mt:events:system_events', 'system_events', 'dlq.added', id, cjson.encode(envelope), 10000, 86400000)
  end
  if is_first then announce('new', 1) end
  local lately = redis.call('ZCOUNT', t.dead, int(now - 60000), '+inf')
  if lately >= DEAD_PER_MINUTE and redis.call('SET', t.dead .. ':alarm', '1', 'NX', 'PX', 60000) then
    announce('rate', lately)
  end
end

-- A dead letter leaves its place: to be run again, or for good. The fields say why it was one; they go.
local function unbury(t, id)
  local fingerprint = redis.call('HGET', t.task, 'fingerprint') or 'unknown'
  local group = t.dead .. ':group:' .. fingerprint
  redis.call('ZREM', t.dead, id)
  redis.call('ZREM', group, id)
  if redis.call('EXISTS', group) == 0 then redis.call('ZREM', t.dead .. ':fingerprints', fingerprint) end
  redis.call('HDEL', t.task, 'dead', 'fingerprint', 'error_class', 'error_code')
end

-- The one way to a final state, with everything that follows from it. `how`: id, cap of the stream, ttl in s of the
-- record, fields to write, dead = true for a dead letter, why = the error's message, extra facts of the event,
-- meta = Celery's result meta (without it the task ended unrun).
local function conclude(t, final, now, how)
  local about = redis.call('HMGET', t.task, 'queue', 'meeting_id', 'callback_url', 'claim', 'attempt')
  if about[5] then close_attempt(t.task, final, now, how.why or '') end
  redis.call('HSET', t.task, 'state', final, 'ended_ms', int(now), 'token', '', unpack(how.fields or {}))
  if final == 'completed' then redis.call('HSET', t.task, 'percent', '100') end
  redis.call('ZREM', t.live, how.id)
  local meeting = meeting_key(about[2])
  if meeting then redis.call('ZREM', meeting, how.id) end
  count(t.counts, about[1] or '', final)
  if how.dead then
    bury(t, how.id, now)
  else
    -- as long as its idempotency key is remembered, a repeated submission is answered from the record
    local claimed_s = about[4] and redis.call('TTL', claim_key(about[4])) + 1 or 0
    redis.call('EXPIRE', t.task, math.max(tonumber(how.ttl), claimed_s))
  end
  if about[3] then redis.call('ZADD', 'mt:callbacks', now, how.id) end
  tell(t.stream, how.cap, t.task, how.id, final, now, how.extra or {})
  if how.meta then
    redis.call('PUBLISH', t.done, how.meta)
  else
    publish_revoked(t.done, how.id, final)
  end
end
