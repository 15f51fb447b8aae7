-- try_lock --
-- Keeps a second run from doing the same work beside this one.
SELECT pg_try_advisory_lock(%(task)s, %(part)s) AS locked;

-- unlock --
-- Lets the next run begin.
SELECT pg_advisory_unlock(%(task)s, %(part)s);

-- forget_progress --
-- Forgets how far shards had come when there was another number of them.
DELETE FROM analysis_state WHERE task LIKE 'users%%' AND task <> ALL (%(tasks)s);

-- expect_shards --
-- Counts from now on how late a shard is that has never run.
INSERT INTO analysis_state (task, watermark, started_at, finished_at)
SELECT unnest(%(tasks)s::text[]), '0'::xid8, %(now)s, %(now)s
ON CONFLICT DO NOTHING;

-- lag --
-- How many seconds ago the shard that is most behind came to its end.
SELECT greatest(extract(epoch FROM %(now)s - min(finished_at)), 0)::float8 AS seconds
FROM analysis_state
WHERE task = ANY (%(tasks)s);

-- hurry --
-- Ends what takes long sooner, to the end of this transaction.
SELECT set_config('statement_timeout', '10s', true);

-- put_off --
-- Has these users, of whom nothing can be learned today, keep nobody waiting; the next touch, or day, tries again.
WITH kept AS (
    UPDATE user_preferences SET expires_at = %(now)s::timestamptz + interval '1 day'
    WHERE user_id = ANY (%(user_ids)s::uuid[]) AND source <> 'explicit' AND expires_at <= %(now)s
)
UPDATE tastes SET learned_on = %(day)s, waits_since = NULL WHERE user_id = ANY (%(user_ids)s::uuid[]);

-- progress --
-- How far learning has come, and what a run that begins now can see.
SELECT
    coalesce(state.watermark::text, '0') AS watermark,
    state.resume,
    pg_snapshot_xmin(pg_current_snapshot())::text AS oldest_running,
    pg_snapshot_xmax(pg_current_snapshot())::text AS next_to_come
FROM (SELECT) AS always
LEFT JOIN analysis_state AS state ON state.task = %(task)s;

-- save_progress --
-- Notes how far this run has come, so that the next goes on there.
INSERT INTO analysis_state (task, watermark, resume, started_at, finished_at)
VALUES (%(task)s, %(watermark)s::text::xid8, %(resume)s::text::jsonb, %(now)s, %(finished_at)s)
ON CONFLICT (task) DO UPDATE SET
    watermark = excluded.watermark,
    resume = excluded.resume,
    started_at = excluded.started_at,
    finished_at = coalesce(excluded.finished_at, analysis_state.finished_at);

-- touched_users --
-- The next users of whom something is new, in the order in which it was written, and whether they are this shard's.
-- Ids may count upwards or end alike, so a hash spreads them.
SELECT id::text AS user_id, touched_by::text AS touched_by,
       mod(get_byte(sha256(uuid_send(id)), 0), %(shards)s) = %(shard)s AS is_own
FROM profiles
WHERE touched_by >= %(watermark)s::text::xid8
  AND touched_by < %(until)s::text::xid8
  AND (touched_by, id) > (%(after_touch)s::text::xid8, %(after_user)s::uuid)
ORDER BY profiles.touched_by, profiles.id
LIMIT %(limit)s;

-- expired_users --
-- This shard's users of whom something rests on events that have left the window, or has not faded for three days.
SELECT user_id::text
FROM (
    SELECT user_id FROM user_preferences WHERE source <> 'explicit' AND expires_at <= %(now)s
    UNION
    SELECT user_id FROM tastes WHERE norm > 0 AND learned_on <= %(day)s::date - 3
) AS silent
WHERE mod(get_byte(sha256(uuid_send(user_id)), 0), %(shards)s) = %(shard)s
ORDER BY user_id
LIMIT %(limit)s;
