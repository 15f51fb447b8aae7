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

-- prune_sessions --
-- Deletes a chunk of the sessions that started before the oldest month.
DELETE FROM user_sessions
WHERE (visitor_id, id) IN (
    SELECT visitor_id, id FROM user_sessions WHERE started_at < %(before)s ORDER BY started_at LIMIT 10000
);

-- prune_event_ids --
-- Forgets a chunk of the event ids whose month is gone.
DELETE FROM event_ids
WHERE id IN (SELECT id FROM event_ids WHERE created_at < %(before)s LIMIT 10000);

-- prune_live_counts --
-- Deletes the live counts of months that are gone.
DELETE FROM live_counts WHERE minute < %(before)s;
