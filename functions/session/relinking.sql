-- try_relinking --
-- Lets one consumer at a time work off the histories that wait; the others go on with what is new.
SELECT pg_try_advisory_xact_lock(%(lock_space)s, -1) AS locked;

-- next_relinks --
-- Some anonymous ids whose history waits, from one on and around.
SELECT anonymous_id FROM relinks
WHERE anonymous_id <> ALL (%(immovable)s::uuid[])
ORDER BY anonymous_id < %(start)s, anonymous_id
LIMIT %(most)s;

-- lock_relinks --
-- Lets nobody decide meanwhile whose these anonymous ids are.
SELECT pg_advisory_xact_lock_shared(%(lock_space)s, bucket)
FROM (
    SELECT DISTINCT abs(hashtext(anonymous_id::text) %% 128) AS bucket
    FROM unnest(%(anonymous_ids)s::uuid[]) AS waiting (anonymous_id)
    ORDER BY bucket
) AS buckets;

-- relink_positions --
-- How far the histories of these anonymous ids have followed.
SELECT anonymous_id, before::text FROM relinks WHERE anonymous_id = ANY (%(anonymous_ids)s::uuid[]) ORDER BY anonymous_id;

-- relink_span --
-- So many of the latest activities before a moment: how many there are, and since when.
/* prepared */
SELECT visitor.anonymous_id, span.*
FROM unnest(%(anonymous_ids)s::uuid[], %(befores)s::timestamptz[]) AS visitor (anonymous_id, before)
CROSS JOIN LATERAL (
    SELECT min(created_at) AS since, count(*) AS activities
    FROM (
        SELECT created_at FROM user_activities AS activity
        WHERE activity.anonymous_id = visitor.anonymous_id AND (activity.user_id IS NULL OR activity.is_linked)
          AND activity.created_at < visitor.before
        ORDER BY created_at DESC
        LIMIT %(most)s
    ) AS latest
) AS span;

-- relink_activities --
-- Gives activities of a span to the user whom their anonymous id belongs to now, and takes them from whom it doesn't.
WITH changing AS (
    SELECT activity.created_at, activity.id, activity.user_id AS old_user, activity.is_bot, time_zone,
           CASE WHEN owner.shared_at IS NULL OR activity.received_at < owner.shared_at
                THEN owner.user_id END AS new_user
    FROM unnest(%(anonymous_ids)s::uuid[], %(sinces)s::timestamptz[], %(befores)s::timestamptz[])
        AS span (anonymous_id, since, before)
    CROSS JOIN LATERAL identity_owner(span.anonymous_id) AS owner
    JOIN user_activities AS activity
        ON activity.anonymous_id = span.anonymous_id
        AND activity.created_at >= span.since AND activity.created_at < span.before
    WHERE activity.user_id IS NULL OR activity.is_linked
), changed AS (
    UPDATE user_activities AS activity
    SET user_id = changing.new_user, is_linked = changing.new_user IS NOT NULL
    FROM changing
    WHERE activity.created_at = changing.created_at AND activity.id = changing.id
      AND changing.old_user IS DISTINCT FROM changing.new_user
    RETURNING changing.*
)
SELECT side.user_id, coalesce(sum(side.sign) FILTER (WHERE NOT is_bot), 0)::bigint AS difference,
       bool_or(side.sign < 0) AS lost,
       (array_agg(time_zone ORDER BY created_at DESC, id DESC) FILTER (WHERE gives_zone))[1] AS time_zone,
       max(created_at) FILTER (WHERE gives_zone) AS time_zone_set_at,
       (array_agg(id ORDER BY created_at DESC, id DESC) FILTER (WHERE gives_zone))[1] AS time_zone_event_id
FROM changed
CROSS JOIN LATERAL (
    VALUES (old_user, -1, false), (new_user, 1, time_zone IS NOT NULL)
) AS side (user_id, sign, gives_zone)
WHERE side.user_id IS NOT NULL
GROUP BY side.user_id
ORDER BY side.user_id;

-- relink_sessions --
-- The same for the sessions that the activities of a span are of.
WITH linking AS (
    SELECT known.visitor_id, known.id,
           CASE WHEN is_lent(coalesce(known.unnamed_at, known.created_at), known.identified_at, owner.shared_at)
                THEN owner.user_id END AS lent_to
    FROM (
        SELECT DISTINCT activity.anonymous_id, activity.session_id
        FROM unnest(%(anonymous_ids)s::uuid[], %(sinces)s::timestamptz[], %(befores)s::timestamptz[])
            AS span (anonymous_id, since, before)
        JOIN user_activities AS activity
            ON activity.anonymous_id = span.anonymous_id
            AND activity.created_at >= span.since AND activity.created_at < span.before
        WHERE activity.user_id IS NULL OR activity.is_linked
    ) AS visit
    CROSS JOIN LATERAL identity_owner(visit.anonymous_id) AS owner
    JOIN user_sessions AS known ON known.visitor_id = visit.anonymous_id AND known.id = visit.session_id
    WHERE NOT known.visitor_is_user
      AND (known.unnamed_at IS NOT NULL
           OR known.identified_user_id IS NULL AND (known.user_id IS NULL OR known.is_linked))
    ORDER BY known.visitor_id, known.id
    FOR UPDATE OF known
)
UPDATE user_sessions AS known
SET user_id = coalesce(linking.lent_to, known.identified_user_id), is_linked = linking.lent_to IS NOT NULL
FROM linking
WHERE known.visitor_id = linking.visitor_id AND NOT known.visitor_is_user AND known.id = linking.id
  AND (known.user_id, known.is_linked)
      IS DISTINCT FROM (coalesce(linking.lent_to, known.identified_user_id), linking.lent_to IS NOT NULL);

