-- lock_bundled --
-- Lets nobody decide meanwhile whose these anonymous ids are. The plans of this transaction are kept: none may be made
-- for a table that is still small.
/* prepared */
SELECT set_config('enable_seqscan', 'off', true), count(pg_advisory_xact_lock_shared(%(lock_space)s, bucket))
FROM (
    SELECT DISTINCT abs(hashtext(anonymous_id::text) %% 128) AS bucket
    FROM unnest(%(anonymous_ids)s::uuid[]) AS visitor (anonymous_id)
    ORDER BY bucket
) AS buckets;

-- look_up --
-- Which of these events are stored and with what dwell, whose these anonymous ids are, and which of these time zones
-- there are.
/* prepared */
SELECT 'event' AS what, event_ids.id::text AS key, interaction.duration_seconds,
       NULL::text AS user_id, NULL::timestamptz AS shared_at
FROM event_ids
LEFT JOIN content_interactions AS interaction
    ON interaction.created_at = event_ids.created_at AND interaction.id = event_ids.id
WHERE event_ids.id = ANY (%(ids)s::uuid[])
UNION ALL
SELECT 'owner', visitor.anonymous_id::text, NULL, owner.user_id::text, owner.shared_at
FROM unnest(%(anonymous_ids)s::uuid[]) AS visitor (anonymous_id)
CROSS JOIN LATERAL identity_owner(visitor.anonymous_id) AS owner
WHERE EXISTS (SELECT FROM identities WHERE identities.anonymous_id = visitor.anonymous_id)
UNION ALL
SELECT 'zone', name, NULL, NULL, NULL FROM time_zones WHERE name = ANY (%(time_zones)s::text[]);

-- copy_event_ids --
-- Counts each id once: one that is there already undoes the whole.
COPY event_ids (created_at, id) FROM STDIN;

-- copy_activities --
-- Writes activities.
COPY user_activities (
    created_at, id, event_type, event_category, event_action, page_path, referrer, metadata, sequence,
    client_created_at, time_zone,
    user_id, is_linked, anonymous_id, session_id, is_bot, received_at, sent_at,
    device_type, browser, os, ip_address, country, city
) FROM STDIN;

-- copy_interactions --
-- Takes interactions.
COPY bundled_interactions (
    created_at, id, content_type, content_id, interaction_type, duration_seconds, feed_id, position,
    user_id, is_linked, anonymous_id, session_id, is_bot, received_at
) FROM STDIN;

-- name_bundled --
-- Keeps the ids that were no UUIDs, so that answers can give them back.
/* prepared */
INSERT INTO external_ids (id, kind, external_id)
SELECT DISTINCT ON (named.id) named.id, named.kind, named.external_id
FROM jsonb_to_recordset(%(names)s::text::jsonb) AS named (id uuid, kind text, external_id text)
WHERE NOT EXISTS (SELECT FROM external_ids AS stored WHERE stored.id = named.id)
ORDER BY named.id
ON CONFLICT DO NOTHING;

-- note_bundled_content --
-- Notes content at its first event.
/* prepared */
INSERT INTO content AS known (content_type, content_id, first_seen_at, available)
SELECT content_type, content_id, min(created_at), true
FROM bundled_interactions
GROUP BY content_type, content_id
HAVING NOT EXISTS (
    SELECT FROM content AS stored
    WHERE stored.content_type = bundled_interactions.content_type AND stored.content_id = bundled_interactions.content_id
      AND stored.first_seen_at <= min(bundled_interactions.created_at)
)
ORDER BY content_type, content_id
ON CONFLICT (content_type, content_id) DO UPDATE SET first_seen_at = least(known.first_seen_at, excluded.first_seen_at);

-- write_bundled_interactions --
-- Writes the interactions.
/* prepared */
INSERT INTO content_interactions (
    id, user_id, content_type, content_id, interaction_type, duration_seconds, engagement_score, created_at,
    anonymous_id, session_id, is_linked, is_bot, feed_id, position, received_at
)
SELECT
    id, user_id, content_type, content_id, interaction_type, duration_seconds,
    engagement_score(interaction_type, duration_seconds), created_at,
    anonymous_id, session_id, is_linked, is_bot, feed_id, position, received_at
FROM bundled_interactions;

-- copy_session_changes --
-- Takes what happened in sessions.
COPY session_changes (
    visitor_id, visitor_is_user, id, identified_user_id, identified_at, unnamed_at,
    started_at, first_event_id, ended_at, page_views, actions_count,
    landing_at, landing_event_id, landing_page, exit_at, exit_event_id, exit_page,
    is_bot, created_at, updated_at, device_type, browser, os, ip_address, country, city,
    owner_id, shared_at
) FROM STDIN;

-- make_bundled_profiles --
-- Makes the profiles of those who were never seen, before any is locked: who makes one while holding another would wait
-- for who does it the other way round.
/* prepared */
INSERT INTO profiles (id, created_at, first_seen_at, last_seen_at, touched_by)
SELECT id, first_at, first_at, last_at, pg_current_xact_id()
FROM jsonb_to_recordset(%(people)s::text::jsonb) AS seen (id uuid, first_at timestamptz, last_at timestamptz)
ORDER BY id
ON CONFLICT DO NOTHING;

-- write_bundled_profiles --
-- Makes and changes the profiles of those who were seen; says who was never seen before that.
/* prepared */
WITH seen AS (
    SELECT * FROM jsonb_to_recordset(%(people)s::text::jsonb) AS seen (
        id uuid, first_at timestamptz, last_at timestamptz, activities bigint, engaged boolean,
        time_zone text, time_zone_set_at timestamptz, time_zone_event_id uuid
    )
), written AS (
    INSERT INTO profiles AS known (
        id, created_at, first_seen_at, last_seen_at, activity_count,
        time_zone, time_zone_set_at, time_zone_event_id, touched_by, engaged_by
    )
    SELECT id, first_at, first_at, last_at, activities, time_zone, time_zone_set_at, time_zone_event_id,
           pg_current_xact_id(), CASE WHEN engaged THEN pg_current_xact_id() END
    FROM seen
    ORDER BY id
    ON CONFLICT (id) DO UPDATE SET
        first_seen_at = least(known.first_seen_at, excluded.first_seen_at),
        last_seen_at = greatest(known.last_seen_at, excluded.last_seen_at),
        activity_count = known.activity_count + excluded.activity_count,
        (time_zone, time_zone_set_at, time_zone_event_id) = (
            SELECT name, at, event_id
            FROM (VALUES (known.time_zone, known.time_zone_set_at, known.time_zone_event_id),
                         (excluded.time_zone, excluded.time_zone_set_at, excluded.time_zone_event_id)
            ) AS zone (name, at, event_id)
            ORDER BY at DESC NULLS LAST, event_id DESC
            LIMIT 1
        ),
        touched_by = excluded.touched_by,
        engaged_by = coalesce(excluded.engaged_by, known.engaged_by)
    RETURNING known.id, known.first_seen_at
)
SELECT written.id
FROM written
JOIN seen ON seen.id = written.id AND seen.first_at = written.first_seen_at;

-- count_bundled --
-- Counts activities by minute and type.
/* prepared */
INSERT INTO live_counts AS known (minute, event_type, is_bot, events)
SELECT minute, event_type, is_bot, events
FROM jsonb_to_recordset(%(counts)s::text::jsonb)
    AS counted (minute timestamptz, event_type text, is_bot boolean, events bigint)
ORDER BY minute, event_type, is_bot
ON CONFLICT (minute, event_type, is_bot) DO UPDATE SET events = known.events + excluded.events;
