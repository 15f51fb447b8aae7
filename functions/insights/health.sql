-- refused --
-- How many refused events wait, and why; of more than ten thousand the reasons of some.
SELECT (SELECT count(*) FROM quarantine WHERE replayed_at IS NULL) AS waiting, reason, count(*) AS events
FROM (SELECT reason FROM quarantine WHERE replayed_at IS NULL LIMIT 10000) AS refused
GROUP BY reason
ORDER BY events DESC, reason
LIMIT 50;

-- refused_latest --
-- The beginning of the latest of them.
SELECT received_at, stage, reason, left(raw, %(most)s) AS event
FROM quarantine
WHERE replayed_at IS NULL
ORDER BY received_at DESC, id
LIMIT 10;

-- tasks --
-- How far each task of analyze has come.
SELECT task, started_at, finished_at, extract(epoch FROM greatest(%(now)s - finished_at, interval '0'))::float8 AS lag_seconds
FROM analysis_state
ORDER BY task;

-- freshness --
-- When the latest event came in, the latest minute that is counted, and the day for which there is no month yet. Of what is
-- dated ahead, nothing.
SELECT (SELECT received_at FROM user_activities WHERE created_at <= %(now)s::timestamptz ORDER BY created_at DESC LIMIT 1) AS last_event_at,
       (SELECT max(minute) FROM live_counts WHERE minute <= %(now)s::timestamptz) AS last_live_count_at,
       (SELECT (to_date(max(right(inhrelid::regclass::text, 7)), 'YYYY_MM') + interval '1 month')::date
        FROM pg_inherits WHERE inhparent = 'user_activities'::regclass) AS made_until;
