-- What happened: activities, interactions and sessions, each event counted once.

CREATE TABLE external_ids (
    id uuid PRIMARY KEY,
    kind varchar(20) NOT NULL,
    external_id text NOT NULL
);
COMMENT ON TABLE external_ids IS 'The ids that were no UUIDs, as they were sent. Holds a person: id (kinds user, anonymous, session).';
COMMENT ON COLUMN external_ids.id IS 'The UUID that stands for the id everywhere else (name-based, version 5).';
COMMENT ON COLUMN external_ids.kind IS 'user, anonymous, session, content, event or feed.';
COMMENT ON COLUMN external_ids.external_id IS 'As it was sent.';

CREATE TABLE event_ids (
    id uuid PRIMARY KEY,
    created_at timestamptz NOT NULL
);
COMMENT ON TABLE event_ids IS 'The events that were counted. An id counts once, by id alone: a unique key of a table partitioned by time could not say so.';
COMMENT ON COLUMN event_ids.created_at IS 'The created_at under which the event was stored; rows go when their month is dropped.';

CREATE TABLE user_activities (
    id uuid NOT NULL,
    user_id uuid,
    event_type varchar(100) NOT NULL,
    event_category varchar(50),
    event_action varchar(100),
    page_path varchar(255),
    referrer varchar(255),
    metadata jsonb,
    device_type varchar(50),
    browser varchar(50),
    os varchar(50),
    ip_address inet,
    country varchar(100),
    city varchar(100),
    session_id uuid,
    created_at timestamptz NOT NULL,
    anonymous_id uuid,
    is_linked boolean NOT NULL DEFAULT false,
    is_bot boolean NOT NULL DEFAULT false,
    sequence integer,
    client_created_at timestamptz,
    sent_at timestamptz,
    received_at timestamptz NOT NULL,
    time_zone text,
    PRIMARY KEY (created_at, id),
    CONSTRAINT user_activities_somebody CHECK (user_id IS NOT NULL OR anonymous_id IS NOT NULL)
) PARTITION BY RANGE (created_at);
COMMENT ON TABLE user_activities IS 'Everything that users did, one row an event, by month. Holds a person: user_id, anonymous_id, ip_address, city, metadata.';
COMMENT ON COLUMN user_activities.id IS 'The event; an interaction''s has the same id in content_interactions.';
COMMENT ON COLUMN user_activities.user_id IS 'Null while nobody knows whose anonymous_id it is.';
COMMENT ON COLUMN user_activities.event_type IS 'page_view, user_action, search, content_interaction, or the product''s own.';
COMMENT ON COLUMN user_activities.event_category IS 'navigation, content, or the product''s own.';
COMMENT ON COLUMN user_activities.event_action IS 'view, view_project, or the product''s own.';
COMMENT ON COLUMN user_activities.page_path IS 'Path of the page, without host and query.';
COMMENT ON COLUMN user_activities.metadata IS 'What the event carried; `context` holds viewport, screen and touch, `_truncated` the fields that were cut to fit, `_cleaned` that unstorable characters were replaced.';
COMMENT ON COLUMN user_activities.device_type IS 'mobile, tablet or desktop; with browser and os read from the User-Agent; null where it doesn''t say.';
COMMENT ON COLUMN user_activities.ip_address IS 'Of the device, as the gateway saw it or a server said it.';
COMMENT ON COLUMN user_activities.country IS 'As the edge says it, or a server; so is city.';
COMMENT ON COLUMN user_activities.session_id IS 'The id of user_sessions, together with its visitor (anonymous_id, else user_id).';
COMMENT ON COLUMN user_activities.created_at IS 'When it happened: the client''s time, corrected for a wrong clock, within the months that exist.';
COMMENT ON COLUMN user_activities.anonymous_id IS 'The browser''s random id; null where only a user is known.';
COMMENT ON COLUMN user_activities.is_linked IS 'user_id was not sent with the event: the anonymous id belongs to that user. Reversible.';
COMMENT ON COLUMN user_activities.is_bot IS 'Sent by a crawler or a script; stored, not learned from.';
COMMENT ON COLUMN user_activities.sequence IS 'The tracker''s counter, which orders events of one millisecond.';
COMMENT ON COLUMN user_activities.client_created_at IS 'The time as the client said it, where created_at is another.';
COMMENT ON COLUMN user_activities.sent_at IS 'When the client sent it, by the client''s clock.';
COMMENT ON COLUMN user_activities.received_at IS 'When ingest took it, by the server''s clock.';
COMMENT ON COLUMN user_activities.time_zone IS 'IANA name, as the client said it; null where Postgres doesn''t know it.';
CREATE INDEX user_activities_by_user ON user_activities (user_id, created_at DESC) WHERE user_id IS NOT NULL;
COMMENT ON INDEX user_activities_by_user IS 'recommend: last_activities; analyze: learn_active_hours; session: adjust_profile.';
CREATE INDEX user_activities_by_anonymous ON user_activities (anonymous_id)
    WHERE anonymous_id IS NOT NULL AND (user_id IS NULL OR is_linked);
