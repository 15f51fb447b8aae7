-- Whose a session is: decided by what was received first, so that whoever comes later takes it from nobody. Rows
-- without either column are of the code before; they are read as if created_at were the one that user_id tells of.

ALTER TABLE user_sessions
    ADD COLUMN identified_user_id uuid,
    ADD COLUMN unnamed_at timestamptz;
COMMENT ON TABLE user_sessions IS 'Visits, one row a session of a visitor. Holds a person: user_id, visitor_id, identified_user_id, ip_address, city.';
COMMENT ON COLUMN user_sessions.user_id IS 'Whose the event is that was received first of those that are somebody''s.';
COMMENT ON COLUMN user_sessions.is_linked IS 'That event named nobody: the anonymous id belongs to that user. Reversible.';
COMMENT ON COLUMN user_sessions.identified_user_id IS 'The user whom an event of the session named first, by a token or a server.';
COMMENT ON COLUMN user_sessions.identified_at IS 'When that event was received.';
COMMENT ON COLUMN user_sessions.unnamed_at IS 'When the first event that named nobody was received.';

CREATE FUNCTION is_lent(unnamed_at timestamptz, identified_at timestamptz, shared_at timestamptz) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(unnamed_at <= identified_at, unnamed_at IS NOT NULL) AND coalesce(unnamed_at < shared_at, true)
$$;
COMMENT ON FUNCTION is_lent IS 'Whether a session is the anonymous id''s owner''s: what named nobody came before who named somebody else, and before the id was shared.';
REVOKE EXECUTE ON FUNCTION is_lent FROM PUBLIC;
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'footfall_session') THEN
        GRANT EXECUTE ON FUNCTION is_lent TO footfall_session;
    END IF;
END
$$;
