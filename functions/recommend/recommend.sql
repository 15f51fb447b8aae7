-- last_activities --
-- The latest activities of a user, newest first, each with the visit that it is of, if any.
SELECT event_type, event_action, journey_symbol(event_type, event_action) AS symbol, created_at,
       coalesce(anonymous_id, user_id) AS visitor_id, anonymous_id IS NULL AS visitor_is_user, session_id
FROM user_activities
WHERE user_id = %(user_id)s AND NOT is_bot
ORDER BY created_at DESC, sequence DESC NULLS LAST, id DESC
LIMIT %(limit)s;

-- profile --
-- A user's profile, and the suggestion that analyze left.
SELECT profiles.id, profiles.created_at AS signed_up_at, profile_completeness::float8, activity_count, time_zone,
       suggestions.stage, action, message, cta, priority, evidence, computed_at
FROM profiles
LEFT JOIN suggestions ON suggestions.user_id = profiles.id
WHERE profiles.id = %(user_id)s;

-- preferences --
-- What a user likes and when: said first, then learned, the strongest first.
SELECT preference_key AS key, preference_value AS value, confidence_score::float8 AS confidence, source, updated_at
FROM user_preferences
WHERE user_id = %(user_id)s AND (%(key)s::text IS NULL OR preference_key = %(key)s)
ORDER BY source = 'explicit' DESC,
         CASE WHEN preference_key LIKE 'content_type:%%' THEN (preference_value ->> 'score')::float8 END
             DESC NULLS LAST,
         preference_key;

-- put_preference --
-- Keeps what the user said, unless there is too much of it; learning leaves it alone.
INSERT INTO user_preferences AS known (
    user_id, preference_key, preference_value, confidence_score, source, created_at, updated_at
)
SELECT %(user_id)s::uuid, %(key)s::text, %(value)s::text::jsonb, 1.00, 'explicit', %(now)s, %(now)s
WHERE (
    SELECT count(*) FROM user_preferences
    WHERE user_id = %(user_id)s AND source = 'explicit' AND preference_key <> %(key)s
) < %(most)s
ON CONFLICT (user_id, preference_key) DO UPDATE SET
    preference_value = excluded.preference_value, confidence_score = excluded.confidence_score,
    source = excluded.source, metadata = NULL, updated_at = excluded.updated_at, expires_at = NULL;

-- delete_preference --
-- Forgets a preference.
DELETE FROM user_preferences WHERE user_id = %(user_id)s AND preference_key = %(key)s;

-- relearn --
-- Has the next run of analyze look at this user again.
UPDATE profiles SET touched_by = pg_current_xact_id() WHERE id = %(user_id)s;

-- similar_users --
-- Users alike by cosine over engagement: a user's last 50 items, and for each the 200 who met it last.
WITH mine AS (
    SELECT content_type, content_id, max(engagement_score)::float8 AS weight
    FROM (
        SELECT content_type, content_id, engagement_score, created_at
        FROM content_interactions
        WHERE user_id = %(user_id)s AND NOT is_bot
        ORDER BY created_at DESC
        LIMIT 500
    ) AS latest
    GROUP BY content_type, content_id
    ORDER BY max(created_at) DESC
    LIMIT 50
), shared AS (
    SELECT others.user_id, mine.content_type, mine.content_id, mine.weight, max(others.weight) AS their_weight
    FROM mine
    CROSS JOIN LATERAL (
        SELECT user_id, engagement_score::float8 AS weight
        FROM content_interactions
        WHERE content_id = mine.content_id AND content_type = mine.content_type
          AND user_id IS NOT NULL AND user_id <> %(user_id)s AND NOT is_bot
        ORDER BY created_at DESC
        LIMIT 200
    ) AS others
    GROUP BY others.user_id, mine.content_type, mine.content_id, mine.weight
), closest AS (
    SELECT user_id, sum(weight * their_weight) AS product, count(*) AS shared
    FROM shared
    GROUP BY user_id
    ORDER BY product DESC, user_id
    LIMIT 100
)
SELECT closest.user_id, coalesce(external_ids.external_id, closest.user_id::text) AS external_id, closest.shared,
       least(closest.product / (sqrt((SELECT sum(weight * weight) FROM mine)) * theirs.norm), 1.0) AS similarity
FROM closest
CROSS JOIN LATERAL (
    SELECT sqrt(sum(item.weight * item.weight)) AS norm
    FROM (
        SELECT max(engagement_score)::float8 AS weight
        FROM (
            SELECT content_type, content_id, engagement_score
            FROM content_interactions
            WHERE user_id = closest.user_id AND NOT is_bot
            ORDER BY created_at DESC
            LIMIT 500
        ) AS latest
        GROUP BY content_type, content_id
    ) AS item
) AS theirs
LEFT JOIN external_ids ON external_ids.id = closest.user_id
WHERE theirs.norm > 0
ORDER BY similarity DESC, shared DESC, closest.user_id
LIMIT %(limit)s;
