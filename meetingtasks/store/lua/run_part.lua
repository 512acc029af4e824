#!lua flags=allow-oom
-- run_part: keep the outcome of one part of a stage, and release the parts that are now complete from the start.
-- KEYS  1 run  2 parts of the stage  3 released list
-- ARGV  1 stage  2 index  3 outcome as JSON  4 '1' = this stage's parts are released in order
-- Returns {parts kept, parts released in all}. A part that is kept already stays as it is; an ended run keeps no more.
if redis.call('HGET', KEYS[1], 'state') ~= 'running' then return {redis.call('HLEN', KEYS[2]), 0} end
redis.call('HSETNX', KEYS[2], ARGV[2], ARGV[3])
local released = tonumber(redis.call('HGET', KEYS[1], 'released') or '0')
if ARGV[4] == '1' then
  local part = redis.call('HGET', KEYS[2], tostring(released))
  while part do
    redis.call('RPUSH', KEYS[3], part)
    released = released + 1
    part = redis.call('HGET', KEYS[2], tostring(released))
  end
  redis.call('HSET', KEYS[1], 'released', released)
end
redis.call('HSET', KEYS[1], 'heard_ms', int(now_ms()))
return {redis.call('HLEN', KEYS[2]), released}
