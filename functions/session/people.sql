-- claim_identities --
-- Notes which users were verified on which anonymous ids, and which were unlinked; says of which ids a tie changed
-- by it, and whose they were.
WITH claim AS (
    SELECT anonymous_id, user_id,
           min(received_at) FILTER (WHERE kind = 'identify') AS verified_at,
           max(received_at) FILTER (WHERE kind = 'identify') AS confirmed_at,
           max(received_at) FILTER (WHERE kind = 'unlink') AS unlinked_at
    FROM fresh
    WHERE anonymous_id IS NOT NULL AND (kind = 'identify' AND verified OR kind = 'unlink')
    GROUP BY anonymous_id, user_id
), merged AS (
    SELECT anonymous_id, user_id,
           least(known.verified_at, claim.verified_at) AS verified_at,
           greatest(known.confirmed_at, claim.confirmed_at) AS confirmed_at,
           greatest(known.unlinked_at, claim.unlinked_at) AS unlinked_at,
           known.verified_at AS known_verified_at,
           known.user_id IS NOT NULL AND is_tied(known.verified_at, known.confirmed_at, known.unlinked_at) AS was_tied
    FROM claim
    LEFT JOIN identities AS known USING (anonymous_id, user_id)
), noted AS (
    INSERT INTO identities AS known (anonymous_id, user_id, verified_at, confirmed_at, unlinked_at)
    SELECT anonymous_id, user_id, verified_at, confirmed_at, unlinked_at FROM merged
    ORDER BY anonymous_id, user_id
    ON CONFLICT (anonymous_id, user_id) DO UPDATE SET
        verified_at = least(known.verified_at, excluded.verified_at),
        confirmed_at = greatest(known.confirmed_at, excluded.confirmed_at),
        unlinked_at = greatest(known.unlinked_at, excluded.unlinked_at)
)
SELECT changed.anonymous_id, abs(hashtext(changed.anonymous_id::text) %% 128) AS bucket, owner.user_id, owner.shared_at
FROM (
    SELECT DISTINCT anonymous_id FROM merged
    WHERE (known_verified_at, was_tied)
          IS DISTINCT FROM (verified_at, is_tied(verified_at, confirmed_at, unlinked_at))
) AS changed
CROSS JOIN LATERAL identity_owner(changed.anonymous_id) AS owner;

-- find_moved --
-- Which of these anonymous ids are not any more whose they were.
/* prepared */
SELECT was.anonymous_id
FROM unnest(%(anonymous_ids)s::uuid[], %(user_ids)s::uuid[], %(shared_ats)s::timestamptz[])
    AS was (anonymous_id, user_id, shared_at)
CROSS JOIN LATERAL identity_owner(was.anonymous_id) AS owner
WHERE (owner.user_id, owner.shared_at) IS DISTINCT FROM (was.user_id, was.shared_at)
ORDER BY was.anonymous_id;

-- link_fresh --
-- Gives events without a user to the one whom their anonymous id belongs to. It asks for wants_user, as of two NULL
-- tests the planner expects a row or two in any batch, and would read the owners anew for each event.
UPDATE fresh
SET user_id = owner.user_id, is_linked = true
FROM (
    SELECT DISTINCT anonymous_id FROM fresh
    WHERE wants_user AND EXISTS (SELECT FROM identities WHERE identities.anonymous_id = fresh.anonymous_id)
) AS visitor
CROSS JOIN LATERAL identity_owner(visitor.anonymous_id) AS owner
WHERE fresh.anonymous_id = visitor.anonymous_id
  AND fresh.wants_user
  AND owner.user_id IS NOT NULL
  AND (owner.shared_at IS NULL OR fresh.received_at < owner.shared_at);

-- make_profiles --
-- Makes a profile at first sight. An identify without a user's token says nothing of the user it was linked to.
/* prepared */
INSERT INTO profiles (id, created_at, first_seen_at, last_seen_at, touched_by)
SELECT user_id, min(created_at), min(created_at), max(created_at), pg_current_xact_id()
FROM fresh
WHERE user_id IS NOT NULL AND (kind IN ('activity', 'interaction') OR kind = 'identify' AND NOT is_linked)
GROUP BY user_id
ORDER BY user_id
ON CONFLICT DO NOTHING;

-- lock_profiles --
-- Locks the profiles that will be written, in the order of their keys; says which.
SELECT id FROM profiles
WHERE id = ANY (ARRAY(SELECT user_id FROM fresh WHERE user_id IS NOT NULL) || %(user_ids)s::uuid[])
ORDER BY id
FOR UPDATE;

