-- live_minutes --
-- Activities of the last minutes that are no bot's.
SELECT minute, sum(events)::bigint AS events
FROM live_counts
WHERE minute > %(now)s::timestamptz - interval '30 minutes' AND minute <= %(now)s AND NOT is_bot
GROUP BY minute;

-- active_sessions --
-- Who is there now, each visitor once: how many in all, by country, device, and the page viewed last.
SELECT CASE grouping(country, device_type, exit_page) WHEN 3 THEN 'country' WHEN 5 THEN 'device' WHEN 6 THEN 'page' ELSE 'all'
       END AS what,
       coalesce(country, device_type, exit_page) AS name, count(*) AS visitors
FROM (
    SELECT DISTINCT ON (coalesce(user_id, visitor_id)) country, device_type, exit_page
    FROM user_sessions
    WHERE ended_at > %(now)s::timestamptz - interval '5 minutes' AND updated_at > %(now)s::timestamptz - interval '5 minutes'
      AND NOT is_bot
    ORDER BY coalesce(user_id, visitor_id), ended_at DESC, visitor_id, id
) AS visitor
GROUP BY GROUPING SETS ((), (country), (device_type), (exit_page));

-- live_content --
-- What is met most of the latest interactions; no more of them are looked at, however many there are.
SELECT content_type, coalesce(external_id, content_id::text) AS content_id, title, events
FROM (
    SELECT content_type, content_id, count(*) AS events
    FROM (
        SELECT content_type, content_id
        FROM content_interactions
        WHERE created_at > %(now)s::timestamptz - interval '30 minutes' AND created_at <= %(now)s AND NOT is_bot
        ORDER BY created_at DESC
        LIMIT 1000
    ) AS latest
    GROUP BY content_type, content_id
    ORDER BY events DESC, content_type, content_id
    LIMIT %(most)s
) AS met
LEFT JOIN content USING (content_type, content_id)
LEFT JOIN external_ids ON external_ids.id = content_id
ORDER BY events DESC, content_type, met.content_id;
