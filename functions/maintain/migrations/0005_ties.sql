-- Ties of anonymous ids to users: undone, tied again, and the history that still has to follow.

ALTER TABLE identities
    ALTER COLUMN verified_at DROP NOT NULL,
    ADD COLUMN confirmed_at timestamptz,
    ADD COLUMN unlinked_at timestamptz;
COMMENT ON TABLE identities IS 'Which users were verified on which anonymous id. The first one ever owns it, while not unlinked; what came after a second one was verified, who isn''t unlinked either, is nobody''s. Holds a person: anonymous_id, user_id.';
COMMENT ON COLUMN identities.verified_at IS 'When the first identify with that user''s token was received, by the server''s clock; null where only an unlink was.';
COMMENT ON COLUMN identities.confirmed_at IS 'When the latest such identify was received; null: no other than the first, as far as is known.';
COMMENT ON COLUMN identities.unlinked_at IS 'When the latest unlink was received: it undoes the tie, until a later identify.';

CREATE FUNCTION is_tied(verified_at timestamptz, confirmed_at timestamptz, unlinked_at timestamptz) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(greatest(verified_at, confirmed_at) > unlinked_at, verified_at IS NOT NULL)
$$;
COMMENT ON FUNCTION is_tied IS 'Whether a row of identities is a tie that holds.';

CREATE OR REPLACE FUNCTION identity_owner(anonymous uuid) RETURNS TABLE (user_id uuid, shared_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT (array_agg(CASE WHEN is_tied THEN claim.user_id END ORDER BY verified_at, claim.user_id))[1],
           min(verified_at) FILTER (WHERE is_tied AND place > 1)
    FROM (
        SELECT identities.user_id, verified_at, is_tied(verified_at, confirmed_at, unlinked_at),
               row_number() OVER (ORDER BY verified_at, identities.user_id) AS place
        FROM identities WHERE anonymous_id = anonymous AND verified_at IS NOT NULL
    ) AS claim
$$;

CREATE TABLE relinks (
    anonymous_id uuid PRIMARY KEY,
    before timestamptz NOT NULL
);
COMMENT ON TABLE relinks IS 'Anonymous ids that changed hands and have a long history, which follows in steps. Holds a person: anonymous_id.';
COMMENT ON COLUMN relinks.before IS 'What happened before may still be another''s, what happened since is its owner''s.';

-- Reads a long history piece by piece, which user_activities_by_anonymous could not; interactions are found by their
-- activities. The code before this migration does without the two, only slower.
CREATE INDEX user_activities_by_visitor ON user_activities (anonymous_id, created_at)
    WHERE anonymous_id IS NOT NULL AND (user_id IS NULL OR is_linked);
COMMENT ON INDEX user_activities_by_visitor IS 'session: relink_span, relink_activities, relink_sessions, relink_interactions (an anonymous id changed hands).';
DROP INDEX user_activities_by_anonymous, content_interactions_by_anonymous;

REVOKE EXECUTE ON FUNCTION is_tied FROM PUBLIC;
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'footfall_session') THEN
        GRANT EXECUTE ON FUNCTION is_tied TO footfall_session;
        GRANT SELECT, INSERT, UPDATE, DELETE ON relinks TO footfall_session;
    END IF;
END
$$;
