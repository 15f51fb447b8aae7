-- Who gets a feed that isn't personalized, so that what personalization brings can be measured; and who reads that.

CREATE TABLE assignments (
    visitor_id uuid NOT NULL,
    visitor_is_user boolean NOT NULL,
    arm varchar(20) NOT NULL,
    holdout_share double precision NOT NULL,
    unit_id uuid NOT NULL,
    unit_is_user boolean NOT NULL,
    unit_exposed_at timestamptz NOT NULL,
    exposed_at timestamptz NOT NULL,
    PRIMARY KEY (visitor_id, visitor_is_user),
    CONSTRAINT assignments_arm CHECK (arm IN ('personal', 'holdout')),
    CONSTRAINT assignments_share CHECK (holdout_share > 0 AND holdout_share < 1)
);
COMMENT ON TABLE assignments IS 'The arm that each visitor was given at the first feed, for good. Holds a person: visitor_id, unit_id.';
COMMENT ON COLUMN assignments.visitor_id IS 'A user, or an anonymous id that was nobody''s.';
COMMENT ON COLUMN assignments.visitor_is_user IS 'Which of the two: a page may call itself by any anonymous id, a user''s among them.';
COMMENT ON COLUMN assignments.arm IS 'personal: the feed is personalized; holdout: it is the same for everybody. Neither changes, but for a login that was heard of late.';
COMMENT ON COLUMN assignments.holdout_share IS 'How probable holdout was when it was decided, 0 to 1.';
COMMENT ON COLUMN assignments.unit_id IS 'For whom it was decided: the visitor, or the anonymous id that the user was before the login. What these see counts as one visitor''s.';
COMMENT ON COLUMN assignments.unit_is_user IS 'Which of the two, as visitor_is_user.';
COMMENT ON COLUMN assignments.unit_exposed_at IS 'When it was decided.';
COMMENT ON COLUMN assignments.exposed_at IS 'When the visitor was shown the first feed.';

CREATE INDEX identities_by_user ON identities (user_id);
COMMENT ON INDEX identities_by_user IS 'recommend: assignment (who a user was before the login).';
CREATE INDEX content_interactions_from_feeds ON content_interactions (created_at)
    INCLUDE (feed_id, content_type, content_id, user_id, anonymous_id, engagement_score)
    WHERE feed_id IS NOT NULL AND NOT is_bot;
COMMENT ON INDEX content_interactions_from_feeds IS 'insights: evidence (what was clicked in feeds).';
CREATE INDEX impressions_by_time ON impressions USING brin (shown_at) WITH (pages_per_range = 32);
COMMENT ON INDEX impressions_by_time IS 'insights: evidence (what feeds showed).';

COMMENT ON COLUMN impressions.arm IS 'What the visitor was served: personal or holdout, see assignments; none: no experiment was on.';

-- The role of a room, as in 0004_roles.
DO $$
DECLARE
    by_token boolean := EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_iam');
BEGIN
    IF by_token AND current_setting('server_version_num')::integer >= 160000 THEN
        EXECUTE $q$SELECT coalesce(system_user !~ '^(scram-sha-256|md5|password):', true)$q$ INTO by_token;
    END IF;
    BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'footfall_insights') THEN
            CREATE ROLE footfall_insights LOGIN;
        END IF;
    EXCEPTION
        WHEN duplicate_object OR unique_violation THEN NULL;
        WHEN insufficient_privilege THEN
            IF by_token THEN RAISE; END IF;
            RAISE NOTICE '% may not create roles, so there is no footfall_insights', current_user;
    END;
    BEGIN
        IF by_token AND NOT pg_has_role('footfall_insights', 'rds_iam', 'MEMBER') THEN
            GRANT rds_iam TO footfall_insights;
        END IF;
    EXCEPTION
        WHEN unique_violation THEN NULL;
    END;
END
$$;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'footfall_insights') THEN
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO footfall_insights', current_database());
        GRANT USAGE ON SCHEMA public TO footfall_insights;
        GRANT SELECT ON impressions, content_interactions, assignments TO footfall_insights;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'footfall_recommend') THEN
        GRANT SELECT, INSERT, UPDATE ON assignments TO footfall_recommend;
        GRANT SELECT ON identities TO footfall_recommend;
        GRANT EXECUTE ON FUNCTION identity_owner, is_tied TO footfall_recommend;
    END IF;
END
$$;
