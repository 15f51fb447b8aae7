-- learn_preferences --
-- Which content types those of these users like who engaged since this was last learned, or were last learned on another
-- day: each type's share of their engagement of 30 days, halved every ten.
WITH asked AS MATERIALIZED (
    SELECT profiles.id AS user_id
    FROM profiles
    LEFT JOIN tastes ON tastes.user_id = profiles.id
    WHERE profiles.id = ANY (%(user_ids)s::uuid[])
      AND (%(anew)s OR tastes.learned_on IS DISTINCT FROM %(day)s
           OR profiles.engaged_by >= tastes.learned_by)
), met AS MATERIALIZED (
    SELECT user_id, content_type, content_id, count(*) AS interactions, min(created_at) AS oldest,
           max(engagement_score::float8) AS strongest,
           -- As of the day's end, so that all runs of a day find the same.
           sum(engagement_score::float8
               * exp(-ln(2::float8) / 864000 * (date_part('epoch', %(day)s::date + 1) - date_part('epoch', created_at))))
               AS weight
    FROM content_interactions
    WHERE user_id = ANY (ARRAY(SELECT user_id FROM asked))
      AND created_at > %(now)s - interval '30 days' AND created_at <= %(now)s + interval '24 hours'
      AND NOT is_bot
    GROUP BY user_id, content_type, content_id
), total AS MATERIALIZED (
    SELECT user_id, sum(weight) AS weight, sqrt(sum(strongest * strongest)) AS norm FROM met GROUP BY user_id
), learned AS MATERIALIZED (
    SELECT user_id, 'content_type:' || content_type AS key,
           jsonb_build_object('type', content_type, 'score', round((liked.weight / total.weight)::numeric, 4)) AS value,
           least(round((liked.weight / (liked.weight + %(prior)s))::numeric, 2), 0.99) AS confidence,
           jsonb_build_object('interactions', interactions, 'days', 30) AS evidence,
           date_trunc('day', oldest + interval '30 days') + interval '1 day' AS expires_at
    FROM (
        SELECT user_id, content_type, sum(interactions)::bigint AS interactions, min(oldest) AS oldest, sum(weight) AS weight
        FROM met
        GROUP BY user_id, content_type
    ) AS liked
    JOIN total USING (user_id)
), known AS MATERIALIZED (
    SELECT ctid AS place, user_id, preference_key, preference_value, confidence_score, source, metadata, expires_at
    FROM user_preferences
    WHERE user_id = ANY (ARRAY(SELECT user_id FROM asked))
), forgotten AS (
    DELETE FROM user_preferences
    WHERE source <> 'explicit' AND ctid = ANY (ARRAY(
        SELECT place
        FROM known
        WHERE preference_key <> 'active_hours'
          AND (source = 'inferred' AND preference_key LIKE 'content_type:%%' OR expires_at <= %(now)s)
          AND NOT EXISTS (
              SELECT FROM learned WHERE learned.user_id = known.user_id AND learned.key = known.preference_key
          )
    ))
), noted AS (
    INSERT INTO tastes AS taste (user_id, learned_by, learned_on, norm, waits_since)
    SELECT user_id, pg_snapshot_xmin(pg_current_snapshot()), %(day)s, round(coalesce(norm, 0)::numeric, 6),
           -- Of who never engaged there is nothing more to learn.
           CASE WHEN norm > 0 THEN %(now)s::timestamptz END
    FROM asked
    LEFT JOIN total USING (user_id)
    ORDER BY user_id
    ON CONFLICT (user_id) DO UPDATE SET
        learned_by = excluded.learned_by, learned_on = excluded.learned_on, norm = excluded.norm,
        waits_since = coalesce(taste.waits_since,
                               CASE WHEN greatest(taste.norm, excluded.norm) > 0 THEN %(now)s::timestamptz END)
)
INSERT INTO user_preferences AS stored (
    user_id, preference_key, preference_value, confidence_score, source, metadata, created_at, updated_at, expires_at
)
SELECT learned.user_id, learned.key, value, confidence, 'inferred', evidence, %(now)s, %(now)s, learned.expires_at
FROM learned
LEFT JOIN known ON known.user_id = learned.user_id AND known.preference_key = learned.key
WHERE known.user_id IS NULL
   OR known.source <> 'explicit'
      AND (known.preference_value, known.confidence_score, known.source, known.metadata, known.expires_at)
          IS DISTINCT FROM (value, confidence, 'inferred', evidence, learned.expires_at)
