#!lua flags=allow-oom
-- forget: drop the record of a task that has ended; a dead letter stays.
-- KEYS  1 task record
-- Returns 1 when it was dropped, 0 when it is live, dead or unknown. As long as its idempotency key is remembered only
--         its contents go: a repeated submission must still find that it was there.
local about = redis.call('HMGET', KEYS[1], 'state', 'dead', 'claim')
if not about[1] or not FINAL[about[1]] or about[2] == '1' then return 0 end
if about[3] and redis.call('EXISTS', claim_key(about[3])) == 1 then
  redis.call('HDEL', KEYS[1], 'payload', 'metadata', 'result', 'error')
  return 1
end
return redis.call('DEL', KEYS[1])
