-- publish: keep an event in its channel's stream and tell it to those who listen now, both or neither.
-- KEYS  1 the channel's stream  2 mark of this publication
-- ARGV  1 channel  2 the event's type  3 its task, '' = none  4 envelope as JSON, without id and times
--       5 events kept  6 ms that they are kept, '' = by number alone  7 s that the mark is kept
-- Returns the event's id, its place in the stream; for a publication that is repeated, the id it has already.
local known = redis.call('GET', KEYS[2])
if known then return known end
local id = publish_event(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6])
redis.call('SET', KEYS[2], id, 'EX', ARGV[7])
return id
