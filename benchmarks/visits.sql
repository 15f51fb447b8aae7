-- fill_visits --
-- Visits of eight activities over so many days, in the order of time; the first users are the most active.
INSERT INTO user_activities (
    id, user_id, event_type, event_category, event_action, page_path, metadata, device_type, browser, os, ip_address,
    country, session_id, created_at, anonymous_id, is_linked, is_bot, received_at, time_zone, sequence
)
SELECT
    gen_random_uuid(), CASE WHEN person %% 3 > 0 THEN md5('person ' || person)::uuid END, kind,
    CASE WHEN kind = 'content_interaction' THEN 'content' ELSE 'navigation' END,
    CASE kind WHEN 'page_view' THEN 'view' WHEN 'search' THEN 'search' WHEN 'content_interaction' THEN 'view_project'
    ELSE (ARRAY['sign_up', 'send_message', 'follow', 'click_job'])[1 + floor(4 * power(draw, 2))::integer] END,
    CASE WHEN draw < 0.2 THEN '/' WHEN draw < 0.3 THEN '/pricing' WHEN draw < 0.5 THEN '/projects'
    ELSE '/projects/' || floor(%(contents)s * power(draw, 4))::integer END,
    '{"title": "Graph Database 4711 | The network of people who build things", "url": "https://network.example/graph-database/4711?from=feed"}',
    (ARRAY['desktop', 'mobile', 'mobile', 'tablet'])[1 + visit %% 4], 'Chrome', 'Windows', '203.0.113.7',
    (ARRAY['DE', 'FR', 'US', 'GB', 'ES', 'IT', 'PL', 'NL', 'SE', 'AT'])[1 + person %% 10],
    md5('visit ' || visit)::uuid, at, md5('device ' || person)::uuid, person %% 3 > 0, person %% 50 = 7, at, 'Europe/Berlin', step
FROM (
    SELECT visit, step, person, random() AS draw,
           (ARRAY['page_view', 'page_view', 'content_interaction', 'page_view', 'user_action', 'page_view', 'search',
                  'content_interaction'])[1 + step] AS kind,
           began + step * interval '40 seconds' AS at
    FROM (
        SELECT visit, floor(%(users)s * power(random(), 2))::integer AS person,
               %(now)s - make_interval(days => %(days)s) * (1 - visit::float8 / (%(activities)s / 8)) - interval '5 minutes'
                   AS began
        FROM generate_series(1, %(activities)s / 8) AS visit
    ) AS visits
    CROSS JOIN generate_series(0, 7) AS step
) AS drawn;

-- fill_visit_sessions --
-- Their sessions.
INSERT INTO user_sessions (
    id, user_id, is_linked, started_at, ended_at, device_type, browser, os, country, page_views, actions_count,
    landing_page, exit_page, created_at, updated_at, visitor_id, visitor_is_user, is_bot, first_event_id
)
SELECT session_id, (array_agg(user_id))[1], bool_or(is_linked), min(created_at), max(created_at), min(device_type),
       min(browser), min(os), min(country), count(*) FILTER (WHERE event_type = 'page_view'),
       count(*) FILTER (WHERE event_type <> 'page_view'),
       (array_agg(page_path ORDER BY sequence))[1], (array_agg(page_path ORDER BY sequence DESC) FILTER (WHERE sequence = 5))[1],
       min(created_at), max(created_at), (array_agg(anonymous_id))[1], false, bool_or(is_bot), (array_agg(id ORDER BY sequence))[1]
FROM user_activities
GROUP BY session_id
ORDER BY min(created_at);

-- fill_visit_interactions --
-- Their interactions, most of them with few of the contents; a third came from a feed.
INSERT INTO content_interactions (
    id, user_id, content_type, content_id, interaction_type, duration_seconds, engagement_score, created_at,
    anonymous_id, session_id, is_linked, is_bot, feed_id, position, received_at
)
SELECT id, user_id, (ARRAY['project', 'job', 'article', 'profile'])[1 + content %% 4], md5('content ' || content)::uuid,
       verb, duration, engagement_score(verb, duration), created_at, anonymous_id, session_id, is_linked, is_bot,
       CASE WHEN content %% 3 = 0 THEN gen_random_uuid() END, CASE WHEN content %% 3 = 0 THEN 0 END, received_at
FROM (
    SELECT *, floor(%(contents)s * power(random(), 2))::integer AS content, floor(180 * random())::integer AS duration,
           (ARRAY['view', 'view', 'click', 'like', 'save'])[1 + floor(5 * random())::integer] AS verb
    FROM user_activities
    WHERE event_type = 'content_interaction'
) AS met
ORDER BY created_at;

-- fill_visit_sights --
-- What feeds showed, as often as content was met.
INSERT INTO impressions (feed_id, position, anonymous_id, content_type, content_id, strategy, propensity, arm, shown_at)
SELECT gen_random_uuid(), 0, anonymous_id, content_type, content_id, 'trending', 0.1, 'none', created_at
FROM content_interactions
ORDER BY created_at;

-- fill_visit_counts --
-- What session counts as it writes.
INSERT INTO live_counts (minute, event_type, is_bot, events)
SELECT date_trunc('minute', created_at), event_type, is_bot, count(*) FROM user_activities GROUP BY 1, 2, 3;

-- fill_visit_people --
-- Everybody, with a name and an address.
WITH made AS (
    INSERT INTO profiles (id, created_at, first_seen_at, last_seen_at, activity_count, touched_by)
    SELECT md5('person ' || number)::uuid, %(now)s, %(now)s, %(now)s, 40, pg_current_xact_id()
    FROM generate_series(0, %(users)s - 1) AS number
)
INSERT INTO traits (owner_id, owner_is_user, key, value, set_at, event_id)
SELECT md5('person ' || number)::uuid, true, key, to_jsonb(key || ' ' || number), %(now)s, gen_random_uuid()
FROM generate_series(0, %(users)s - 1) AS number
CROSS JOIN (VALUES ('name'), ('email')) AS said (key);