ORDER BY learned.user_id, learned.key
ON CONFLICT (user_id, preference_key) DO UPDATE SET
    preference_value = excluded.preference_value, confidence_score = excluded.confidence_score,
    source = excluded.source, metadata = excluded.metadata, updated_at = excluded.updated_at,
    expires_at = excluded.expires_at
WHERE stored.source <> 'explicit';

-- learn_active_hours --
-- The three busiest hours of these users' last seven days, in the time zone of each.
WITH people AS MATERIALIZED (
    SELECT id AS user_id, coalesce(time_zone, 'UTC') AS time_zone
    FROM profiles
    WHERE id = ANY (%(user_ids)s::uuid[])
), zones AS MATERIALIZED (
    SELECT time_zone,
           date_part('epoch', (since AT TIME ZONE time_zone) - (since AT TIME ZONE 'UTC'))::integer AS offset_before,
           date_part('epoch', (until AT TIME ZONE time_zone) - (until AT TIME ZONE 'UTC'))::integer AS offset_after
    FROM (SELECT DISTINCT time_zone FROM people) AS named
    CROSS JOIN LATERAL (
        SELECT %(now)s - interval '7 days' AS since, %(now)s + interval '24 hours' AS until
    ) AS span
), hours AS (
    SELECT activity.user_id,
           -- Where no clock changed meanwhile, all are as far from UTC.
           CASE WHEN offset_before = offset_after
               THEN (floor(date_part('epoch', activity.created_at))::bigint + offset_after) / 3600 %% 24
               ELSE date_part('hour', activity.created_at AT TIME ZONE people.time_zone)::bigint END AS hour,
           count(*) AS activities, min(activity.created_at) AS oldest
    FROM user_activities AS activity
    JOIN people ON people.user_id = activity.user_id
    JOIN zones ON zones.time_zone = people.time_zone
    WHERE activity.user_id = ANY (%(user_ids)s::uuid[])
      AND activity.created_at > %(now)s - interval '7 days' AND activity.created_at <= %(now)s + interval '24 hours'
      AND NOT activity.is_bot
    GROUP BY 1, 2
), ranked AS (
    -- Count and hour in one number, the earlier of two as busy first.
    SELECT user_id, array_agg(activities * 24 + 23 - hour ORDER BY activities * 24 + 23 - hour DESC) AS codes,
           sum(activities)::integer AS total, min(oldest) AS oldest
    FROM hours
    GROUP BY user_id
), learned AS MATERIALIZED (
    SELECT user_id,
           jsonb_build_object(
               'hours',
               array_remove(ARRAY[23 - codes[1] %% 24, 23 - codes[2] %% 24, 23 - codes[3] %% 24], NULL),
               'time_zone', time_zone) AS value,
           -- In steps, so that not every activity writes the row again.
           least(ceil(20 * total / (total + 20.0)) / 20, 0.99) AS confidence,
           date_trunc('day', oldest + interval '7 days') + interval '1 day' AS expires_at
    FROM ranked
    JOIN people USING (user_id)
), known AS MATERIALIZED (
    SELECT ctid AS place, user_id, preference_value, confidence_score, source, expires_at
    FROM user_preferences
    WHERE user_id = ANY (%(user_ids)s::uuid[]) AND preference_key = 'active_hours'
), forgotten AS (
    DELETE FROM user_preferences
    WHERE source = 'inferred' AND ctid = ANY (ARRAY(
        SELECT place FROM known WHERE NOT EXISTS (SELECT FROM learned WHERE learned.user_id = known.user_id)
    ))
)
INSERT INTO user_preferences AS stored (
    user_id, preference_key, preference_value, confidence_score, source, metadata, created_at, updated_at, expires_at
)
SELECT user_id, 'active_hours', value, confidence, 'inferred', '{"days": 7}'::jsonb, %(now)s, %(now)s, learned.expires_at
FROM learned
LEFT JOIN known USING (user_id)
WHERE known.source IS NULL
   OR known.source <> 'explicit'
      AND (known.preference_value, known.confidence_score, known.expires_at)
          IS DISTINCT FROM (value, confidence, learned.expires_at)
ORDER BY user_id
ON CONFLICT (user_id, preference_key) DO UPDATE SET
    preference_value = excluded.preference_value, confidence_score = excluded.confidence_score,
    source = excluded.source, metadata = excluded.metadata, updated_at = excluded.updated_at,
    expires_at = excluded.expires_at
WHERE stored.source <> 'explicit';
