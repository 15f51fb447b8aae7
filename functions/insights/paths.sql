-- path_steps --
-- What was done in the latest sessions, one step after the other, from their beginning or from something on; the names
-- that are rare at a step are one. Of the steps how often they were made, and of those with a `next` how often it followed.
WITH visit AS MATERIALIZED (
    SELECT visitor_id, visitor_is_user, id, started_at, ended_at
    FROM user_sessions
    WHERE started_at >= %(since)s AND started_at < %(until)s
      AND (%(bots)s OR NOT is_bot)
      AND (%(device)s::text IS NULL OR coalesce(device_type, 'unknown') = %(device)s)
      AND (%(country)s::text IS NULL OR coalesce(country, 'unknown') = %(country)s)
    ORDER BY started_at DESC, visitor_id, visitor_is_user, id
    LIMIT %(most)s
), event AS (
    SELECT visitor_id, visitor_is_user, visit.id AS session_id, name,
           row_number() OVER along AS place,
           lead(name) OVER along AS next
    FROM visit
    JOIN user_activities AS activity
        ON coalesce(activity.anonymous_id, activity.user_id) = visitor_id
        AND (activity.anonymous_id IS NULL) = visitor_is_user AND activity.session_id = visit.id
    CROSS JOIN LATERAL (
        SELECT coalesce(CASE WHEN event_type = 'page_view' THEN page_path END, event_action, event_type) AS name
    ) AS called
    WHERE created_at >= (SELECT min(started_at) FROM visit) AND created_at <= (SELECT max(ended_at) FROM visit)
    WINDOW along AS (
        PARTITION BY visitor_id, visitor_is_user, visit.id ORDER BY created_at, sequence NULLS FIRST, activity.id
    )
), origin AS (
    SELECT *, place - CASE WHEN %(start)s::text IS NULL THEN 1
                      ELSE min(place) FILTER (WHERE name = %(start)s) OVER (PARTITION BY visitor_id, visitor_is_user, session_id)
                      END AS step
    FROM event
), path AS MATERIALIZED (
    SELECT step, name, next FROM origin WHERE step >= 0 AND step < %(depth)s
), kept AS MATERIALIZED (
    SELECT step, name
    FROM (
        SELECT step, name, row_number() OVER (PARTITION BY step ORDER BY count(*) DESC, name) AS rank FROM path GROUP BY step, name
    ) AS ranked
    WHERE rank <= %(names)s
)
SELECT step, name, next, count(*) AS visits, (SELECT count(*) FROM visit) AS looked_at
FROM (
    SELECT path.step, coalesce(here.name, 'other') AS name,
           CASE WHEN path.next IS NULL THEN '(end)' ELSE coalesce(there.name, 'other') END AS next
    FROM path
    LEFT JOIN kept AS here ON here.step = path.step AND here.name = path.name
    LEFT JOIN kept AS there ON there.step = path.step + 1 AND there.name = path.next
) AS folded
GROUP BY step, name, next
ORDER BY step, visits DESC, name, next;
