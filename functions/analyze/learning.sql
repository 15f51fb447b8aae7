-- learn_preferences --
-- Each content type's share of a user's engagement of 30 days, halved every ten; more interactions, more confidence.
WITH engagement AS (
    SELECT user_id, content_type, count(*) AS interactions, min(created_at) AS oldest,
           sum(engagement_score::float8
               * power(0.5, extract(epoch FROM %(now)s - created_at)::float8 / (10 * 86400))) AS weight
    FROM content_interactions
    WHERE user_id = ANY (%(user_ids)s::uuid[])
      AND created_at > %(now)s - interval '30 days' AND created_at <= %(now)s + interval '24 hours'
      AND NOT is_bot
    GROUP BY user_id, content_type
), learned AS (
    SELECT user_id, content_type, interactions,
           date_trunc('day', oldest + interval '30 days') + interval '1 day' AS expires_at,
           round((weight / sum(weight) OVER (PARTITION BY user_id))::numeric, 4) AS score,
           round(least(interactions / (interactions + 4.0), 0.99), 2) AS confidence
    FROM engagement
), forgotten AS (
    DELETE FROM user_preferences AS known
    WHERE user_id = ANY (%(user_ids)s::uuid[]) AND source = 'inferred' AND preference_key LIKE 'content_type:%%'
      AND NOT EXISTS (
          SELECT FROM learned
          WHERE learned.user_id = known.user_id AND known.preference_key = 'content_type:' || learned.content_type
      )
)
INSERT INTO user_preferences AS known (
    user_id, preference_key, preference_value, confidence_score, source, metadata, created_at, updated_at, expires_at
)
SELECT user_id, 'content_type:' || content_type,
       jsonb_build_object('type', content_type, 'score', score), confidence, 'inferred',
       jsonb_build_object('interactions', interactions, 'days', 30), %(now)s, %(now)s, expires_at
FROM learned
ORDER BY user_id, content_type
ON CONFLICT (user_id, preference_key) DO UPDATE SET
    preference_value = excluded.preference_value, confidence_score = excluded.confidence_score,
    source = excluded.source, metadata = excluded.metadata, updated_at = excluded.updated_at,
    expires_at = excluded.expires_at
WHERE known.source <> 'explicit'
  AND (known.preference_value, known.confidence_score, known.source, known.metadata, known.expires_at)
      IS DISTINCT FROM (excluded.preference_value, excluded.confidence_score, excluded.source, excluded.metadata,
                        excluded.expires_at);

-- learn_active_hours --
-- The three busiest hours of a user's last seven days, in the user's own time zone.
WITH hours AS (
    SELECT profiles.id AS user_id, coalesce(profiles.time_zone, 'UTC') AS time_zone,
           extract(hour FROM activity.created_at AT TIME ZONE coalesce(profiles.time_zone, 'UTC'))::integer AS hour,
           count(*) AS activities, min(activity.created_at) AS oldest
    FROM profiles
    JOIN user_activities AS activity ON activity.user_id = profiles.id
    WHERE profiles.id = ANY (%(user_ids)s::uuid[])
      AND activity.user_id = ANY (%(user_ids)s::uuid[])
      AND activity.created_at > %(now)s - interval '7 days' AND activity.created_at <= %(now)s + interval '24 hours'
      AND NOT activity.is_bot
    GROUP BY 1, 2, 3
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY user_id ORDER BY activities DESC, hour) AS place,
           sum(activities) OVER (PARTITION BY user_id) AS total,
           min(oldest) OVER (PARTITION BY user_id) AS first_at
    FROM hours
), learned AS (
    SELECT user_id, total::integer AS total, first_at AS oldest,
           jsonb_build_object('hours', jsonb_agg(hour ORDER BY place), 'time_zone', time_zone) AS value
    FROM ranked
    WHERE place <= 3
    GROUP BY user_id, time_zone, total, first_at
), forgotten AS (
    DELETE FROM user_preferences AS known
    WHERE user_id = ANY (%(user_ids)s::uuid[]) AND source = 'inferred' AND preference_key = 'active_hours'
      AND NOT EXISTS (SELECT FROM learned WHERE learned.user_id = known.user_id)
)
INSERT INTO user_preferences AS known (
    user_id, preference_key, preference_value, confidence_score, source, metadata, created_at, updated_at, expires_at
)
SELECT user_id, 'active_hours', value, round(least(total / (total + 20.0), 0.99), 2), 'inferred',
       jsonb_build_object('activities', total, 'days', 7), %(now)s, %(now)s,
       date_trunc('day', oldest + interval '7 days') + interval '1 day'
FROM learned
ORDER BY user_id
ON CONFLICT (user_id, preference_key) DO UPDATE SET
    preference_value = excluded.preference_value, confidence_score = excluded.confidence_score,
    source = excluded.source, metadata = excluded.metadata, updated_at = excluded.updated_at,
    expires_at = excluded.expires_at
WHERE known.source <> 'explicit'
  AND (known.preference_value, known.confidence_score, known.source, known.metadata, known.expires_at)
      IS DISTINCT FROM (excluded.preference_value, excluded.confidence_score, excluded.source, excluded.metadata,
                        excluded.expires_at);

-- write_suggestions --
-- Keeps the next action of each of these users.
INSERT INTO suggestions AS known (user_id, stage, action, message, cta, priority, evidence, computed_at)
SELECT user_id, stage, action, message, cta, priority, evidence, %(now)s
FROM jsonb_to_recordset(%(suggestions)s::text::jsonb) AS learned (
    user_id uuid, stage text, action text, message text, cta text, priority text, evidence jsonb
)
ORDER BY user_id
ON CONFLICT (user_id) DO UPDATE SET
    stage = excluded.stage, action = excluded.action, message = excluded.message, cta = excluded.cta,
    priority = excluded.priority, evidence = excluded.evidence, computed_at = excluded.computed_at;

-- interactions_lately --
-- How many interactions the trends rest on, and when they were; the same as last time: there is nothing to do.
SELECT coalesce(sum(events), 0)::text AS interactions,
       coalesce(sum(events * extract(epoch FROM minute)), 0)::bigint::text AS moments
FROM live_counts
WHERE event_type = 'content_interaction' AND NOT is_bot
  AND minute > %(now)s - interval '7 days' AND minute <= %(now)s;

-- learn_trends --
-- Counts what is engaged with lately, each interaction halved every day, and forgets what no longer is.
WITH learned AS (
    SELECT content_type, content_id,
           sum(engagement_score::float8
               * power(0.5, extract(epoch FROM %(now)s - created_at)::float8 / 86400)) AS score,
           count(DISTINCT coalesce(user_id, anonymous_id)) AS people
    FROM content_interactions
    WHERE created_at > %(now)s - interval '7 days' AND created_at <= %(now)s AND NOT is_bot
    GROUP BY content_type, content_id
), forgotten AS (
    DELETE FROM content_trends AS known
    WHERE half_life_hours = 24 AND NOT EXISTS (
        SELECT FROM learned
        WHERE learned.content_type = known.content_type AND learned.content_id = known.content_id
    )
)
INSERT INTO content_trends (content_type, content_id, half_life_hours, score, people, computed_at)
SELECT content_type, content_id, 24, score, people, %(now)s
FROM learned
ORDER BY content_type, content_id
ON CONFLICT (half_life_hours, content_type, content_id) DO UPDATE
SET score = excluded.score, people = excluded.people, computed_at = excluded.computed_at;