-- write_profiles --
-- Counts the new activities, and notes first and last sight, the time zone, and that something is new.
UPDATE profiles AS known SET
    first_seen_at = least(known.first_seen_at, seen.first_at),
    last_seen_at = greatest(known.last_seen_at, seen.last_at),
    activity_count = known.activity_count + seen.activities,
    (time_zone, time_zone_set_at, time_zone_event_id) = (
        SELECT name, at, event_id
        FROM (VALUES (known.time_zone, known.time_zone_set_at, known.time_zone_event_id),
                     (seen.time_zone, seen.time_zone_set_at, seen.time_zone_event_id)
        ) AS zone (name, at, event_id)
        ORDER BY at DESC NULLS LAST, event_id DESC
        LIMIT 1
    ),
    identify_first_at = least(known.identify_first_at, seen.identify_first_at),
    identify_last_at = greatest(known.identify_last_at, seen.identify_last_at),
    (identify_time_zone, identify_time_zone_set_at, identify_time_zone_event_id) = (
        SELECT name, at, event_id
        FROM (VALUES
            (known.identify_time_zone, known.identify_time_zone_set_at, known.identify_time_zone_event_id),
            (seen.identify_time_zone, seen.identify_time_zone_set_at, seen.identify_time_zone_event_id)
        ) AS zone (name, at, event_id)
        ORDER BY at DESC NULLS LAST, event_id DESC
        LIMIT 1
    ),
    touched_by = pg_current_xact_id(),
    engaged_by = CASE WHEN seen.engaged THEN pg_current_xact_id() ELSE known.engaged_by END
FROM (
    SELECT
        user_id, min(created_at) AS first_at, max(created_at) AS last_at, bool_or(kind = 'interaction') AS engaged,
        count(*) FILTER (WHERE kind <> 'identify' AND NOT is_bot) AS activities,
        (array_agg(name ORDER BY created_at DESC, id DESC) FILTER (WHERE name IS NOT NULL))[1] AS time_zone,
        max(created_at) FILTER (WHERE name IS NOT NULL) AS time_zone_set_at,
        (array_agg(id ORDER BY created_at DESC, id DESC) FILTER (WHERE name IS NOT NULL))[1] AS time_zone_event_id,
        min(created_at) FILTER (WHERE kind = 'identify') AS identify_first_at,
        max(created_at) FILTER (WHERE kind = 'identify') AS identify_last_at,
        (array_agg(name ORDER BY created_at DESC, id DESC) FILTER (WHERE kind = 'identify' AND name IS NOT NULL))[1]
            AS identify_time_zone,
        max(created_at) FILTER (WHERE kind = 'identify' AND name IS NOT NULL) AS identify_time_zone_set_at,
        (array_agg(id ORDER BY created_at DESC, id DESC) FILTER (WHERE kind = 'identify' AND name IS NOT NULL))[1]
            AS identify_time_zone_event_id
    FROM fresh
    LEFT JOIN time_zones ON time_zones.name = fresh.time_zone
    WHERE user_id IS NOT NULL AND (kind IN ('activity', 'interaction') OR kind = 'identify' AND NOT is_linked)
    GROUP BY user_id
) AS seen
WHERE known.id = seen.user_id;

-- touch_profiles --
-- Notes that something of these users' interactions is new.
UPDATE profiles SET touched_by = pg_current_xact_id(), engaged_by = pg_current_xact_id() WHERE id = ANY (%(user_ids)s::uuid[]);

-- write_traits --
-- Keeps the latest of each trait, by event time.
/* prepared */
INSERT INTO traits AS known (owner_id, owner_is_user, key, value, set_at, event_id)
SELECT DISTINCT ON (owner_id, owner_is_user, trait.key)
       CASE WHEN owner_is_user THEN user_id ELSE anonymous_id END AS owner_id, owner_is_user,
       trait.key, trait.value, fresh.created_at, fresh.id
FROM fresh
CROSS JOIN LATERAL (SELECT user_id IS NOT NULL AND NOT is_linked AS owner_is_user) AS owner
CROSS JOIN LATERAL jsonb_each(fresh.traits) AS trait
WHERE fresh.kind = 'identify'
ORDER BY owner_id, owner_is_user, trait.key, fresh.created_at DESC, fresh.id DESC
ON CONFLICT (owner_id, owner_is_user, key) DO UPDATE
SET value = excluded.value, set_at = excluded.set_at, event_id = excluded.event_id
WHERE (excluded.set_at, excluded.event_id) > (known.set_at, known.event_id);

-- describe_profiles --
-- Takes sign-up and completeness from the traits, and sign-up from first sight where no trait says it.
/* prepared */
UPDATE profiles
SET created_at = described.created_at, profile_completeness = described.profile_completeness
FROM (
    SELECT profiles.id,
           coalesce((signed_up.value #>> '{}')::timestamptz, profiles.first_seen_at) AS created_at,
           (complete.value #>> '{}')::numeric(5, 2) AS profile_completeness
    FROM profiles
    LEFT JOIN traits AS signed_up ON signed_up.owner_id = profiles.id AND signed_up.owner_is_user AND signed_up.key = 'created_at'
    LEFT JOIN traits AS complete ON complete.owner_id = profiles.id AND complete.owner_is_user AND complete.key = 'profile_completeness'
    WHERE profiles.id = ANY (%(user_ids)s::uuid[])
) AS described
WHERE profiles.id = described.id
  AND (profiles.created_at, profiles.profile_completeness)
      IS DISTINCT FROM (described.created_at, described.profile_completeness);
