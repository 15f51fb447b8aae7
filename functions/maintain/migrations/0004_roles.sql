-- Who may do what: one role a room, which may do what the room's SQL does and no more. maintain stays the owner.
-- A month needs no grant of its own: the rooms reach it through its table.

-- Roles belong to the whole server, so another database's migration may have made them, or be making them now. An
-- owner who may not make roles goes without: what follows is granted to those that are there.
-- On Amazon RDS whoever is in rds_iam logs in by token, and by nothing else; also who is in it through another role,
-- as since PostgreSQL 16 the one who made that role is. An owner who came by password must be able to come again; one
-- who came by token can't go without, as no room could log in.
DO $$
DECLARE
    by_token boolean := EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_iam');
    room text;
BEGIN
    IF by_token AND current_setting('server_version_num')::integer >= 160000 THEN
        EXECUTE $q$SELECT coalesce(system_user !~ '^(scram-sha-256|md5|password):', true)$q$ INTO by_token;
    END IF;
    FOREACH room IN ARRAY ARRAY['footfall_session', 'footfall_analyze', 'footfall_recommend'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = room) THEN
                EXECUTE format('CREATE ROLE %I LOGIN', room);
            END IF;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;
            WHEN insufficient_privilege THEN
                IF by_token THEN RAISE; END IF;
                RAISE NOTICE '% may not create roles, so there is no %', current_user, room;
        END;
        BEGIN
            IF by_token AND NOT pg_has_role(room, 'rds_iam', 'MEMBER') THEN
                EXECUTE format('GRANT rds_iam TO %I', room);
            END IF;
        EXCEPTION
            WHEN unique_violation THEN NULL;
        END;
    END LOOP;
END
$$;

-- What PostgreSQL gives to everybody and only one room needs, or none (CREATE, in databases made before version 15).
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION identity_owner, engagement_score FROM PUBLIC;
DO $$
BEGIN
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
END
$$;

DO $$
DECLARE
    room text;
    privileges text;
    things text;
BEGIN
    FOR room, privileges, things IN VALUES
        ('footfall_session', 'CONNECT, TEMPORARY', format('DATABASE %I', current_database())),
        ('footfall_analyze', 'CONNECT', format('DATABASE %I', current_database())),
        ('footfall_recommend', 'CONNECT', format('DATABASE %I', current_database())),
        ('footfall_session', 'USAGE', 'SCHEMA public'),
        ('footfall_analyze', 'USAGE', 'SCHEMA public'),
        ('footfall_recommend', 'USAGE', 'SCHEMA public'),

        ('footfall_session', 'EXECUTE', 'FUNCTION identity_owner, engagement_score'),
        ('footfall_session', 'SELECT', 'time_zones'),
        ('footfall_session', 'SELECT, INSERT', 'event_ids, external_ids'),
        ('footfall_session', 'SELECT, INSERT, UPDATE',
         'user_activities, content_interactions, user_sessions, live_counts, profiles, identities, traits, content'),
        -- What was refused may be anything, so session can't read it back.
        ('footfall_session', 'INSERT', 'quarantine'),

        ('footfall_analyze', 'SELECT',
         'user_activities, content_interactions, live_counts, profiles, traits, content'),
        ('footfall_analyze', 'SELECT, INSERT, UPDATE', 'suggestions'),
        ('footfall_analyze', 'SELECT, INSERT, UPDATE, DELETE', 'user_preferences, content_trends, analysis_state'),

        ('footfall_recommend', 'SELECT',
         'user_activities, content_interactions, profiles, traits, content, content_trends, suggestions, external_ids'),
        ('footfall_recommend', 'SELECT, INSERT', 'impressions'),
        ('footfall_recommend', 'SELECT, INSERT, UPDATE, DELETE', 'user_preferences'),
        -- By this alone it asks analyze to look at a user again.
        ('footfall_recommend', 'UPDATE (touched_by)', 'profiles')
    LOOP
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = room) THEN
            EXECUTE format('GRANT %s ON %s TO %I', privileges, things, room);
        END IF;
    END LOOP;
END
$$;
