-- What was learned, what was shown, and how far learning has come.

CREATE TABLE user_preferences (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL,
    preference_key varchar(100) NOT NULL,
    preference_value jsonb NOT NULL,
    confidence_score numeric(3, 2) NOT NULL,
    source varchar(50) NOT NULL,
    metadata jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    PRIMARY KEY (user_id, preference_key),
    CONSTRAINT user_preferences_source CHECK (source IN ('explicit', 'inferred', 'ml_predicted')),
    CONSTRAINT user_preferences_confidence CHECK (confidence_score BETWEEN 0 AND 1)
);
COMMENT ON TABLE user_preferences IS 'What a user likes and when, said or learned. Holds a person: user_id.';
COMMENT ON COLUMN user_preferences.preference_key IS 'content_type:<type>, active_hours, or a key of the product''s own.';
COMMENT ON COLUMN user_preferences.preference_value IS '{"type","score"} with the score 0 to 1; {"hours","time_zone"}; or what the product put.';
COMMENT ON COLUMN user_preferences.confidence_score IS '0 to 1; grows with evidence, 1 only where the user said it.';
COMMENT ON COLUMN user_preferences.metadata IS 'What it was learned from.';
COMMENT ON COLUMN user_preferences.source IS 'explicit: the user said it, and learning leaves it alone until it is deleted; inferred: from own behaviour, each run writes it anew; ml_predicted: from people and content alike, gives way to both.';
COMMENT ON COLUMN user_preferences.expires_at IS 'The end of the day on which the oldest event that it was learned from leaves the window: then it is learned anew or forgotten. Null where the user said it.';
CREATE INDEX user_preferences_by_expiry ON user_preferences (expires_at) WHERE source = 'inferred';
COMMENT ON INDEX user_preferences_by_expiry IS 'analyze: expired_users.';

CREATE TABLE suggestions (
    user_id uuid PRIMARY KEY,
    stage varchar(50) NOT NULL,
    action varchar(100) NOT NULL,
    message text NOT NULL,
    cta text NOT NULL,
    priority varchar(20) NOT NULL,
    evidence jsonb NOT NULL,
    computed_at timestamptz NOT NULL
);
COMMENT ON TABLE suggestions IS 'The next action of each user who was active, as of computed_at. Holds a person: user_id.';
COMMENT ON COLUMN suggestions.stage IS 'new_user (until a day after sign-up), incomplete_profile (until half complete), low_engagement (until 10 activities), active_user, power_user (after 30 days with more than 100); see rules.toml.';
COMMENT ON COLUMN suggestions.action IS 'Name of the suggestion in rules.toml, which says message, cta and priority too.';
COMMENT ON COLUMN suggestions.evidence IS 'The counted facts that the message rests on.';

CREATE TABLE content_trends (
    content_type varchar(50) NOT NULL,
    content_id uuid NOT NULL,
    half_life_hours integer NOT NULL,
    score double precision NOT NULL,
    people integer NOT NULL,
    computed_at timestamptz NOT NULL,
    PRIMARY KEY (half_life_hours, content_type, content_id)
);
COMMENT ON TABLE content_trends IS 'What is engaged with lately: each interaction''s engagement, halved every half_life_hours.';
COMMENT ON COLUMN content_trends.half_life_hours IS 'After how many hours an interaction counts half.';
COMMENT ON COLUMN content_trends.score IS 'Sum of the faded engagement, as of computed_at.';
COMMENT ON COLUMN content_trends.people IS 'How many different visitors that is.';
CREATE INDEX content_trends_by_score ON content_trends (half_life_hours, content_type, score DESC);
COMMENT ON INDEX content_trends_by_score IS 'recommend: feed (trending of a type).';

CREATE TABLE content_neighbours (
    content_type varchar(50) NOT NULL,
    content_id uuid NOT NULL,
    neighbour_type varchar(50) NOT NULL,
    neighbour_id uuid NOT NULL,
    method varchar(20) NOT NULL,
    weight real NOT NULL,
    PRIMARY KEY (method, content_type, content_id, neighbour_type, neighbour_id)
);
COMMENT ON TABLE content_neighbours IS 'What content belongs together, by the method that found it.';
COMMENT ON COLUMN content_neighbours.method IS 'What found it.';
COMMENT ON COLUMN content_neighbours.weight IS 'How much they belong together; higher is closer.';

CREATE TABLE impressions (
    feed_id uuid NOT NULL,
    position integer NOT NULL,
    user_id uuid,
    anonymous_id uuid,
    content_type varchar(50) NOT NULL,
    content_id uuid NOT NULL,
    strategy varchar(50) NOT NULL,
    propensity real NOT NULL DEFAULT 1,
    arm varchar(20) NOT NULL DEFAULT 'personal',
    shown_at timestamptz NOT NULL,
    PRIMARY KEY (feed_id, position, shown_at)
) PARTITION BY RANGE (shown_at);
COMMENT ON TABLE impressions IS 'What feeds showed, where, and why, by month. Holds a person: user_id, anonymous_id.';
COMMENT ON COLUMN impressions.feed_id IS 'One feed with all its pages; a UUID of version 7.';
COMMENT ON COLUMN impressions.position IS 'Its place in the feed, from 0.';
COMMENT ON COLUMN impressions.user_id IS 'Whom it was shown to; null where only anonymous_id is known.';
COMMENT ON COLUMN impressions.strategy IS 'What put the item there.';
COMMENT ON COLUMN impressions.propensity IS 'How probable it was that this item stood in this place, 0 to 1.';
COMMENT ON COLUMN impressions.arm IS 'personal, or the arm of an experiment.';

CREATE TABLE analysis_state (
    task varchar(50) PRIMARY KEY,
    watermark xid8,
    resume jsonb,
    started_at timestamptz,
    finished_at timestamptz
);
COMMENT ON TABLE analysis_state IS 'How far each task of analyze has come.';
COMMENT ON COLUMN analysis_state.started_at IS 'When a run last noted how far it came: the time that it began at.';
COMMENT ON COLUMN analysis_state.watermark IS 'Every transaction before this one was seen by the last whole run.';
COMMENT ON COLUMN analysis_state.resume IS 'Where an unfinished run goes on, and what it looks at; or what the last run rested on.';
COMMENT ON COLUMN analysis_state.finished_at IS 'When the last whole run ended.';