COMMENT ON INDEX user_activities_by_anonymous IS 'session: relink_activities (an anonymous id turned out to be a user''s).';

CREATE FUNCTION engagement_score(interaction_type text, duration_seconds integer) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT least(1.00, 0.50
        + CASE WHEN duration_seconds > 120 THEN 0.50 WHEN duration_seconds > 60 THEN 0.40
               WHEN duration_seconds > 30 THEN 0.20 ELSE 0.00 END
        + CASE interaction_type WHEN 'view' THEN 0.10 WHEN 'click' THEN 0.20 WHEN 'like' THEN 0.30
               WHEN 'share' THEN 0.40 WHEN 'save' THEN 0.40 WHEN 'apply' THEN 0.50 WHEN 'endorse' THEN 0.50
               ELSE 0.00 END)
$$;
COMMENT ON FUNCTION engagement_score IS 'How much an interaction says, 0.50 to 1.00: longer is more, and what took a decision is more.';

CREATE TABLE content_interactions (
    id uuid NOT NULL,
    user_id uuid,
    content_type varchar(50) NOT NULL,
    content_id uuid NOT NULL,
    interaction_type varchar(50) NOT NULL,
    duration_seconds integer,
    engagement_score numeric(3, 2) NOT NULL,
    created_at timestamptz NOT NULL,
    anonymous_id uuid,
    session_id uuid,
    is_linked boolean NOT NULL DEFAULT false,
    is_bot boolean NOT NULL DEFAULT false,
    feed_id uuid,
    position integer,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (created_at, id),
    CONSTRAINT content_interactions_somebody CHECK (user_id IS NOT NULL OR anonymous_id IS NOT NULL)
) PARTITION BY RANGE (created_at);
COMMENT ON TABLE content_interactions IS 'What users did with content, one row an interaction, by month; its activity has the same id. Holds a person: user_id, anonymous_id.';
COMMENT ON COLUMN content_interactions.content_type IS 'profile, project, endorsement, job, or the product''s own; content_id is unique with it only.';
COMMENT ON COLUMN content_interactions.user_id IS 'As in user_activities; so are anonymous_id, session_id, created_at, received_at and is_bot.';
COMMENT ON COLUMN content_interactions.interaction_type IS 'view, click, like, share, save, apply, endorse, comment, follow, or the product''s own.';
COMMENT ON COLUMN content_interactions.duration_seconds IS 'Visible dwell time; the same event sent again may only make it larger.';
COMMENT ON COLUMN content_interactions.engagement_score IS 'How much it says, 0 to 1, computed from interaction_type and duration_seconds.';
COMMENT ON COLUMN content_interactions.feed_id IS 'The feed that the content was shown in; impressions has what else it showed.';
COMMENT ON COLUMN content_interactions.position IS 'Its place in that feed, from 0.';
COMMENT ON COLUMN content_interactions.is_linked IS 'As in user_activities.';
CREATE INDEX content_interactions_by_user ON content_interactions (user_id, created_at DESC)
    INCLUDE (content_type, content_id, engagement_score) WHERE user_id IS NOT NULL;
COMMENT ON INDEX content_interactions_by_user IS 'analyze: learn_preferences; recommend: feed (what was seen), similar_users.';
CREATE INDEX content_interactions_by_content ON content_interactions (content_id, content_type, created_at DESC)
    INCLUDE (user_id, engagement_score);
COMMENT ON INDEX content_interactions_by_content IS 'recommend: similar_users (who else met the same content).';
CREATE INDEX content_interactions_by_anonymous ON content_interactions (anonymous_id)
    WHERE anonymous_id IS NOT NULL AND (user_id IS NULL OR is_linked);
COMMENT ON INDEX content_interactions_by_anonymous IS 'session: relink_interactions.';

