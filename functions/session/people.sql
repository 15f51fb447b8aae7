-- claim_identities --
-- Notes which users were verified on which anonymous ids, each at its earliest.
INSERT INTO identities AS known (anonymous_id, user_id, verified_at)
SELECT anonymous_id, user_id, min(received_at)
FROM fresh
WHERE kind = 'identify' AND verified AND anonymous_id IS NOT NULL
GROUP BY anonymous_id, user_id
ORDER BY anonymous_id, user_id
ON CONFLICT (anonymous_id, user_id) DO UPDATE SET verified_at = excluded.verified_at
WHERE excluded.verified_at < known.verified_at;

-- link_fresh --
-- Gives events without a user to the one whom their anonymous id belongs to.
UPDATE fresh
SET user_id = owner.user_id, is_linked = true
FROM (SELECT DISTINCT anonymous_id FROM fresh WHERE user_id IS NULL AND anonymous_id IS NOT NULL) AS visitor
CROSS JOIN LATERAL identity_owner(visitor.anonymous_id) AS owner
WHERE fresh.anonymous_id = visitor.anonymous_id
  AND fresh.user_id IS NULL
  AND owner.user_id IS NOT NULL
  AND (owner.shared_at IS NULL OR fresh.received_at < owner.shared_at);

-- claimed_identities --
-- The anonymous ids on which this batch verified a user: what is stored of them may have to change hands.
SELECT DISTINCT anonymous_id
FROM fresh
WHERE kind = 'identify' AND verified AND anonymous_id IS NOT NULL;

-- relink_activities --
-- Gives stored activities to the user whom their anonymous id belongs to now, and takes them from whom it doesn't.
WITH changing AS (
    SELECT activity.created_at, activity.id, activity.user_id AS old_user, activity.is_bot,
           CASE WHEN owner.shared_at IS NULL OR activity.received_at < owner.shared_at
                THEN owner.user_id END AS new_user
    FROM unnest(%(anonymous_ids)s::uuid[]) AS claimed (anonymous_id)
    CROSS JOIN LATERAL identity_owner(claimed.anonymous_id) AS owner
    JOIN user_activities AS activity ON activity.anonymous_id = claimed.anonymous_id
    WHERE activity.user_id IS NULL OR activity.is_linked
), changed AS (
    UPDATE user_activities AS activity
    SET user_id = changing.new_user, is_linked = changing.new_user IS NOT NULL
    FROM changing
    WHERE activity.created_at = changing.created_at AND activity.id = changing.id
      AND changing.old_user IS DISTINCT FROM changing.new_user
    RETURNING changing.old_user, changing.new_user, changing.is_bot, activity.created_at
)
SELECT moved.user_id, sum(moved.difference)::bigint AS difference, min(created_at) AS first_at, max(created_at) AS last_at
FROM changed
CROSS JOIN LATERAL (VALUES (old_user, -1), (new_user, 1)) AS side (user_id, sign)
CROSS JOIN LATERAL (SELECT side.user_id, CASE WHEN is_bot THEN 0 ELSE side.sign END AS difference) AS moved
WHERE moved.user_id IS NOT NULL
GROUP BY moved.user_id
ORDER BY moved.user_id;

-- relink_interactions --
-- The same for stored interactions.
WITH changing AS (
    SELECT interaction.created_at, interaction.id,
           CASE WHEN owner.shared_at IS NULL OR interaction.received_at < owner.shared_at
                THEN owner.user_id END AS new_user
    FROM unnest(%(anonymous_ids)s::uuid[]) AS claimed (anonymous_id)
    CROSS JOIN LATERAL identity_owner(claimed.anonymous_id) AS owner
    JOIN content_interactions AS interaction ON interaction.anonymous_id = claimed.anonymous_id
    WHERE interaction.user_id IS NULL OR interaction.is_linked
)
UPDATE content_interactions AS interaction
SET user_id = changing.new_user, is_linked = changing.new_user IS NOT NULL
FROM changing
WHERE interaction.created_at = changing.created_at AND interaction.id = changing.id
  AND interaction.user_id IS DISTINCT FROM changing.new_user;

-- link_sessions --
-- Gives the sessions that this batch touched, and those of claimed ids, to the user whom the anonymous id belongs to.
WITH touched AS (
    SELECT DISTINCT anonymous_id AS visitor_id, session_id AS id FROM fresh
    WHERE anonymous_id IS NOT NULL AND session_id IS NOT NULL
    UNION
    SELECT visitor_id, id FROM user_sessions WHERE visitor_id = ANY (%(anonymous_ids)s::uuid[])
), linking AS (
    SELECT known.visitor_id, known.id,
           CASE WHEN owner.shared_at IS NULL OR known.created_at < owner.shared_at THEN owner.user_id END AS new_user
    FROM touched
    JOIN user_sessions AS known USING (visitor_id, id)
    CROSS JOIN LATERAL identity_owner(known.visitor_id) AS owner
    WHERE known.user_id IS NULL OR known.is_linked
)
UPDATE user_sessions AS known
SET user_id = linking.new_user, is_linked = linking.new_user IS NOT NULL
FROM linking
WHERE known.visitor_id = linking.visitor_id AND known.id = linking.id
  AND known.user_id IS DISTINCT FROM linking.new_user;