-- relink_interactions --
-- Gives the interactions of a span to whom their activities belong.
WITH following AS (
    SELECT interaction.created_at, interaction.id, activity.user_id, activity.is_linked
    FROM unnest(%(anonymous_ids)s::uuid[], %(sinces)s::timestamptz[], %(befores)s::timestamptz[])
        AS span (anonymous_id, since, before)
    JOIN user_activities AS activity
        ON activity.anonymous_id = span.anonymous_id
        AND activity.created_at >= span.since AND activity.created_at < span.before
    JOIN content_interactions AS interaction
        ON interaction.created_at = activity.created_at AND interaction.id = activity.id
    WHERE (activity.user_id IS NULL OR activity.is_linked) AND activity.event_type = 'content_interaction'
      AND interaction.user_id IS DISTINCT FROM activity.user_id
    ORDER BY interaction.id
    FOR UPDATE OF interaction
)
UPDATE content_interactions AS interaction
SET user_id = following.user_id, is_linked = following.is_linked
FROM following
WHERE interaction.created_at = following.created_at AND interaction.id = following.id;

-- note_relinks --
-- Notes from where on histories still have to follow, and which have followed whole.
/* prepared */
WITH rest AS (
    SELECT * FROM unnest(%(anonymous_ids)s::uuid[], %(sinces)s::timestamptz[]) AS rest (anonymous_id, since)
), done AS (
    DELETE FROM relinks USING rest WHERE relinks.anonymous_id = rest.anonymous_id AND since = '-infinity'
)
INSERT INTO relinks (anonymous_id, before)
SELECT anonymous_id, since FROM rest WHERE since <> '-infinity' ORDER BY anonymous_id
ON CONFLICT (anonymous_id) DO UPDATE SET before = excluded.before;

-- adjust_profile --
-- Moves activities into or out of a user's count, after an anonymous id changed hands. What was concluded from
-- activities that are lost is concluded again from those left and from the user's own identify events.
UPDATE profiles AS known SET
    activity_count = known.activity_count + %(difference)s,
    first_seen_at = least(CASE WHEN NOT %(lost)s THEN known.first_seen_at END, known.identify_first_at, history.first_at),
    last_seen_at = greatest(CASE WHEN NOT %(lost)s THEN known.last_seen_at END, known.identify_last_at, history.last_at),
    (time_zone, time_zone_set_at, time_zone_event_id) = (
        SELECT name, at, event_id
        FROM (
            SELECT known.time_zone, known.time_zone_set_at, known.time_zone_event_id WHERE NOT history.lost_zone
            UNION ALL
            SELECT known.identify_time_zone, known.identify_time_zone_set_at, known.identify_time_zone_event_id
            UNION ALL
            SELECT %(time_zone)s::text, %(time_zone_set_at)s::timestamptz, %(time_zone_event_id)s::uuid
            UNION ALL
            (
                SELECT time_zone, created_at, id
                FROM user_activities
                WHERE user_id = known.id AND time_zone IS NOT NULL AND history.lost_zone
                ORDER BY created_at DESC, id DESC
                LIMIT 1
            )
        ) AS zone (name, at, event_id)
        ORDER BY at DESC NULLS LAST, event_id DESC
        LIMIT 1
    ),
    touched_by = pg_current_xact_id(),
    engaged_by = pg_current_xact_id()
FROM (
    SELECT span.*, %(lost)s AND EXISTS (
        SELECT FROM profiles
        WHERE id = %(user_id)s AND time_zone_event_id IS DISTINCT FROM identify_time_zone_event_id
          AND NOT EXISTS (
              SELECT FROM user_activities AS activity
              WHERE activity.created_at = time_zone_set_at AND activity.id = time_zone_event_id
                AND activity.user_id = profiles.id
          )
    ) AS lost_zone
    FROM (
        SELECT min(created_at) AS first_at, max(created_at) AS last_at FROM user_activities WHERE user_id = %(user_id)s
    ) AS span
) AS history
WHERE known.id = %(user_id)s;
