-- find_users --
-- Users with this id, or of whom something is said that is this or begins with it.
WITH found AS (
    SELECT id, 0 AS rank FROM profiles WHERE id = %(user_id)s::uuid
    UNION ALL
    (
        SELECT owner_id, 1
        FROM traits
        WHERE owner_is_user AND jsonb_typeof(value) IN ('string', 'number')
          AND lower(left(value #>> '{}', 255)) = lower(%(search)s::text)
        LIMIT 500
    )
    UNION ALL
    (
        SELECT owner_id, 2
        FROM traits
        WHERE owner_is_user AND jsonb_typeof(value) IN ('string', 'number')
          AND lower(left(value #>> '{}', 255)) LIKE lower(%(pattern)s::text)
        LIMIT 500
    )
)
SELECT coalesce(external_id, profiles.id::text) AS user_id, first_seen_at AS first_seen, last_seen_at AS last_seen,
       activity_count AS activities, name.value #>> '{}' AS name, email.value #>> '{}' AS email
FROM (SELECT id, min(rank) AS rank FROM found GROUP BY id ORDER BY rank) AS found
JOIN profiles USING (id)
LEFT JOIN external_ids ON external_ids.id = profiles.id
LEFT JOIN traits AS name ON name.owner_id = profiles.id AND name.owner_is_user AND name.key = 'name'
LEFT JOIN traits AS email ON email.owner_id = profiles.id AND email.owner_is_user AND email.key = 'email'
ORDER BY rank, last_seen_at DESC, profiles.id
LIMIT %(most)s;

-- latest_sessions --
-- The sessions that some of a user's activities are of, from a moment back; and how far back that looked.
WITH latest AS MATERIALIZED (
    SELECT created_at, coalesce(anonymous_id, user_id) AS visitor_id, anonymous_id IS NULL AS visitor_is_user, session_id
    FROM user_activities
    WHERE user_id = %(user_id)s AND created_at <= %(before)s
    ORDER BY created_at DESC
    LIMIT %(most)s
)
SELECT visitor_id, visitor_is_user, id, coalesce(external_id, id::text) AS session_id, started_at, ended_at,
       device_type AS device, browser, os, country, city, page_views, actions_count, bounce, landing_page, exit_page,
       looked.since, looked.activities
FROM (SELECT min(created_at) AS since, count(*) AS activities FROM latest) AS looked
LEFT JOIN (
    SELECT DISTINCT visitor_id, visitor_is_user, session_id AS id FROM latest WHERE session_id IS NOT NULL
) AS visit ON true
LEFT JOIN user_sessions USING (visitor_id, visitor_is_user, id)
LEFT JOIN external_ids USING (id)
ORDER BY ended_at DESC NULLS LAST, id DESC;

-- session_events --
-- The latest that a user did in each of these sessions, newest first.
SELECT visit.place, coalesce(event_name.external_id, activity.id::text) AS id, activity.created_at, event_type,
       event_category, event_action, page_path, interaction.content_type,
       coalesce(content_name.external_id, interaction.content_id::text) AS content_id, title
FROM unnest(%(visitor_ids)s::uuid[], %(visitor_is_users)s::boolean[], %(ids)s::uuid[], %(sinces)s::timestamptz[],
            %(untils)s::timestamptz[]) WITH ORDINALITY AS visit (visitor_id, visitor_is_user, id, since, until, place)
CROSS JOIN LATERAL (
    SELECT *
    FROM user_activities
    WHERE user_id = %(user_id)s AND created_at >= since AND created_at <= until AND session_id = visit.id
      AND coalesce(anonymous_id, user_id) = visitor_id AND (anonymous_id IS NULL) = visitor_is_user
    ORDER BY created_at DESC, sequence DESC NULLS LAST, id DESC
    LIMIT %(most)s
) AS activity
LEFT JOIN content_interactions AS interaction
    ON activity.event_type = 'content_interaction'
    AND interaction.created_at = activity.created_at AND interaction.id = activity.id
LEFT JOIN content ON content.content_type = interaction.content_type AND content.content_id = interaction.content_id
LEFT JOIN external_ids AS event_name ON event_name.id = activity.id
LEFT JOIN external_ids AS content_name ON content_name.id = interaction.content_id
ORDER BY visit.place, activity.created_at DESC, sequence DESC NULLS LAST, activity.id DESC;
