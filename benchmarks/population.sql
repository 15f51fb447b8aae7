-- fill_content --
-- Contents of four types, published over sixty days.
INSERT INTO content (content_type, content_id, title, url, author_id, published_at, first_seen_at, described_at)
SELECT
    (ARRAY['project', 'job', 'article', 'profile'])[1 + number %% 4], md5('content ' || number)::uuid,
    'Content number ' || number, 'https://network.example/content/' || number,
    md5('person ' || number %% %(users)s)::uuid, at, at, at
FROM (
    SELECT number, %(now)s - interval '60 days' * number / %(contents)s AS at
    FROM generate_series(0, %(contents)s - 1) AS number
) AS made;

-- fill_activities --
-- Activities over so many days, in the order of time; the first users are the most active.
INSERT INTO user_activities (
    id, user_id, event_type, event_category, event_action, page_path, metadata, device_type, browser, os, ip_address,
    session_id, created_at, anonymous_id, received_at, time_zone, sequence
)
SELECT
    gen_random_uuid(), md5('person ' || person)::uuid,
    (ARRAY['page_view', 'page_view', 'user_action', 'search', 'content_interaction'])[1 + number %% 5], 'navigation',
    (ARRAY['view', 'view_project', 'view_profile', 'search', 'click_job'])[1 + number %% 5], '/projects/4711',
    '{"title": "Graph Database 4711 | The network of people who build things", "url": "https://network.example/graph-database/4711?from=feed"}',
    'desktop', 'Chrome', 'Windows', '203.0.113.7',
    gen_random_uuid(), at, md5('device ' || person)::uuid, at, 'Europe/Berlin', number
FROM (
    SELECT number, floor(%(users)s * power(random(), 2))::integer AS person,
           %(now)s - make_interval(days => %(days)s) * (1 - number::float8 / %(activities)s) AS at
    FROM generate_series(1, %(activities)s) AS number
) AS drawn;

-- fill_interactions --
-- Interactions of the same users, most of them with few of the contents.
INSERT INTO content_interactions (
    id, user_id, content_type, content_id, interaction_type, duration_seconds, engagement_score, created_at,
    anonymous_id, session_id, received_at
)
SELECT
    gen_random_uuid(), md5('person ' || person)::uuid,
    (ARRAY['project', 'job', 'article', 'profile'])[1 + content %% 4], md5('content ' || content)::uuid,
    verb, duration, engagement_score(verb, duration), at, md5('device ' || person)::uuid, gen_random_uuid(), at
FROM (
    SELECT floor(%(users)s * power(random(), 2))::integer AS person,
           floor(%(contents)s * power(random(), 2))::integer AS content,
           (ARRAY['view', 'view', 'view', 'click', 'like', 'save', 'share'])[1 + number %% 7] AS verb,
           number * 7 %% 180 AS duration,
           %(now)s - make_interval(days => %(days)s) * (1 - number::float8 / %(interactions)s) AS at
    FROM generate_series(1, %(interactions)s) AS number
) AS drawn;

-- fill_preferences --
-- What everybody likes, as analyze would learn it.
INSERT INTO user_preferences (
    user_id, preference_key, preference_value, confidence_score, source, metadata, created_at, updated_at, expires_at
)
SELECT user_id, 'content_type:' || content_type,
       jsonb_build_object('type', content_type,
                          'score', round((weight / sum(weight) OVER (PARTITION BY user_id))::numeric, 4)),
       0.5, 'inferred', jsonb_build_object('interactions', interactions, 'days', 30), %(now)s, %(now)s,
       %(now)s + interval '30 days'
FROM (
    SELECT user_id, content_type, count(*) AS interactions, sum(engagement_score) AS weight
    FROM content_interactions
    WHERE created_at > %(now)s - interval '30 days'
    GROUP BY user_id, content_type
) AS liked;

-- fill_live_counts --
-- What analyze looks at to see whether there is anything new.
INSERT INTO live_counts (minute, event_type, is_bot, events)
SELECT date_trunc('minute', created_at), 'content_interaction', false, count(*)
FROM content_interactions
GROUP BY 1;

-- fill_event_ids --
-- What the consumer asks whether an event is new.
INSERT INTO event_ids (id, created_at) SELECT id, created_at FROM user_activities;

-- fill_sessions --
-- A session for every eight activities.
INSERT INTO user_sessions (
    id, user_id, started_at, ended_at, device_type, browser, os, page_views, actions_count, created_at, updated_at,
    visitor_id, visitor_is_user, first_event_id
)
SELECT
    gen_random_uuid(), user_id, created_at, created_at + interval '5 minutes', device_type, browser, os, 3, 5,
    received_at, received_at + interval '5 minutes', anonymous_id, false, id
FROM user_activities
WHERE sequence %% 8 = 0;

-- fill_profiles --
-- Everybody, each with a device that is theirs.
WITH made AS (
    INSERT INTO profiles (id, created_at, first_seen_at, last_seen_at, activity_count, touched_by)
    SELECT md5('person ' || number)::uuid, %(now)s, %(now)s, %(now)s, 40, pg_current_xact_id()
    FROM generate_series(0, %(users)s - 1) AS number
)
INSERT INTO identities (anonymous_id, user_id, verified_at, confirmed_at)
SELECT md5('device ' || number)::uuid, md5('person ' || number)::uuid, %(now)s, %(now)s
FROM generate_series(0, %(users)s - 1) AS number;
