-- retention --
-- How many visitors first came in each period, and how many of them came again so many periods later.
WITH visit AS (
    SELECT DISTINCT coalesce(user_id, visitor_id) AS visitor,
           date_trunc(%(by)s, started_at, %(time_zone)s) AS period
    FROM user_sessions
    WHERE started_at < %(until)s
      AND (%(bots)s OR NOT is_bot)
      AND (%(device)s::text IS NULL OR coalesce(device_type, 'unknown') = %(device)s)
      AND (%(country)s::text IS NULL OR coalesce(country, 'unknown') = %(country)s)
)
SELECT (first AT TIME ZONE %(time_zone)s)::date AS at,
       ((period AT TIME ZONE %(time_zone)s)::date - (first AT TIME ZONE %(time_zone)s)::date) / %(days)s AS later,
       count(*) AS visitors
FROM (SELECT visitor, period, min(period) OVER (PARTITION BY visitor) AS first FROM visit) AS visitors
WHERE first >= date_trunc(%(by)s, %(since)s::timestamptz, %(time_zone)s)
GROUP BY first, period
ORDER BY first, period;