CREATE TABLE user_sessions (
    id uuid NOT NULL,
    user_id uuid,
    started_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    duration_seconds integer NOT NULL GENERATED ALWAYS AS
        (least(extract(epoch FROM (ended_at - started_at)), 2147483647)::integer) STORED,
    device_type varchar(50),
    browser varchar(50),
    os varchar(50),
    ip_address inet,
    country varchar(100),
    city varchar(100),
    page_views integer NOT NULL DEFAULT 0,
    actions_count integer NOT NULL DEFAULT 0,
    bounce boolean NOT NULL GENERATED ALWAYS AS
        (page_views = 1 AND actions_count = 0 AND ended_at - started_at < interval '10 seconds') STORED,
    landing_page varchar(255),
    exit_page varchar(255),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    visitor_id uuid NOT NULL,
    visitor_is_user boolean NOT NULL,
    is_linked boolean NOT NULL DEFAULT false,
    is_bot boolean NOT NULL DEFAULT false,
    first_event_id uuid NOT NULL,
    identified_at timestamptz,
    landing_at timestamptz,
    landing_event_id uuid,
    exit_at timestamptz,
    exit_event_id uuid,
    PRIMARY KEY (visitor_id, visitor_is_user, id)
);
COMMENT ON TABLE user_sessions IS 'Visits, one row a session of a visitor. Holds a person: user_id, visitor_id, ip_address, city.';
COMMENT ON COLUMN user_sessions.id IS 'The session id as the client made it. It is unique with its visitor only, so nobody writes into another''s session by guessing its id.';
COMMENT ON COLUMN user_sessions.visitor_id IS 'The anonymous id, or the user where the events carried none.';
COMMENT ON COLUMN user_sessions.visitor_is_user IS 'Which of the two visitor_id is: a page may call itself by any anonymous id, a user''s among them.';
COMMENT ON COLUMN user_sessions.user_id IS 'The user of the earliest event that had one.';
COMMENT ON COLUMN user_sessions.is_linked IS 'No event of the session named the user: the anonymous id belongs to that user. Reversible.';
COMMENT ON COLUMN user_sessions.is_bot IS 'An event of the session was a bot''s.';
COMMENT ON COLUMN user_sessions.started_at IS 'The earliest event''s created_at.';
COMMENT ON COLUMN user_sessions.ended_at IS 'The latest event''s created_at.';
COMMENT ON COLUMN user_sessions.duration_seconds IS 'From the first event to the last, rounded.';
COMMENT ON COLUMN user_sessions.device_type IS 'Of the earliest event; so are browser, os, ip_address, country and city.';
COMMENT ON COLUMN user_sessions.identified_at IS 'When the earliest event with a user happened; decides user_id whatever the order of arrival.';
COMMENT ON COLUMN user_sessions.page_views IS 'Activities of type page_view.';
COMMENT ON COLUMN user_sessions.actions_count IS 'All other activities.';
COMMENT ON COLUMN user_sessions.bounce IS 'One page view, no action, under ten seconds.';
COMMENT ON COLUMN user_sessions.landing_page IS 'Path of the first page view, by event time.';
COMMENT ON COLUMN user_sessions.exit_page IS 'Path of the last page view, by event time.';
COMMENT ON COLUMN user_sessions.landing_at IS 'When the first page view happened; with landing_event_id it decides landing_page whatever the order of arrival.';
COMMENT ON COLUMN user_sessions.exit_at IS 'When the last page view happened; with exit_event_id it decides exit_page.';
COMMENT ON COLUMN user_sessions.first_event_id IS 'The earliest event; device and place are its own.';
COMMENT ON COLUMN user_sessions.created_at IS 'When its first event was received.';
COMMENT ON COLUMN user_sessions.updated_at IS 'When its last event was received.';
CREATE INDEX user_sessions_by_start ON user_sessions (started_at);
COMMENT ON INDEX user_sessions_by_start IS 'maintain: prune_sessions.';

CREATE TABLE live_counts (
    minute timestamptz NOT NULL,
    event_type varchar(100) NOT NULL,
    is_bot boolean NOT NULL,
    events bigint NOT NULL,
    PRIMARY KEY (minute, event_type, is_bot)
);
COMMENT ON TABLE live_counts IS 'Activities by minute and type, kept as events are written.';
COMMENT ON COLUMN live_counts.minute IS 'Start of the minute, by created_at.';
COMMENT ON COLUMN live_counts.events IS 'How many; bots apart.';

CREATE TABLE quarantine (
    id uuid PRIMARY KEY,
    stage varchar(20) NOT NULL,
    reason text NOT NULL,
    raw text NOT NULL,
    received_at timestamptz NOT NULL,
    replayed_at timestamptz,
    CONSTRAINT quarantine_stage CHECK (stage IN ('ingest', 'session'))
);
COMMENT ON TABLE quarantine IS 'Events that could not be stored, with the reason. Holds a person: raw.';
COMMENT ON COLUMN quarantine.id IS 'The event''s id; where it has none, one made of what was kept.';
COMMENT ON COLUMN quarantine.reason IS 'What was wrong, in the words of ingest or of Postgres.';
COMMENT ON COLUMN quarantine.stage IS 'ingest: refused inside an accepted batch; session: the database refused it. Neither changes.';
COMMENT ON COLUMN quarantine.raw IS 'The event as text: as the client sent it (ingest), or as the queue held it (session).';
COMMENT ON COLUMN quarantine.replayed_at IS 'When it was sent through session again.';
