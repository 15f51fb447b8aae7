-- What operators ask for: activity counted beforehand, who is there now, and users by what is said of them.

CREATE TABLE activity_counts (
    of_all boolean NOT NULL,
    at timestamptz NOT NULL,
    event_type varchar(100) NOT NULL,
    event_action varchar(100) NOT NULL,
    device_type varchar(50) NOT NULL,
    country varchar(100) NOT NULL,
    is_bot boolean NOT NULL,
    events bigint NOT NULL,
    PRIMARY KEY (of_all, at, event_type, event_action, device_type, country, is_bot)
);
COMMENT ON TABLE activity_counts IS 'Activities by quarter of an hour, where days begin in every time zone; analyze counts an hour anew where live_counts knows of others.';
COMMENT ON COLUMN activity_counts.of_all IS 'Of all devices and countries together, which then are empty; else by them.';
COMMENT ON COLUMN activity_counts.at IS 'Start of the quarter, by created_at.';
COMMENT ON COLUMN activity_counts.event_action IS 'Empty: there is none; so it is of device_type and country.';
COMMENT ON COLUMN activity_counts.events IS 'How many; bots apart.';

CREATE TABLE counted_hours (
    hour timestamptz PRIMARY KEY,
    events bigint NOT NULL
);
COMMENT ON TABLE counted_hours IS 'The hours of activity_counts, and how many activities live_counts knew of each when it was counted.';

CREATE INDEX user_sessions_by_end ON user_sessions USING brin (ended_at) WITH (pages_per_range = 32, autosummarize = on);
COMMENT ON INDEX user_sessions_by_end IS 'insights: active_sessions (who is there now).';
-- A value may be longer than an entry of an index.
CREATE INDEX traits_by_value ON traits (lower(left(value #>> '{}', 255)) text_pattern_ops)
    WHERE owner_is_user AND jsonb_typeof(value) IN ('string', 'number');
COMMENT ON INDEX traits_by_value IS 'insights: find_users.';
COMMENT ON INDEX user_sessions_by_start IS 'maintain: prune_sessions; analyze: journey_visits; insights: sessions_by_day, session_visitors, session_lengths, session_landings, session_exits, activity_visitors, path_steps.';
COMMENT ON INDEX user_activities_by_user IS 'recommend: last_activities; analyze: learn_active_hours; session: adjust_profile; insights: latest_sessions, session_events.';
COMMENT ON INDEX content_interactions_by_content IS 'analyze: count_trends; recommend: rank (who met a seed lately); common: similar_users (who else met the same content); insights: content_details.';
COMMENT ON INDEX quarantine_waiting IS 'session: next_refused, count_refused (a replay, step by step); insights: refused, refused_latest.';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'footfall_analyze') THEN
        GRANT SELECT, INSERT, DELETE ON activity_counts TO footfall_analyze;
        GRANT SELECT, INSERT, UPDATE ON counted_hours TO footfall_analyze;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'footfall_insights') THEN
        GRANT SELECT ON user_activities, user_sessions, live_counts, activity_counts, counted_hours, profiles, traits, external_ids,
            content, time_zones, quarantine, analysis_state TO footfall_insights;
    END IF;
END
$$;
