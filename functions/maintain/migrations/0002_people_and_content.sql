-- Who is who, and what there is.

CREATE TABLE profiles (
    id uuid PRIMARY KEY,
    created_at timestamptz NOT NULL,
    profile_completeness numeric(5, 2),
    first_seen_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    activity_count bigint NOT NULL DEFAULT 0,
    time_zone text,
    time_zone_set_at timestamptz,
    time_zone_event_id uuid,
    identify_first_at timestamptz,
    identify_last_at timestamptz,
    identify_time_zone text,
    identify_time_zone_set_at timestamptz,
    identify_time_zone_event_id uuid,
    touched_by xid8 NOT NULL
);
COMMENT ON TABLE profiles IS 'Every user, from first sight. Holds a person: id.';
COMMENT ON COLUMN profiles.created_at IS 'Sign-up, where a trait says it; else first sight.';
COMMENT ON COLUMN profiles.profile_completeness IS 'The trait of that name, 0 to 100; null: unknown.';
COMMENT ON COLUMN profiles.first_seen_at IS 'Their earliest event, linked history included.';
COMMENT ON COLUMN profiles.last_seen_at IS 'Their latest event.';
COMMENT ON COLUMN profiles.activity_count IS 'Activities that are no bot''s, so that a stage needs no scan of the history.';
COMMENT ON COLUMN profiles.time_zone IS 'IANA name, from the latest event that carried one which Postgres knows.';
COMMENT ON COLUMN profiles.time_zone_set_at IS 'When that event happened; with time_zone_event_id it decides whatever the order of arrival.';
COMMENT ON COLUMN profiles.identify_first_at IS 'What identify events alone say of first_seen_at (so do the next four of last_seen_at and time_zone): they leave no activity from which it could be told again when history changes hands.';
COMMENT ON COLUMN profiles.touched_by IS 'The transaction that last wrote something of this user: how analyze finds whom to learn, also when transactions commit late.';
CREATE INDEX profiles_by_touch ON profiles (touched_by);
COMMENT ON INDEX profiles_by_touch IS 'analyze: touched_users.';

CREATE TABLE identities (
    anonymous_id uuid NOT NULL,
    user_id uuid NOT NULL,
    verified_at timestamptz NOT NULL,
    PRIMARY KEY (anonymous_id, user_id)
);
COMMENT ON TABLE identities IS 'Which users were verified on which anonymous id. The earliest owns it, until a second user is verified on it: from then on it is shared. Holds a person: anonymous_id, user_id.';
COMMENT ON COLUMN identities.verified_at IS 'When the first identify with that user''s token was received, by the server''s clock.';

CREATE FUNCTION identity_owner(anonymous uuid) RETURNS TABLE (user_id uuid, shared_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT (array_agg(identities.user_id ORDER BY verified_at, identities.user_id))[1],
           (array_agg(verified_at ORDER BY verified_at, identities.user_id))[2]
    FROM identities WHERE anonymous_id = anonymous
$$;
COMMENT ON FUNCTION identity_owner IS 'The user to whom an anonymous id belongs, and when it became shared: what was received from then on is nobody''s.';

CREATE TABLE traits (
    owner_id uuid NOT NULL,
    owner_is_user boolean NOT NULL,
    key text NOT NULL,
    value jsonb NOT NULL,
    set_at timestamptz NOT NULL,
    event_id uuid NOT NULL,
    PRIMARY KEY (owner_id, owner_is_user, key)
);
COMMENT ON TABLE traits IS 'What is said of a user, the latest of each by event time. Holds a person: owner_id, value.';
COMMENT ON COLUMN traits.owner_id IS 'The user, or the anonymous id where no user was verified.';
COMMENT ON COLUMN traits.owner_is_user IS 'Which of the two: a page may call itself by any anonymous id, a user''s among them.';
COMMENT ON COLUMN traits.key IS 'As it was sent; created_at (sign-up) and profile_completeness end in profiles too.';
COMMENT ON COLUMN traits.set_at IS 'When the event happened that said it; with event_id it decides whatever the order of arrival.';

CREATE TABLE content (
    content_type varchar(50) NOT NULL,
    content_id uuid NOT NULL,
    title text,
    url text,
    author_id uuid,
    attributes jsonb,
    published_at timestamptz,
    available boolean NOT NULL DEFAULT true,
    first_seen_at timestamptz NOT NULL,
    described_at timestamptz,
    described_by uuid,
    PRIMARY KEY (content_type, content_id)
);
COMMENT ON TABLE content IS 'The catalogue that feeds draw on: what the product described, and what was interacted with. Holds a person: author_id.';
COMMENT ON COLUMN content.attributes IS 'What the product said of it; `skills` and the like are matched with traits, see rules.toml.';
COMMENT ON COLUMN content.available IS 'False: it is not offered in feeds.';
COMMENT ON COLUMN content.first_seen_at IS 'The earliest event that spoke of it.';
COMMENT ON COLUMN content.described_at IS 'The time of the latest content event; null: known from interactions only.';
COMMENT ON COLUMN content.described_by IS 'That event.';
CREATE INDEX content_by_age ON content (content_type, (coalesce(published_at, first_seen_at)) DESC) WHERE available;
COMMENT ON INDEX content_by_age IS 'recommend: feed (newest of a type); common: facts (new opportunities).';
CREATE INDEX content_by_author ON content (author_id, content_type) WHERE author_id IS NOT NULL;
COMMENT ON INDEX content_by_author IS 'common: facts (a user''s own projects).';

CREATE TABLE time_zones (name text PRIMARY KEY);
COMMENT ON TABLE time_zones IS 'The time zones that this Postgres knows; another name in an event is ignored.';
