-- Sessions that the server makes, of the events of devices that send none.

ALTER TABLE user_activities ADD COLUMN session_is_made boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN user_activities.session_id IS 'The id of user_sessions, together with its visitor (anonymous_id, else user_id); null where a server said none.';
COMMENT ON COLUMN user_activities.session_is_made IS 'The event came without a session and got one: session_id may become another''s when earlier events arrive late. Never changes itself.';
ALTER TABLE user_sessions ADD COLUMN is_made boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN user_sessions.id IS 'The session id as the client made it; else visit_id. It is unique with its visitor only, so nobody writes into another''s session by guessing its id.';
COMMENT ON COLUMN user_sessions.is_made IS 'Made by the server, of what came without a session: 30 minutes without an event end it; one that would last 24 hours is cut at each midnight (UTC).';

-- One expression, so that it is no call.
CREATE FUNCTION visit_id(visitor_id uuid, visitor_is_user boolean, first_event_id uuid) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT overlay(overlay(
        left(encode(sha256(uuid_send(visitor_id) || boolsend(visitor_is_user) || uuid_send(first_event_id)), 'hex'), 32)
        PLACING '8' FROM 13) PLACING '8' FROM 17)::uuid
$$;
COMMENT ON FUNCTION visit_id IS 'The id of a made session: name-based (SHA-256, UUID version 8, RFC 9562), of its device and its earliest event.';

-- Volatile, so that it is planned where it is called: in few batches, but for each month.
CREATE FUNCTION first_visiting(visitor_id uuid, visitor_is_user boolean, since timestamptz, until timestamptz)
RETURNS TABLE (created_at timestamptz, id uuid)
LANGUAGE sql VOLATILE AS $$
    SELECT activity.created_at, activity.id
    FROM user_activities AS activity
    WHERE coalesce(activity.anonymous_id, activity.user_id) = visitor_id
      AND (activity.anonymous_id IS NULL) = visitor_is_user AND activity.session_is_made
      AND activity.created_at BETWEEN since AND until
    ORDER BY activity.created_at, activity.id
    LIMIT 1
$$;
COMMENT ON FUNCTION first_visiting IS 'The first activity of a device within a time, of those whose session was made.';

CREATE INDEX user_activities_by_visit ON user_activities ((coalesce(anonymous_id, user_id)), created_at) WHERE session_is_made;
COMMENT ON INDEX user_activities_by_visit IS 'session: place_visits, move_activities, make_visits_anew (sessions that the server made are joined or cut).';
-- By the bytes of visitor_id: by itself the primary key would look as good, and reads all visits of a device.
CREATE INDEX user_sessions_by_visit ON user_sessions (uuid_send(visitor_id), visitor_is_user, started_at) WHERE is_made;
COMMENT ON INDEX user_sessions_by_visit IS 'session: place_visits.';

REVOKE EXECUTE ON FUNCTION visit_id, first_visiting FROM PUBLIC;
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'footfall_session') THEN
        GRANT EXECUTE ON FUNCTION visit_id, first_visiting TO footfall_session;
        GRANT DELETE ON user_sessions TO footfall_session;
    END IF;
END
$$;
