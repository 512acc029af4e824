#!lua flags=allow-oom
-- run_part: keep the outcome of one part of a stage, and release the parts that are now complete from the start.
-- What is released is told on the channel ai_events: segment for segment, in order, and once.
-- KEYS  1 run  2 parts of the stage  3 released list  4 the channel's stream
-- ARGV  1 stage  2 index  3 outcome as JSON  4 '1' = this stage's parts are released in order  5 the run's id
--       6 events kept  7 ms that they are kept
-- Returns {parts kept, parts released in all}. A part that is kept already stays as it is; an ended run keeps no more.
if redis.call('HGET', KEYS[1], 'state') ~= 'running' then return {redis.call('HLEN', KEYS[2]), 0} end
redis.call('HSETNX', KEYS[2], ARGV[2], ARGV[3])
local function tell_part(text)
  local part, spec = cjson.decode(text), cjson.decode(redis.call('HGET', KEYS[1], 'spec'))
  local meeting = spec.meeting_id ~= cjson.null and spec.meeting_id or nil
  local function say(event, payload)
    payload.pipeline_id, payload.index, payload.meeting_id = ARGV[5], part.index, meeting
    local envelope = {type = event, payload = payload, source = 'store', v = 1, task_id = ARGV[5], meeting_id = meeting}
    publish_event(KEYS[4], 'ai_events', event, ARGV[5], cjson.encode(envelope), ARGV[6], ARGV[7])
  end
  if part.state ~= 'done' then return say('transcript.gap', {reason = tostring(part.reason)}) end
  for _, segment in ipairs(part.segments or {}) do
    say('transcript.segment', {start_ms = segment.start_ms, end_ms = segment.end_ms, text = segment.text,
      speaker = segment.speaker ~= cjson.null and segment.speaker or nil})
  end
end
local released = tonumber(redis.call('HGET', KEYS[1], 'released') or '0')
if ARGV[4] == '1' then
  local part = redis.call('HGET', KEYS[2], tostring(released))
  while part do
    redis.call('RPUSH', KEYS[3], part)
    tell_part(part)
    released = released + 1
    part = redis.call('HGET', KEYS[2], tostring(released))
  end
  redis.call('HSET', KEYS[1], 'released', released)
end
redis.call('HSET', KEYS[1], 'heard_ms', int(now_ms()))
return {redis.call('HLEN', KEYS[2]), released}
