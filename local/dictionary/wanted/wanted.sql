-- active_visitors --
-- How many different visitors came each day of the last four weeks, in a time zone?
SELECT (started_at AT TIME ZONE 'Europe/Berlin')::date AS day, count(DISTINCT coalesce(user_id, visitor_id)) AS visitors
FROM user_sessions
WHERE started_at > now() - interval '28 days' AND NOT is_bot
GROUP BY day
ORDER BY day;

-- what_happens --
-- What happens how often?
SELECT event_type, event_action, count(*) AS events, count(DISTINCT coalesce(user_id, anonymous_id)) AS visitors
FROM user_activities
WHERE created_at > now() - interval '7 days' AND NOT is_bot
GROUP BY event_type, event_action
ORDER BY events DESC;

-- landing_pages --
-- Where do visits begin, and how many end right there?
SELECT landing_page, count(*) AS sessions, round(avg(bounce::integer), 3) AS bounce_rate,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_seconds) AS median_seconds
FROM user_sessions
WHERE started_at > now() - interval '28 days' AND NOT is_bot AND landing_page IS NOT NULL
GROUP BY landing_page
ORDER BY sessions DESC
LIMIT 20;

-- referrers --
-- Where do visitors come from?
SELECT referrer, count(DISTINCT coalesce(user_id, anonymous_id)) AS visitors
FROM user_activities
WHERE created_at > now() - interval '28 days' AND NOT is_bot AND event_type = 'page_view' AND referrer <> ''
GROUP BY referrer
ORDER BY visitors DESC
LIMIT 20;

-- one_user --
-- What did one user do lately, under the id that the product knows?
SELECT created_at, event_type, event_action, page_path, metadata
FROM user_activities
WHERE user_id = (SELECT id FROM external_ids WHERE kind = 'user' AND external_id = 'ada')
ORDER BY created_at DESC
LIMIT 50;

-- liked_content --
-- Which content is engaged with most, and by how many?
SELECT content_type, coalesce(external_id, content_id::text) AS content, title, count(*) AS interactions,
       count(DISTINCT coalesce(user_id, anonymous_id)) AS visitors, round(avg(engagement_score), 2) AS engagement
FROM content_interactions
LEFT JOIN content USING (content_type, content_id)
LEFT JOIN external_ids ON external_ids.id = content_id
WHERE content_interactions.created_at > now() - interval '28 days' AND NOT is_bot
GROUP BY content_type, content_id, external_id, title
ORDER BY sum(engagement_score) DESC
LIMIT 20;

-- stages --
-- How many users are in which stage, and what is suggested to them?
SELECT stage, action, count(*) AS users
FROM suggestions
GROUP BY stage, action
ORDER BY users DESC;

-- fallen_silent --
-- Which users did much and have not been seen for two weeks?
SELECT coalesce(external_id, profiles.id::text) AS user_id, activity_count, last_seen_at
FROM profiles
LEFT JOIN external_ids USING (id)
WHERE activity_count > 20 AND last_seen_at < now() - interval '14 days'
ORDER BY activity_count DESC
LIMIT 100;

-- time_to_action --
-- How long after they were first seen do users first do something, here a save?
SELECT count(*) AS users, percentile_cont(0.5) WITHIN GROUP (ORDER BY first_save - first_seen_at) AS median_time
FROM profiles
JOIN LATERAL (
    SELECT min(created_at) AS first_save
    FROM content_interactions
    WHERE user_id = profiles.id AND interaction_type = 'save'
) AS saved ON first_save IS NOT NULL;

-- refused_events --
-- What was refused and waits, and why?
SELECT stage, reason, count(*) AS events, max(received_at) AS latest
FROM quarantine
WHERE replayed_at IS NULL
GROUP BY stage, reason
ORDER BY events DESC;
