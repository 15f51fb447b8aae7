-- describe_content --
-- What attributes are learned from: two skills and a tag of each content, and authors who wrote several.
UPDATE content SET
    author_id = md5('person ' || abs(drawn) %% 2048)::uuid,
    attributes = jsonb_build_object(
        'skills', jsonb_build_array('skill ' || abs(drawn) %% 31, 'skill ' || abs(drawn) / 31 %% 31),
        'tags', jsonb_build_array('tag ' || abs(drawn) / 961 %% 31))
FROM (SELECT content_id AS id, hashtext(content_id::text) / 2 AS drawn FROM content) AS one
WHERE content_id = one.id;

-- describe_people --
-- Everybody's profile: of every age, most of them complete, and every other one with skills.
WITH described AS (
    INSERT INTO profiles (
        id, created_at, first_seen_at, last_seen_at, activity_count, profile_completeness, time_zone, touched_by
    )
    SELECT id, at, at, %(now)s, coalesce(counted.activities, 0), 40 + number %% 60,
           (ARRAY['Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'UTC'])[1 + number %% 4], pg_current_xact_id()
    FROM (
        SELECT number, md5('person ' || number)::uuid AS id,
               %(now)s - make_interval(days => (number::bigint * 7919 %% 400)::integer) AS at
        FROM generate_series(0, %(users)s - 1) AS number
    ) AS person
    LEFT JOIN (
        SELECT user_id, count(*) AS activities FROM user_activities GROUP BY user_id
    ) AS counted ON counted.user_id = id
)
INSERT INTO traits (owner_id, owner_is_user, key, value, set_at, event_id)
SELECT md5('person ' || number)::uuid, true, 'skills',
       jsonb_build_array('skill ' || number %% 31, 'skill ' || number / 31 %% 31, 'skill ' || number / 7 %% 31),
       %(now)s, gen_random_uuid()
FROM generate_series(0, %(users)s - 1, 2) AS number;

-- choose_active --
-- So many users, in proportion to how active they are: the same in each round.
CREATE TABLE active AS
SELECT md5('person ' || person)::uuid AS user_id
FROM (
    SELECT DISTINCT floor(%(users)s * power(mod((number * 0.6180339887498949)::numeric, 1), 2))::integer AS person
    FROM generate_series(1, 2 * %(users)s) AS number
    LIMIT %(active)s
) AS drawn;

-- be_active --
-- A quarter of an hour: of each active user some activities, one or two as a rule, and of one in four an interaction.
WITH done AS (
    INSERT INTO user_activities (
        id, user_id, event_type, event_category, event_action, page_path, session_id, created_at, anonymous_id, received_at
    )
    SELECT gen_random_uuid(), user_id, 'page_view', 'navigation', 'view', '/projects/4711', gen_random_uuid(), at,
           user_id, at
    FROM active
    -- The function must name the user, else it is called once for all.
    CROSS JOIN LATERAL generate_series(0, floor(random() * 3 + 0 * length(user_id::text))::integer)
    CROSS JOIN LATERAL (SELECT %(now)s - random() * interval '15 minutes' AS at) AS moment
    RETURNING user_id, created_at
), met AS (
    INSERT INTO content_interactions (
        id, user_id, content_type, content_id, interaction_type, duration_seconds, engagement_score, created_at,
        anonymous_id, session_id, received_at
    )
    SELECT gen_random_uuid(), user_id, content_type, content_id, 'click', 40, engagement_score('click', 40), created_at,
           user_id, gen_random_uuid(), created_at
    FROM (
        SELECT *, floor(%(contents)s * power(random(), 2))::integer AS number FROM done WHERE random() < 0.25
    ) AS engaged
    JOIN content ON content_id = md5('content ' || number)::uuid
    RETURNING user_id
)
UPDATE profiles SET
    activity_count = activity_count + counted.activities,
    touched_by = pg_current_xact_id(),
    engaged_by = CASE WHEN engaged THEN pg_current_xact_id() ELSE engaged_by END
FROM (
    SELECT user_id, count(*) AS activities, user_id IN (SELECT user_id FROM met) AS engaged FROM done GROUP BY user_id
) AS counted
WHERE id = counted.user_id;

-- note_progress --
-- All was learned that was there before the latest quarter of an hour.
INSERT INTO analysis_state (task, watermark, started_at, finished_at)
SELECT task, (SELECT max(touched_by) FROM profiles), %(now)s, %(now)s FROM unnest(%(tasks)s::text[]) AS task
ON CONFLICT (task) DO UPDATE SET watermark = excluded.watermark, resume = NULL;

-- preferences_of_the_active --
-- The bare query: what those who were active in the last quarter of an hour like, reckoned and not kept.
SELECT count(DISTINCT user_id) AS users, sum(score) AS scores
FROM (
    SELECT user_id, content_type,
           sum(engagement_score::float8
               * exp(-ln(2::float8) * extract(epoch FROM %(now)s - created_at)::float8 / 864000)) AS score
    FROM content_interactions
    WHERE created_at > %(now)s - interval '30 days'
      AND user_id IN (
          SELECT user_id FROM user_activities WHERE created_at > %(now)s - interval '15 minutes' AND user_id IS NOT NULL
      )
    GROUP BY user_id, content_type
) AS liked;

-- count_learned --
-- What there is of what was learned.
SELECT count(*) FILTER (WHERE preference_key LIKE 'content_type:%%') AS content_types,
       count(*) FILTER (WHERE preference_key LIKE 'attribute:%%' OR preference_key LIKE 'author:%%') AS attributes,
       count(*) FILTER (WHERE preference_key = 'active_hours') AS active_hours,
       (SELECT count(*) FROM similar_users) AS similar_users, (SELECT count(*) FROM suggestions) AS suggestions,
       (SELECT count(*) FROM tastes WHERE waits_since IS NOT NULL) AS waiting
FROM user_preferences;

-- backend --
-- Who serves this connection.
SELECT pg_backend_pid() AS pid;
