-- lock_some_devices --
-- Says that some devices will be locked one by one.
SELECT pg_advisory_xact_lock_shared(%(lock_space)s, 0);

-- lock_all_devices --
-- Locks them all, once nobody has any.
SELECT pg_advisory_xact_lock(%(lock_space)s, 0);

-- lock_devices --
-- Locks these devices, in the order of what stands for them.
SELECT pg_advisory_xact_lock(%(lock_space)s, key)
FROM (
    SELECT DISTINCT hashtext(device::text) AS key FROM unnest(%(devices)s::uuid[]) AS device ORDER BY key
) AS devices;

-- place_visits --
-- Gives the new events that want a session theirs. Says of which visit the stored parts are now, where that changes a
-- visit.
WITH said AS MATERIALIZED (
    SELECT ordinal, coalesce(anonymous_id, user_id) AS visitor_id, anonymous_id IS NULL AS visitor_is_user, created_at, id
    FROM fresh
    WHERE wants_session
), known AS (
    -- No visit lasts a day; two that follow each other closely are days of one that does.
    SELECT visit.visitor_id, visit.visitor_is_user, visit.id, visit.started_at, visit.ended_at, visit.first_event_id,
           EXISTS (
               SELECT FROM user_sessions AS other
               WHERE uuid_send(other.visitor_id) = uuid_send(visit.visitor_id) AND other.visitor_is_user = visit.visitor_is_user
                 AND other.is_made AND other.id <> visit.id
                 AND other.started_at > visit.started_at - interval '24 hours 30 minutes'
                 AND other.started_at < visit.ended_at + interval '30 minutes'
                 AND other.ended_at > visit.started_at - interval '30 minutes'
           ) AS is_day
    FROM (
        SELECT visitor_id, visitor_is_user, min(created_at) AS since, max(created_at) AS until
        FROM said
        GROUP BY visitor_id, visitor_is_user
    ) AS news
    JOIN user_sessions AS visit
        ON uuid_send(visit.visitor_id) = uuid_send(news.visitor_id)
        AND visit.visitor_is_user = news.visitor_is_user AND visit.is_made
        AND visit.started_at > news.since - interval '24 hours 30 minutes'
        AND visit.started_at < news.until + interval '30 minutes'
        AND visit.ended_at > news.since - interval '30 minutes'
), part AS (
    SELECT visitor_id, visitor_is_user, created_at AS since, created_at AS until, id AS first_event_id, ordinal,
           NULL::uuid AS session_id, false AS is_day
    FROM said
    UNION ALL
    SELECT visitor_id, visitor_is_user, started_at, ended_at, first_event_id, NULL, id, is_day FROM known
), apart AS (
    SELECT *, since >= interval '30 minutes' + max(until) OVER (
        PARTITION BY visitor_id, visitor_is_user ORDER BY since, first_event_id
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS is_apart
    FROM part
), chained AS (
    SELECT *, count(*) FILTER (WHERE is_apart) OVER (
        PARTITION BY visitor_id, visitor_is_user ORDER BY since, first_event_id
    ) AS chain
    FROM apart
), measured AS (
    SELECT *, bool_or(is_day) OVER chain OR max(until) OVER chain >= interval '24 hours' + min(since) OVER chain AS is_long
    FROM chained
    WINDOW chain AS (PARTITION BY visitor_id, visitor_is_user, chain)
), night AS (
    SELECT *, is_long AND session_id IS NOT NULL AND since < midnight AS is_cut
    FROM (SELECT *, date_trunc('day', until, 'UTC') AS midnight FROM measured) AS measured
), cut AS (
    SELECT visitor_id, visitor_is_user, chain, CASE WHEN is_long THEN date_trunc('day', since, 'UTC') END AS day, ordinal,
           session_id, since, CASE WHEN is_cut THEN midnight - interval '1 microsecond' ELSE until END AS until,
           first_event_id
    FROM night
    UNION ALL
    SELECT visitor_id, visitor_is_user, chain, midnight, NULL, session_id, rest.created_at, until, rest.id
    FROM night
    CROSS JOIN LATERAL first_visiting(visitor_id, visitor_is_user, midnight, until) AS rest
    WHERE is_cut
), named AS (
    SELECT *, visit_id(visitor_id, visitor_is_user, first_value(first_event_id) OVER (
        PARTITION BY visitor_id, visitor_is_user, chain, day ORDER BY since, first_event_id
    )) AS visit_id
    FROM cut
), placed AS (
    UPDATE fresh SET session_id = named.visit_id FROM named WHERE fresh.ordinal = named.ordinal
)
SELECT visitor_id, visitor_is_user, session_id, since, until, visit_id
FROM (
    SELECT *, bool_or(session_id <> visit_id) OVER (PARTITION BY visitor_id, visitor_is_user, chain, day)
              OR bool_or(session_id <> visit_id) OVER (PARTITION BY visitor_id, visitor_is_user, session_id) AS is_changed
    FROM named
) AS stored
WHERE session_id IS NOT NULL AND is_changed;

-- move_activities --
-- Gives the activities of these parts, and their interactions, the visits that they are of now.
WITH changed AS (
    SELECT *
    FROM unnest(
        %(visitor_ids)s::uuid[], %(visitor_is_users)s::boolean[], %(session_ids)s::uuid[], %(sinces)s::timestamptz[],
        %(untils)s::timestamptz[], %(visit_ids)s::uuid[]
    ) AS part (visitor_id, visitor_is_user, session_id, since, until, visit_id)
    WHERE session_id <> visit_id
), moved AS (
    UPDATE user_activities AS activity
    SET session_id = changed.visit_id
    FROM changed
    WHERE coalesce(activity.anonymous_id, activity.user_id) = changed.visitor_id
      AND (activity.anonymous_id IS NULL) = changed.visitor_is_user AND activity.session_is_made
      AND activity.created_at BETWEEN changed.since AND changed.until
    RETURNING activity.created_at, activity.id, activity.event_type, activity.session_id
)
UPDATE content_interactions AS interaction
SET session_id = moved.session_id
FROM moved
WHERE moved.event_type = 'content_interaction'
  AND interaction.created_at = moved.created_at AND interaction.id = moved.id;

-- forget_visits --
-- Forgets what was reckoned of the visits that these parts were of.
DELETE FROM user_sessions AS visit
USING unnest(%(visitor_ids)s::uuid[], %(visitor_is_users)s::boolean[], %(session_ids)s::uuid[])
    AS part (visitor_id, visitor_is_user, session_id)
WHERE visit.visitor_id = part.visitor_id AND visit.visitor_is_user = part.visitor_is_user AND visit.id = part.session_id;

-- make_visits_anew --
-- Reckons the visits that these parts are of from their activities, as write_sessions does from new ones.
WITH part AS (
    SELECT *
    FROM unnest(
        %(visitor_ids)s::uuid[], %(visitor_is_users)s::boolean[], %(sinces)s::timestamptz[], %(untils)s::timestamptz[]
    ) AS part (visitor_id, visitor_is_user, since, until)
), visit AS (
    SELECT
        part.visitor_id, part.visitor_is_user, session_id AS id,
        (array_agg(user_id ORDER BY received_at, user_id) FILTER (WHERE user_id IS NOT NULL AND NOT is_linked))[1]
            AS identified_user_id,
        min(received_at) FILTER (WHERE user_id IS NOT NULL AND NOT is_linked) AS identified_at,
        min(received_at) FILTER (WHERE user_id IS NULL OR is_linked) AS unnamed_at,
        min(created_at) AS started_at, max(created_at) AS ended_at,
        (array_agg(activity.id ORDER BY created_at, activity.id))[1] AS first_event_id,
        (array_agg(device_type ORDER BY created_at, activity.id))[1] AS device_type,
        (array_agg(browser ORDER BY created_at, activity.id))[1] AS browser,
        (array_agg(os ORDER BY created_at, activity.id))[1] AS os,
        (array_agg(ip_address ORDER BY created_at, activity.id))[1] AS ip_address,
        (array_agg(country ORDER BY created_at, activity.id))[1] AS country,
        (array_agg(city ORDER BY created_at, activity.id))[1] AS city,
        bool_or(is_bot) AS is_bot,
        count(*) FILTER (WHERE event_type = 'page_view') AS page_views,
        count(*) FILTER (WHERE event_type <> 'page_view') AS actions_count,
        (array_agg(page_path ORDER BY created_at, activity.id) FILTER (WHERE event_type = 'page_view'))[1] AS landing_page,
        min(created_at) FILTER (WHERE event_type = 'page_view') AS landing_at,
        (array_agg(activity.id ORDER BY created_at, activity.id) FILTER (WHERE event_type = 'page_view'))[1]
            AS landing_event_id,
        (array_agg(page_path ORDER BY created_at DESC, activity.id DESC) FILTER (WHERE event_type = 'page_view'))[1]
            AS exit_page,
        max(created_at) FILTER (WHERE event_type = 'page_view') AS exit_at,
        (array_agg(activity.id ORDER BY created_at DESC, activity.id DESC) FILTER (WHERE event_type = 'page_view'))[1]
            AS exit_event_id,
        min(received_at) AS created_at, max(received_at) AS updated_at
    FROM part
    JOIN user_activities AS activity
        ON coalesce(activity.anonymous_id, activity.user_id) = part.visitor_id
        AND (activity.anonymous_id IS NULL) = part.visitor_is_user AND activity.session_is_made
        AND activity.created_at BETWEEN part.since AND part.until
    GROUP BY part.visitor_id, part.visitor_is_user, session_id
)
INSERT INTO user_sessions (
    visitor_id, visitor_is_user, id, is_made, user_id, is_linked, identified_user_id, identified_at, unnamed_at,
    started_at, ended_at, first_event_id, device_type, browser, os, ip_address, country, city, is_bot, page_views,
    actions_count, landing_page, landing_at, landing_event_id, exit_page, exit_at, exit_event_id, created_at, updated_at
)
SELECT
    visitor_id, visitor_is_user, id, true, coalesce(lent_to, identified_user_id), lent_to IS NOT NULL,
    identified_user_id, identified_at, unnamed_at,
    started_at, ended_at, first_event_id, device_type, browser, os, ip_address, country, city, is_bot, page_views,
    actions_count, landing_page, landing_at, landing_event_id, exit_page, exit_at, exit_event_id, created_at, updated_at
FROM visit
CROSS JOIN LATERAL identity_owner(visit.visitor_id) AS owner
CROSS JOIN LATERAL (
    SELECT CASE WHEN NOT visitor_is_user AND is_lent(unnamed_at, identified_at, owner.shared_at) THEN owner.user_id END
) AS lent (lent_to)
ORDER BY visitor_id, visitor_is_user, id;
