-- What comes next in a visit, as it was learned from everybody's visits.

-- One expression, so that it is no call.
CREATE FUNCTION journey_symbol(event_type text, event_action text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN event_type = 'user_action' AND event_action = 'search' THEN 'search'
        -- What these carry as action says no more, or is somebody's id.
        WHEN event_type IN ('page_view', 'search', 'group', 'alias') THEN event_type
        WHEN btrim(event_action) = '' OR event_action = event_type OR event_action IS NULL THEN event_type
        ELSE left(event_type || ':' || event_action, 150) END
$$;
COMMENT ON FUNCTION journey_symbol IS 'What an activity is called in a journey: its type, with the action where that says more (content_interaction:view_project).';

CREATE TABLE journey_model (
    is_only boolean PRIMARY KEY DEFAULT true,
    visits integer NOT NULL,
    symbols integer NOT NULL,
    levels jsonb NOT NULL,
    basis jsonb NOT NULL,
    learned_at timestamptz NOT NULL,
    CONSTRAINT journey_model_only CHECK (is_only)
);
COMMENT ON TABLE journey_model IS 'How journeys are predicted from journey_contexts; at most one row, replaced together with those.';
COMMENT ON COLUMN journey_model.visits IS 'Learned from so many visits that went on after their first activity.';
COMMENT ON COLUMN journey_model.symbols IS 'How many different symbols there are.';
COMMENT ON COLUMN journey_model.levels IS 'By the contexts'' length from 0: the discounts of counts of 1, 2 and more, and the strength of the shorter context.';
COMMENT ON COLUMN journey_model.basis IS 'What was there to learn from: the next run learns only where that has changed.';

CREATE TABLE journey_contexts (
    context text[] PRIMARY KEY,
    symbols text[] NOT NULL,
    counts integer[] NOT NULL
);
COMMENT ON TABLE journey_contexts IS 'What followed what in visits, counted over everybody. Names of actions are as the product sent them: put no person''s name or id into an action.';
COMMENT ON COLUMN journey_contexts.context IS 'The symbols before (journey_symbol), the latest last; the empty text is a visit''s beginning, a blank stands for all rare symbols.';
COMMENT ON COLUMN journey_contexts.symbols IS 'What followed, with counts in the same places.';
COMMENT ON COLUMN journey_contexts.counts IS 'How often, after the longest contexts and at a visit''s beginning; else how many different symbols stood before.';
COMMENT ON INDEX journey_contexts_pkey IS 'recommend: journey.';
COMMENT ON INDEX user_sessions_by_start IS 'maintain: prune_sessions; analyze: journey_visits.';

REVOKE EXECUTE ON FUNCTION journey_symbol FROM PUBLIC;
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'footfall_analyze') THEN
        GRANT EXECUTE ON FUNCTION journey_symbol TO footfall_analyze;
        GRANT SELECT ON user_sessions TO footfall_analyze;
        GRANT SELECT, INSERT, UPDATE ON journey_model TO footfall_analyze;
        GRANT INSERT, DELETE ON journey_contexts TO footfall_analyze;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'footfall_recommend') THEN
        GRANT EXECUTE ON FUNCTION journey_symbol TO footfall_recommend;
        GRANT SELECT ON journey_model, journey_contexts TO footfall_recommend;
    END IF;
END
$$;
