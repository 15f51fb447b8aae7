-- activity --
-- Activities by point and type, and by type and action: of hours that analyze counted, and of the others event by event.
WITH stale AS MATERIALIZED (
    SELECT hour
    FROM (
        SELECT date_trunc('hour', minute) AS hour, sum(events) AS events
        FROM live_counts
        WHERE minute >= date_trunc('hour', %(since)s::timestamptz)
          AND minute < date_trunc('hour', %(until)s::timestamptz - interval '1 microsecond') + interval '1 hour'
        GROUP BY 1
    ) AS known
    LEFT JOIN counted_hours USING (hour)
    WHERE known.events IS DISTINCT FROM counted_hours.events
), counted AS (
    SELECT at, event_type, nullif(event_action, '') AS event_action, nullif(device_type, '') AS device_type,
           nullif(country, '') AS country, is_bot, events
    FROM activity_counts
    WHERE of_all = (%(device)s::text IS NULL AND %(country)s::text IS NULL) AND at >= %(since)s AND at < %(until)s
      AND date_trunc('hour', at) NOT IN (SELECT hour FROM stale)
    UNION ALL
    SELECT created_at, event_type, event_action, device_type, country, is_bot, 1
    FROM stale
    JOIN user_activities ON created_at >= hour AND created_at < hour + interval '1 hour'
    WHERE created_at >= %(since)s AND created_at < %(until)s
)
SELECT point, event_type, event_action, grouping(point) = 1 AS is_action, sum(events)::bigint AS events
FROM (
    SELECT width_bucket(at, %(starts)s::timestamptz[]) AS point, event_type, event_action, events
    FROM counted
    WHERE (%(bots)s OR NOT is_bot)
      AND (%(device)s::text IS NULL OR coalesce(device_type, 'unknown') = %(device)s)
      AND (%(country)s::text IS NULL OR coalesce(country, 'unknown') = %(country)s)
      AND (%(event_type)s::text IS NULL OR event_type = %(event_type)s)
) AS asked
GROUP BY GROUPING SETS ((point, event_type), (event_type, event_action));

-- activity_visitors --
-- Different visitors of the sessions that began at each point, and of all.
WITH visit AS MATERIALIZED (
    SELECT DISTINCT width_bucket(started_at, %(starts)s::timestamptz[]) AS point, coalesce(user_id, visitor_id) AS visitor
    FROM user_sessions
    WHERE started_at >= %(since)s AND started_at < %(until)s
      AND (%(bots)s OR NOT is_bot)
      AND (%(device)s::text IS NULL OR coalesce(device_type, 'unknown') = %(device)s)
      AND (%(country)s::text IS NULL OR coalesce(country, 'unknown') = %(country)s)
)
SELECT point, count(*) AS visitors FROM visit GROUP BY point
UNION ALL
SELECT NULL, count(*) FROM (SELECT DISTINCT visitor FROM visit) AS visitor;
