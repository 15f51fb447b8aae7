-- assignment --
-- The arm that a visitor has: their own, or that of whom a user was before a login that came before the first feed as
-- a user, though it may have been heard of later. is_own says that it is noted.
WITH visitor AS MATERIALIZED (
    SELECT %(visitor_id)s::uuid AS id, %(visitor_is_user)s::boolean AS is_user
), own AS (
    SELECT assignments.* FROM assignments JOIN visitor ON (visitor_id, visitor_is_user) = (visitor.id, visitor.is_user)
), before AS (
    SELECT assignments.*
    FROM visitor
    JOIN identities ON visitor.is_user AND identities.user_id = visitor.id
    JOIN assignments ON assignments.visitor_id = identities.anonymous_id AND NOT assignments.visitor_is_user
    CROSS JOIN LATERAL identity_owner(identities.anonymous_id) AS owner
    WHERE owner.user_id = identities.user_id
      AND greatest(identities.verified_at, assignments.exposed_at) <= coalesce((SELECT exposed_at FROM own), %(now)s)
      AND (owner.shared_at IS NULL OR assignments.exposed_at < owner.shared_at)
)
SELECT arm, holdout_share, unit_id, unit_is_user, unit_exposed_at, is_own
FROM (SELECT *, true AS is_own FROM own UNION ALL SELECT *, false FROM before) AS known
ORDER BY unit_exposed_at, is_own DESC, visitor_id
LIMIT 1;

-- assign --
-- Notes a visitor's arm; one that is noted gives way only to an earlier one.
INSERT INTO assignments AS known (
    visitor_id, visitor_is_user, arm, holdout_share, unit_id, unit_is_user, unit_exposed_at, exposed_at
)
VALUES (
    %(visitor_id)s, %(visitor_is_user)s, %(arm)s, %(holdout_share)s, %(unit_id)s, %(unit_is_user)s,
    %(unit_exposed_at)s, %(now)s
)
ON CONFLICT (visitor_id, visitor_is_user) DO UPDATE SET
    arm = excluded.arm, holdout_share = excluded.holdout_share, unit_id = excluded.unit_id,
    unit_is_user = excluded.unit_is_user, unit_exposed_at = excluded.unit_exposed_at
WHERE excluded.unit_exposed_at < known.unit_exposed_at;
