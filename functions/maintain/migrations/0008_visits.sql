-- Sessions that the server makes, of the events of devices that send none.

ALTER TABLE user_activities ADD COLUMN session_is_made boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN user_activities.session_id IS 'The id of user_sessions, together with its visitor (anonymous_id, else user_id); null where a server said none.';
COMMENT ON COLUMN user_activities.session_is_made IS 'The event came without a session and got one: session_id may become another''s when earlier events arrive late. Never changes itself.';
ALTER TABLE user_sessions ADD COLUMN is_made boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN user_sessions.id IS 'The session id as the client made it; else visit_id. It is unique with its visitor only, so nobody writes into another''s session by guessing its id.';
COMMENT ON COLUMN user_sessions.is_made IS 'Made by the server, of what came without a session: 30 minutes without an event end it; one that would last 24 hours is cut at each midnight (UTC).';

CREATE FUNCTION visit_id(visitor_id uuid, visitor_is_user boolean, first_event_id uuid) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT encode(set_byte(set_byte(hash, 6, get_byte(hash, 6) & 15 | 128), 8, get_byte(hash, 8) & 63 | 128), 'hex')::uuid
    FROM (
        SELECT substring(sha256(uuid_send(visitor_id) || boolsend(visitor_is_user) || uuid_send(first_event_id)) FOR 16)
    ) AS named (hash)
$$;
COMMENT ON FUNCTION visit_id IS 'The id of a made session: name-based (SHA-256, UUID version 8, RFC 9562), of its device and its earliest event.';

CREATE INDEX user_activities_by_visit ON user_activities ((coalesce(anonymous_id, user_id)), created_at) WHERE session_is_made;
COMMENT ON INDEX user_activities_by_visit IS 'session: place_visits, move_activities, make_visits_anew (sessions that the server made are joined or cut).';
-- By the bytes of visitor_id: by itself the primary key would look as good, and reads all visits of a device.
CREATE INDEX user_sessions_by_visit ON user_sessions (uuid_send(visitor_id), visitor_is_user, started_at) WHERE is_made;
COMMENT ON INDEX user_sessions_by_visit IS 'session: place_visits.';

REVOKE EXECUTE ON FUNCTION visit_id FROM PUBLIC;
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'footfall_session') THEN
        GRANT EXECUTE ON FUNCTION visit_id TO footfall_session;
        GRANT DELETE ON user_sessions TO footfall_session;
    END IF;
END
$$;
