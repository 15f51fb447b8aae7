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
SELECT coalesce('author:' || author.external_id, preference_key) AS key, preference_value AS value,
       confidence_score::float8 AS confidence, source, updated_at
FROM user_preferences
LEFT JOIN external_ids AS author
    ON author.id = CASE WHEN preference_key ~ '^author:[0-9a-f-]{36}$' THEN substr(preference_key, 8)::uuid END
WHERE user_id = %(user_id)s AND (%(key)s::text IS NULL OR preference_key = %(key)s)
ORDER BY source = 'explicit' DESC,
         CASE WHEN preference_key ~ '^(content_type|attribute|author):' THEN (preference_value ->> 'score')::float8 END
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
UPDATE profiles SET touched_by = pg_current_xact_id(), engaged_by = pg_current_xact_id() WHERE id = %(user_id)s;

-- known_similar_users --
-- The users most like this one, as analyze found them.
SELECT coalesce(external_ids.external_id, found.id::text) AS user_id, found.similarity::float8, found.shared
FROM similar_users
CROSS JOIN LATERAL unnest(users, similarities, shared) WITH ORDINALITY AS found (id, similarity, shared, place)
LEFT JOIN external_ids ON external_ids.id = found.id
WHERE similar_users.user_id = %(user_id)s
ORDER BY place
LIMIT %(limit)s;

-- name_similar_users --
-- The same of users who were just found.
SELECT coalesce(external_ids.external_id, found.id::text) AS user_id, found.similarity::float8, found.shared
FROM unnest(%(users)s::text::uuid[], %(similarities)s::text::real[], %(shared)s::text::integer[])
    WITH ORDINALITY AS found (id, similarity, shared, place)
LEFT JOIN external_ids ON external_ids.id = found.id
ORDER BY place
LIMIT %(limit)s;
