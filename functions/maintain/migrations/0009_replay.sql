-- Replay of what was refused: by whom it was sent, and what is still to be replayed.

ALTER TABLE quarantine ADD COLUMN request jsonb;
COMMENT ON TABLE quarantine IS 'Events that could not be stored, with the reason. Holds a person: raw, request.';
COMMENT ON COLUMN quarantine.id IS 'The event''s id; where it has none, or ingest refused it, one made of what was kept.';
COMMENT ON COLUMN quarantine.reason IS 'What was wrong, in the words of ingest or of Postgres; after a replay that failed, what is wrong now.';
COMMENT ON COLUMN quarantine.raw IS 'The event as text: as the client sent it (ingest), or as the queue held it (session). It may be mended, then replayed.';
COMMENT ON COLUMN quarantine.request IS 'Of what ingest refused: who had spoken (speaker, user), the format, the device. Only with it can the event be validated again.';
COMMENT ON COLUMN quarantine.replayed_at IS 'When it was stored after all; null: it waits.';

CREATE INDEX quarantine_waiting ON quarantine (id) WHERE replayed_at IS NULL;
COMMENT ON INDEX quarantine_waiting IS 'session: next_refused, count_refused (a replay, step by step).';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'footfall_session') THEN
        GRANT SELECT, UPDATE (reason, replayed_at) ON quarantine TO footfall_session;
    END IF;
END
$$;
