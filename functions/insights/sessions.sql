-- sessions_by_day --
-- How many sessions began each day, and in all; how long they were, and how many bounced.
SELECT point, count(*) AS sessions, count(*) FILTER (WHERE bounce) AS bounces,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_seconds) AS median_seconds,
       avg(duration_seconds)::float8 AS mean_seconds, avg(page_views)::float8 AS page_views
FROM (
    SELECT width_bucket(started_at, %(starts)s::timestamptz[]) AS point, bounce, duration_seconds, page_views
    FROM user_sessions
    WHERE started_at >= %(since)s AND started_at < %(until)s
      AND (%(bots)s OR NOT is_bot)
      AND (%(device)s::text IS NULL OR coalesce(device_type, 'unknown') = %(device)s)
      AND (%(country)s::text IS NULL OR coalesce(country, 'unknown') = %(country)s)
) AS visit
GROUP BY GROUPING SETS ((point), ());

-- session_visitors --
-- How many different visitors these sessions are of.
SELECT count(*) AS visitors
FROM (
    SELECT DISTINCT coalesce(user_id, visitor_id)
    FROM user_sessions
    WHERE started_at >= %(since)s AND started_at < %(until)s
      AND (%(bots)s OR NOT is_bot)
      AND (%(device)s::text IS NULL OR coalesce(device_type, 'unknown') = %(device)s)
      AND (%(country)s::text IS NULL OR coalesce(country, 'unknown') = %(country)s)
) AS visitor;

-- session_lengths --
-- How many sessions were how long.
SELECT width_bucket(duration_seconds, %(lengths)s::integer[]) AS length, count(*) AS sessions
FROM user_sessions
WHERE started_at >= %(since)s AND started_at < %(until)s
  AND (%(bots)s OR NOT is_bot)
  AND (%(device)s::text IS NULL OR coalesce(device_type, 'unknown') = %(device)s)
  AND (%(country)s::text IS NULL OR coalesce(country, 'unknown') = %(country)s)
GROUP BY 1;

-- session_landings --
-- The pages on which most sessions landed.
SELECT landing_page AS page_path, count(*) AS sessions, count(*) FILTER (WHERE bounce) AS bounces
FROM user_sessions
WHERE started_at >= %(since)s AND started_at < %(until)s AND landing_page IS NOT NULL
  AND (%(bots)s OR NOT is_bot)
  AND (%(device)s::text IS NULL OR coalesce(device_type, 'unknown') = %(device)s)
  AND (%(country)s::text IS NULL OR coalesce(country, 'unknown') = %(country)s)
GROUP BY landing_page
ORDER BY sessions DESC, landing_page
LIMIT %(most)s;

-- session_exits --
-- The pages that most sessions ended with.
SELECT exit_page AS page_path, count(*) AS sessions
FROM user_sessions
WHERE started_at >= %(since)s AND started_at < %(until)s AND exit_page IS NOT NULL
  AND (%(bots)s OR NOT is_bot)
  AND (%(device)s::text IS NULL OR coalesce(device_type, 'unknown') = %(device)s)
  AND (%(country)s::text IS NULL OR coalesce(country, 'unknown') = %(country)s)
GROUP BY exit_page
ORDER BY sessions DESC, exit_page
LIMIT %(most)s;
