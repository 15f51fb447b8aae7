-- stale_hours --
-- The hours of which live_counts knows other activities than were counted, the latest first.
SELECT hour
FROM (
    SELECT date_trunc('hour', minute) AS hour, sum(events) AS events
    FROM live_counts
    WHERE minute >= date_trunc('hour', %(since)s::timestamptz)
    GROUP BY 1
) AS known
LEFT JOIN counted_hours USING (hour)
WHERE known.events IS DISTINCT FROM counted_hours.events
ORDER BY hour DESC
LIMIT %(most)s;

-- note_hours --
-- Notes what live_counts knows of these hours, before they are counted: what is written meanwhile makes them stale again.
INSERT INTO counted_hours (hour, events)
SELECT hour, coalesce(sum(events), 0)
FROM unnest(%(hours)s::timestamptz[]) AS hour
LEFT JOIN live_counts ON minute >= hour AND minute < hour + interval '1 hour'
GROUP BY hour
ORDER BY hour
ON CONFLICT (hour) DO UPDATE SET events = excluded.events;

-- forget_counts --
-- Forgets what was counted of these hours.
DELETE FROM activity_counts
USING unnest(%(hours)s::timestamptz[]) AS hour
WHERE of_all IN (true, false) AND at >= hour AND at < hour + interval '1 hour';

-- count_hours --
-- Counts the activities of these hours, by device and country and of all together.
INSERT INTO activity_counts (of_all, at, event_type, event_action, device_type, country, is_bot, events)
SELECT grouping(device, place) > 0, quarter, event_type, action, coalesce(device, ''), coalesce(place, ''), is_bot, count(*)
FROM (
    SELECT date_bin('15 minutes', created_at, hour) AS quarter, event_type, coalesce(event_action, '') AS action,
           coalesce(device_type, '') AS device, coalesce(country, '') AS place, is_bot
    FROM unnest(%(hours)s::timestamptz[]) AS hour
    JOIN user_activities ON created_at >= hour AND created_at < hour + interval '1 hour'
) AS activity
GROUP BY quarter, event_type, action, is_bot, GROUPING SETS ((device, place), ());
