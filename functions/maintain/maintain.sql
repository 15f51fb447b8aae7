-- list_partitions --
-- The months that a partitioned table has, oldest first.
SELECT partition.relname AS name
FROM pg_inherits
JOIN pg_class AS partition ON partition.oid = inhrelid
WHERE inhparent = %(table)s::text::regclass
ORDER BY partition.relname;

-- refresh_time_zones --
-- Notes which time zones this Postgres knows.
INSERT INTO time_zones (name)
SELECT name FROM pg_timezone_names
WHERE name NOT LIKE 'posix%%' AND name <> 'Factory' AND name <> 'localtime'
ON CONFLICT DO NOTHING;

-- has_to_prune --
-- Whether something is there from before the oldest month.
SELECT FROM live_counts WHERE minute < %(before)s LIMIT 1;

-- prune_sessions --
-- Deletes a chunk of the sessions that started before the oldest month.
DELETE FROM user_sessions
WHERE (visitor_id, visitor_is_user, id) IN (
    SELECT visitor_id, visitor_is_user, id FROM user_sessions WHERE started_at < %(before)s ORDER BY started_at LIMIT 10000
);

-- count_event_id_blocks --
-- How many blocks the event ids fill.
SELECT pg_relation_size('event_ids') / current_setting('block_size')::integer AS blocks;

-- prune_event_ids --
-- Forgets the event ids of some blocks whose month is gone: the table is gone through once, without an index.
DELETE FROM event_ids
WHERE ctid >= %(first)s::tid AND ctid < %(end)s::tid AND created_at < %(before)s;

-- prune_live_counts --
-- Deletes the live counts of months that are gone; last, see _prune.
DELETE FROM live_counts WHERE minute < %(before)s;