-- lock_profiles --
-- Locks the profiles that will be written, in the order of their keys; new ones are inserted in that order too.
SELECT id FROM profiles
WHERE id IN (SELECT user_id FROM fresh) OR id = ANY (%(user_ids)s::uuid[])
ORDER BY id
FOR UPDATE;

-- write_profiles --
-- Makes a profile at first sight, counts the new activities, and notes the time zone and that something is new.
INSERT INTO profiles AS known (
    id, created_at, first_seen_at, last_seen_at, activity_count, time_zone, time_zone_set_at, time_zone_event_id, touched_by
)
SELECT
    seen.user_id, min(seen.created_at), min(seen.created_at), max(seen.created_at),
    count(*) FILTER (WHERE seen.kind IN ('activity', 'interaction') AND NOT seen.is_bot),
    (array_agg(time_zones.name ORDER BY seen.created_at DESC, seen.id DESC) FILTER (WHERE time_zones.name IS NOT NULL))[1],
    max(seen.created_at) FILTER (WHERE time_zones.name IS NOT NULL),
    (array_agg(seen.id ORDER BY seen.created_at DESC, seen.id DESC) FILTER (WHERE time_zones.name IS NOT NULL))[1],
    pg_current_xact_id()
FROM fresh AS seen
LEFT JOIN time_zones ON time_zones.name = seen.time_zone
WHERE seen.user_id IS NOT NULL AND seen.kind <> 'content'
GROUP BY seen.user_id
ORDER BY seen.user_id
ON CONFLICT (id) DO UPDATE SET
    first_seen_at = least(known.first_seen_at, excluded.first_seen_at),
    last_seen_at = greatest(known.last_seen_at, excluded.last_seen_at),
    activity_count = known.activity_count + excluded.activity_count,
    (time_zone, time_zone_set_at, time_zone_event_id) = (
        SELECT zone.name, zone.at, zone.event_id
        FROM (VALUES (known.time_zone, known.time_zone_set_at, known.time_zone_event_id),
                     (excluded.time_zone, excluded.time_zone_set_at, excluded.time_zone_event_id)
        ) AS zone (name, at, event_id)
        ORDER BY zone.at DESC NULLS LAST, zone.event_id DESC
        LIMIT 1
    ),
    touched_by = excluded.touched_by;

-- adjust_profile --
-- Moves activities into or out of a user's count, after their anonymous id changed hands.
UPDATE profiles
SET activity_count = activity_count + %(difference)s,
    first_seen_at = CASE WHEN %(difference)s > 0 THEN least(first_seen_at, %(first_at)s) ELSE first_seen_at END,
    last_seen_at = CASE WHEN %(difference)s > 0 THEN greatest(last_seen_at, %(last_at)s) ELSE last_seen_at END,
    touched_by = pg_current_xact_id()
WHERE id = %(user_id)s;

-- touch_profiles --
-- Notes that something of these users is new.
UPDATE profiles SET touched_by = pg_current_xact_id() WHERE id = ANY (%(user_ids)s::uuid[]);

-- write_traits --
-- Keeps the latest of each trait, by event time.
INSERT INTO traits AS known (owner_id, key, value, set_at, event_id)
SELECT DISTINCT ON (owner_id, trait.key) owner_id, trait.key, trait.value, fresh.created_at, fresh.id
FROM fresh
CROSS JOIN LATERAL (
    SELECT CASE WHEN user_id IS NULL OR is_linked THEN anonymous_id ELSE user_id END AS owner_id
) AS owner
CROSS JOIN LATERAL jsonb_each(fresh.traits) AS trait
WHERE fresh.kind = 'identify'
ORDER BY owner_id, trait.key, fresh.created_at DESC, fresh.id DESC
ON CONFLICT (owner_id, key) DO UPDATE
SET value = excluded.value, set_at = excluded.set_at, event_id = excluded.event_id
WHERE (excluded.set_at, excluded.event_id) > (known.set_at, known.event_id);

-- describe_profiles --
-- Takes sign-up and completeness from the traits, and sign-up from first sight where no trait says it.
UPDATE profiles
SET created_at = described.created_at, profile_completeness = described.profile_completeness
FROM (
    SELECT profiles.id,
           coalesce((signed_up.value #>> '{}')::timestamptz, profiles.first_seen_at) AS created_at,
           (complete.value #>> '{}')::numeric(5, 2) AS profile_completeness
    FROM profiles
    LEFT JOIN traits AS signed_up ON signed_up.owner_id = profiles.id AND signed_up.key = 'created_at'
    LEFT JOIN traits AS complete ON complete.owner_id = profiles.id AND complete.key = 'profile_completeness'
    WHERE profiles.id IN (SELECT user_id FROM fresh) OR profiles.id = ANY (%(user_ids)s::uuid[])
) AS described
WHERE profiles.id = described.id
  AND (profiles.created_at, profiles.profile_completeness)
      IS DISTINCT FROM (described.created_at, described.profile_completeness);
