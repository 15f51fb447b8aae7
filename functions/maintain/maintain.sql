-- list_partitions --
-- The months that a partitioned table has, and those whose end was begun: first one that is being detached (another can't be meanwhile), then the oldest.
SELECT relname AS name, obj_description(oid, 'pg_class') IS NOT DISTINCT FROM %(mark)s AS is_going
FROM pg_class LEFT JOIN pg_inherits ON inhrelid = oid AND inhparent = %(table)s::text::regclass
WHERE inhparent IS NOT NULL
   OR relkind = 'r' AND relname ~ ('^' || %(table)s || '_\d{4}_\d\d$')
      AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = %(table)s::text::regclass)
      AND obj_description(oid, 'pg_class') = %(mark)s
ORDER BY inhdetachpending IS TRUE DESC, relname;

-- list_pending --
-- The months that are being detached, with their tables, of those that exist.
SELECT parent.relname AS table, month.relname AS name
FROM pg_inherits JOIN pg_class AS parent ON parent.oid = inhparent JOIN pg_class AS month ON month.oid = inhrelid
WHERE inhdetachpending AND inhparent IN (SELECT to_regclass(name) FROM unnest(%(tables)s::text[]) AS name);

-- partition_state --
-- Whether detaching a month was begun and given up; nothing where it is detached.
SELECT inhdetachpending AS is_pending FROM pg_inherits WHERE inhrelid = %(name)s::text::regclass;

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
-- Deletes a chunk of the sessions that started before the oldest month; locked in the order in which session does.
WITH old AS MATERIALIZED (
    SELECT visitor_id, visitor_is_user, id FROM user_sessions WHERE started_at < %(before)s ORDER BY started_at LIMIT 10000
), locked AS MATERIALIZED (
    SELECT visitor_id, visitor_is_user, id FROM user_sessions JOIN old USING (visitor_id, visitor_is_user, id)
    ORDER BY visitor_id, visitor_is_user, id
    FOR UPDATE OF user_sessions
)
DELETE FROM user_sessions USING locked
WHERE (user_sessions.visitor_id, user_sessions.visitor_is_user, user_sessions.id)
      = (locked.visitor_id, locked.visitor_is_user, locked.id);

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

-- prune_counts --
-- Deletes what was counted for reports of months that are gone.
WITH hours AS (DELETE FROM counted_hours WHERE hour < %(before)s)
DELETE FROM activity_counts WHERE of_all IN (true, false) AND at < %(before)s;
