-- Learning that reads only what is new: who engaged since, and who is alike, worked out beforehand.

ALTER TABLE profiles ADD COLUMN engaged_by xid8;
COMMENT ON COLUMN profiles.engaged_by IS 'The transaction that last changed something of this user''s interactions; null where none did since there is this column.';

CREATE TABLE tastes (
    user_id uuid PRIMARY KEY,
    learned_by xid8 NOT NULL,
    learned_on date NOT NULL,
    norm double precision NOT NULL,
    waits_since timestamptz
) WITH (fillfactor = 80);
COMMENT ON TABLE tastes IS 'What analyze notes of each user whose interactions it learned from. Holds a person: user_id.';
COMMENT ON COLUMN tastes.learned_by IS 'Every transaction before this one was seen when preferences were last learned; profiles.engaged_by is not below it: they are learned again.';
COMMENT ON COLUMN tastes.learned_on IS 'The day (UTC) as of which they were; on another day they are learned again.';
COMMENT ON COLUMN tastes.norm IS 'Length of the vector of engagement with each piece of content in 30 days, for the cosine with others.';
COMMENT ON COLUMN tastes.waits_since IS 'Since when attributes, authors and who is alike are to be learned anew, which is done of so many users in a run; null: nothing changed since.';
CREATE INDEX tastes_waiting ON tastes (waits_since, user_id) WHERE waits_since IS NOT NULL;
COMMENT ON INDEX tastes_waiting IS 'analyze: users_waiting.';
CREATE INDEX tastes_by_day ON tastes (learned_on) WHERE norm > 0;
COMMENT ON INDEX tastes_by_day IS 'analyze: expired_users.';

CREATE TABLE similar_users (
    user_id uuid PRIMARY KEY,
    users uuid[] NOT NULL,
    similarities real[] NOT NULL,
    shared integer[] NOT NULL,
    computed_at timestamptz NOT NULL
);
COMMENT ON TABLE similar_users IS 'Whose engagement with content is most like a user''s, the closest first, as of computed_at. Holds a person: user_id, users.';
COMMENT ON COLUMN similar_users.users IS 'At most fifty; the next two have an entry for each.';
COMMENT ON COLUMN similar_users.similarities IS 'Cosine of the two vectors of engagement, 0 to 1.';
COMMENT ON COLUMN similar_users.shared IS 'With how many pieces of content both engaged.';

COMMENT ON TABLE user_preferences IS 'What a user likes and when, said or learned. Holds a person: user_id, preference_key (author:…).';
COMMENT ON COLUMN user_preferences.preference_key IS 'content_type:<type>, attribute:<name>:<value> (of the content''s attributes that rules.toml names, in small letters), author:<id as a UUID>, active_hours, or a key of the product''s own.';
COMMENT ON COLUMN user_preferences.preference_value IS '{"score"} with the score 0 to 1, of a content type also its "type"; {"hours","time_zone"}; or what the product put.';
COMMENT ON COLUMN user_preferences.confidence_score IS '0 to 1, 1 only where the user said it; of a type, attribute or author e / (e + prior), with e the faded engagement that speaks for it and the prior of rules.toml; of active hours n / (n + 20), with n the activities of seven days; what is ml_predicted at most half.';
COMMENT ON COLUMN user_preferences.source IS 'explicit: the user said it, and learning leaves it alone until it is deleted; inferred: from own behaviour, each run writes it anew; ml_predicted: from people alike, gives way to both.';
DROP INDEX user_preferences_by_expiry;
CREATE INDEX user_preferences_by_expiry ON user_preferences (expires_at) WHERE source <> 'explicit';
COMMENT ON INDEX user_preferences_by_expiry IS 'analyze: expired_users.';

-- With is_bot in it, each of the three answers without a look at the table.
DROP INDEX user_activities_by_user, content_interactions_by_user, content_interactions_by_content;
CREATE INDEX user_activities_by_user ON user_activities (user_id, created_at DESC) INCLUDE (is_bot)
    WHERE user_id IS NOT NULL;
COMMENT ON INDEX user_activities_by_user IS 'recommend: last_activities; analyze: learn_active_hours; session: adjust_profile.';
CREATE INDEX content_interactions_by_user ON content_interactions (user_id, created_at DESC)
    INCLUDE (content_type, content_id, engagement_score, is_bot) WHERE user_id IS NOT NULL;
COMMENT ON INDEX content_interactions_by_user IS 'analyze: learn_preferences, learn_attributes; recommend: feed (what was seen); common: opportunities, trending, similar_users.';
CREATE INDEX content_interactions_by_content ON content_interactions (content_id, content_type, created_at DESC)
    INCLUDE (user_id, engagement_score, is_bot);
COMMENT ON INDEX content_interactions_by_content IS 'common: similar_users (who else met the same content).';
COMMENT ON INDEX content_by_age IS 'recommend: feed (newest of a type); common: opportunities.';
COMMENT ON INDEX content_by_author IS 'common: own_projects.';

COMMENT ON TABLE analysis_state IS 'How far each task of analyze has come. Holds a person: resume (the last of a chunk, until the run is whole).';

-- Nothing is noted of anybody yet, so everybody is looked at once.
UPDATE analysis_state SET watermark = '0', resume = NULL WHERE task LIKE 'users%';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'footfall_analyze') THEN
        GRANT SELECT, INSERT, UPDATE ON tastes TO footfall_analyze;
        GRANT SELECT, INSERT, UPDATE ON similar_users TO footfall_analyze;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'footfall_recommend') THEN
        GRANT SELECT ON tastes, similar_users TO footfall_recommend;
        GRANT UPDATE (engaged_by) ON profiles TO footfall_recommend;
    END IF;
END
$$;
