-- create_incoming --
-- Makes the two tables of a batch, which live as long as the connection and are empty at each commit.
CREATE TEMPORARY TABLE IF NOT EXISTS incoming (
    ordinal integer NOT NULL,
    kind text NOT NULL,
    id uuid NOT NULL,
    names jsonb,
    user_id uuid,
    verified boolean,
    anonymous_id uuid,
    session_id uuid,
    created_at timestamptz,
    client_created_at timestamptz,
    sent_at timestamptz,
    received_at timestamptz NOT NULL,
    sequence integer,
    time_zone text,
    event_type varchar(100),
    event_category varchar(50),
    event_action varchar(100),
    page_path varchar(255),
    referrer varchar(255),
    metadata jsonb,
    content_type varchar(50),
    content_id uuid,
    interaction_type varchar(50),
    duration_seconds integer,
    feed_id uuid,
    position integer,
    traits jsonb,
    title text,
    url text,
    author_id uuid,
    attributes jsonb,
    published_at timestamptz,
    available boolean,
    device_type varchar(50),
    browser varchar(50),
    os varchar(50),
    is_bot boolean NOT NULL,
    wants_session boolean,
    ip inet,
    country varchar(100),
    city varchar(100),
    reason text,
    raw text,
    request jsonb
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS fresh (
    LIKE incoming,
    is_linked boolean NOT NULL DEFAULT false,
    wants_user boolean NOT NULL
) ON COMMIT DELETE ROWS;

-- create_changes --
-- Makes the tables of what a batch changes, which live as long.
CREATE TEMPORARY TABLE IF NOT EXISTS session_changes (
    visitor_id uuid NOT NULL,
    visitor_is_user boolean NOT NULL,
    id uuid NOT NULL,
    identified_user_id uuid,
    identified_at timestamptz,
    unnamed_at timestamptz,
    started_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    first_event_id uuid NOT NULL,
    device_type text,
    browser text,
    os text,
    ip_address inet,
    country text,
    city text,
    is_bot boolean NOT NULL,
    page_views integer NOT NULL,
    actions_count integer NOT NULL,
    landing_page text,
    landing_at timestamptz,
    landing_event_id uuid,
    exit_page text,
    exit_at timestamptz,
    exit_event_id uuid,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    owner_id uuid,
    shared_at timestamptz,
    is_made boolean NOT NULL DEFAULT false
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS bundled_interactions (
    id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    content_type varchar(50) NOT NULL,
    content_id uuid NOT NULL,
    interaction_type varchar(50) NOT NULL,
    duration_seconds integer,
    feed_id uuid,
    position integer,
    user_id uuid,
    is_linked boolean NOT NULL,
    anonymous_id uuid,
    session_id uuid,
    is_bot boolean NOT NULL,
    received_at timestamptz NOT NULL
) ON COMMIT DELETE ROWS;

-- receive --
-- Reads the records of the batch.
/* prepared */
INSERT INTO incoming SELECT * FROM jsonb_populate_recordset(NULL::incoming, %(records)s::text::jsonb);

-- lock_visitors --
-- Lets one batch at a time decide whose an anonymous id is, while others may write what they know of it. What is
-- known already decides nothing. Says where the batch decides.
WITH locked AS MATERIALIZED (
    SELECT bucket, decides,
           CASE WHEN decides
                THEN pg_advisory_xact_lock(%(lock_space)s, bucket)
                ELSE pg_advisory_xact_lock_shared(%(lock_space)s, bucket) END
    FROM (
        SELECT abs(hashtext(anonymous_id::text) %% 128) AS bucket,
               bool_or(kind = 'identify' AND coalesce(verified, false) AND NOT EXISTS (
                   SELECT FROM identities AS known
                   WHERE known.anonymous_id = incoming.anonymous_id AND known.user_id = incoming.user_id
                     AND known.verified_at <= incoming.received_at
                     AND (is_tied(known.verified_at, known.confirmed_at, known.unlinked_at)
                          OR incoming.received_at <= known.unlinked_at)
               ) OR kind = 'unlink' AND NOT EXISTS (
                   SELECT FROM identities AS known
                   WHERE known.anonymous_id = incoming.anonymous_id AND known.user_id = incoming.user_id
                     AND incoming.received_at <= known.unlinked_at
               )) AS decides
        FROM incoming
        WHERE anonymous_id IS NOT NULL
        GROUP BY bucket
        ORDER BY bucket
    ) AS buckets
)
SELECT bucket FROM locked WHERE decides;

-- remember_events --
-- Counts each id once, and keeps of the batch what is new; the first copy wins whole.
WITH first_copies AS (
    SELECT DISTINCT ON (id) id, ordinal, created_at
    FROM incoming
    WHERE kind <> 'rejected'
    ORDER BY id, received_at, ordinal
), remembered AS (
    INSERT INTO event_ids (id, created_at)
    SELECT id, created_at FROM first_copies ORDER BY id
    ON CONFLICT DO NOTHING
    RETURNING id
)
INSERT INTO fresh
SELECT incoming.*, false, incoming.user_id IS NULL AND incoming.anonymous_id IS NOT NULL
FROM remembered
JOIN first_copies USING (id)
JOIN incoming USING (ordinal);

-- write_names --
-- Keeps the ids that were no UUIDs, so that answers can give them back.
INSERT INTO external_ids (id, kind, external_id)
SELECT DISTINCT ON (field.id) field.id, field.kind, fresh.names ->> field.name
FROM fresh
CROSS JOIN LATERAL (VALUES
    ('id', 'event', fresh.id),
    ('user_id', 'user', fresh.user_id),
    ('author_id', 'user', fresh.author_id),
    ('anonymous_id', 'anonymous', fresh.anonymous_id),
    ('session_id', 'session', fresh.session_id),
    ('content_id', 'content', fresh.content_id),
    ('feed_id', 'feed', fresh.feed_id)
) AS field (name, kind, id)
WHERE fresh.names ? field.name
  AND NOT EXISTS (SELECT FROM external_ids AS stored WHERE stored.id = field.id)
ORDER BY field.id
ON CONFLICT DO NOTHING;

-- write_activities --
-- Writes the activities that are new.
INSERT INTO user_activities (
    id, user_id, event_type, event_category, event_action, page_path, referrer, metadata, device_type, browser, os,
    ip_address, country, city, session_id, created_at, anonymous_id, is_linked, is_bot, sequence,
    client_created_at, sent_at, received_at, time_zone, session_is_made
)
SELECT
    id, user_id, event_type, event_category, event_action, page_path, referrer, metadata, device_type, browser, os,
    ip, country, city, session_id, created_at, anonymous_id, is_linked, is_bot, sequence,
    client_created_at, sent_at, received_at, time_zones.name, coalesce(wants_session, false)
FROM fresh
LEFT JOIN time_zones ON time_zones.name = fresh.time_zone
WHERE kind IN ('activity', 'interaction');

-- write_interactions --
-- Writes the interactions that are new.
INSERT INTO content_interactions (
    id, user_id, content_type, content_id, interaction_type, duration_seconds, engagement_score, created_at,
    anonymous_id, session_id, is_linked, is_bot, feed_id, position, received_at
)
SELECT
    id, user_id, content_type, content_id, interaction_type, duration_seconds,
    engagement_score(interaction_type, duration_seconds), created_at,
    anonymous_id, session_id, is_linked, is_bot, feed_id, position, received_at
FROM fresh
WHERE kind = 'interaction';

-- grow_dwell --
-- Makes the dwell of known interactions longer where their own visitor says so, in no other user's name; says whose
-- they are.
WITH longest AS (
    SELECT id, anonymous_id, user_id, max(duration_seconds) AS duration_seconds
    FROM incoming
    WHERE kind = 'interaction' AND duration_seconds IS NOT NULL
    GROUP BY id, anonymous_id, user_id
), growing AS (
    SELECT interaction.created_at, interaction.id, longest.duration_seconds
    FROM longest
    JOIN event_ids USING (id)
    JOIN content_interactions AS interaction
        ON interaction.created_at = event_ids.created_at AND interaction.id = longest.id
    WHERE coalesce(interaction.duration_seconds, -1) < longest.duration_seconds
      AND interaction.anonymous_id IS NOT DISTINCT FROM longest.anonymous_id
      AND (longest.user_id IS NULL OR interaction.user_id IS NULL OR interaction.is_linked
           OR interaction.user_id = longest.user_id)
    ORDER BY interaction.id
    FOR UPDATE OF interaction
), grown AS (
    UPDATE content_interactions AS interaction
    SET duration_seconds = most.duration_seconds,
        engagement_score = engagement_score(interaction_type, most.duration_seconds)
    FROM (
        SELECT created_at, id, max(duration_seconds) AS duration_seconds FROM growing GROUP BY created_at, id
    ) AS most
    WHERE interaction.created_at = most.created_at AND interaction.id = most.id
    RETURNING interaction.user_id
)
SELECT DISTINCT user_id FROM grown WHERE user_id IS NOT NULL;

-- sum_up_sessions --
-- Says what the new activities change of their sessions, and whose the visitors' anonymous ids are.
INSERT INTO session_changes (
    visitor_id, visitor_is_user, id, identified_user_id, identified_at, unnamed_at, started_at, ended_at,
    first_event_id, device_type, browser, os, ip_address, country, city, is_bot, page_views, actions_count,
    landing_page, landing_at, landing_event_id, exit_page, exit_at, exit_event_id, created_at, updated_at,
    is_made, owner_id, shared_at
)
SELECT visit.*, owner.user_id, owner.shared_at
FROM (
    SELECT
        coalesce(anonymous_id, user_id) AS visitor_id, anonymous_id IS NULL AS visitor_is_user, session_id,
        (array_agg(user_id ORDER BY received_at, user_id) FILTER (WHERE NOT wants_user))[1],
        min(received_at) FILTER (WHERE NOT wants_user), min(received_at) FILTER (WHERE wants_user),
        min(created_at), max(created_at),
        (array_agg(id ORDER BY created_at, id))[1],
        (array_agg(device_type ORDER BY created_at, id))[1],
        (array_agg(browser ORDER BY created_at, id))[1],
        (array_agg(os ORDER BY created_at, id))[1],
        (array_agg(ip ORDER BY created_at, id))[1],
        (array_agg(country ORDER BY created_at, id))[1],
        (array_agg(city ORDER BY created_at, id))[1],
        bool_or(is_bot),
        count(*) FILTER (WHERE event_type = 'page_view'),
        count(*) FILTER (WHERE event_type <> 'page_view'),
        (array_agg(page_path ORDER BY created_at, id) FILTER (WHERE event_type = 'page_view'))[1],
        min(created_at) FILTER (WHERE event_type = 'page_view'),
        (array_agg(id ORDER BY created_at, id) FILTER (WHERE event_type = 'page_view'))[1],
        (array_agg(page_path ORDER BY created_at DESC, id DESC) FILTER (WHERE event_type = 'page_view'))[1],
        max(created_at) FILTER (WHERE event_type = 'page_view'),
        (array_agg(id ORDER BY created_at DESC, id DESC) FILTER (WHERE event_type = 'page_view'))[1],
        min(received_at), max(received_at), coalesce(bool_or(wants_session), false)
    FROM fresh
    WHERE kind IN ('activity', 'interaction') AND session_id IS NOT NULL
    GROUP BY coalesce(anonymous_id, user_id), anonymous_id IS NULL, session_id
) AS visit
LEFT JOIN LATERAL (
    SELECT owner.*
    FROM identity_owner(visit.visitor_id) AS owner
    WHERE NOT visitor_is_user AND EXISTS (SELECT FROM identities WHERE anonymous_id = visitor_id)
) AS owner ON true;

-- write_sessions --
-- Opens or widens sessions; each column's merge is the same in any order. What the owner of the anonymous id was lent
-- stays lent while nobody else spoke in it before; where the id changed hands, relink_sessions follows.
/* prepared */
INSERT INTO user_sessions AS known (
    visitor_id, visitor_is_user, id, user_id, is_linked, identified_user_id, identified_at,
    unnamed_at, started_at, ended_at,
    first_event_id, device_type, browser, os, ip_address, country, city, is_bot, page_views, actions_count,
    landing_page, landing_at, landing_event_id, exit_page, exit_at, exit_event_id, created_at, updated_at, is_made
)
SELECT
    visitor_id, visitor_is_user, id,
    CASE WHEN lent THEN owner_id ELSE identified_user_id END, lent, identified_user_id, identified_at,
    unnamed_at, started_at, ended_at,
    first_event_id, device_type, browser, os, ip_address, country, city, is_bot, page_views, actions_count,
    landing_page, landing_at, landing_event_id, exit_page, exit_at, exit_event_id, created_at, updated_at, is_made
FROM session_changes
CROSS JOIN LATERAL (
    SELECT owner_id IS NOT NULL AND is_lent(unnamed_at, identified_at, shared_at) AS lent
) AS whose
ORDER BY visitor_id, visitor_is_user, id
ON CONFLICT (visitor_id, visitor_is_user, id) DO UPDATE SET
    (identified_user_id, identified_at, unnamed_at, user_id, is_linked) = (
        SELECT who.user_id, who.at, unnamed.at, CASE WHEN lent THEN lending.user_id ELSE who.user_id END, lent
        FROM (
            SELECT user_id, CASE WHEN user_id IS NOT NULL THEN at END AS at
            FROM (VALUES (known.identified_user_id, known.identified_at),
                         (CASE WHEN known.unnamed_at IS NULL AND NOT known.is_linked THEN known.user_id END, known.created_at),
                         (excluded.identified_user_id, excluded.identified_at)) AS said (user_id, at)
            ORDER BY user_id IS NULL, said.at, user_id
            LIMIT 1
        ) AS who
        CROSS JOIN LATERAL (
            SELECT least(
                CASE WHEN known.identified_user_id IS NULL AND (known.user_id IS NULL OR known.is_linked)
                     THEN coalesce(known.unnamed_at, known.created_at) ELSE known.unnamed_at END,
                excluded.unnamed_at
            ) AS at
        ) AS unnamed
        CROSS JOIN LATERAL (
            SELECT CASE WHEN excluded.is_linked THEN excluded.user_id ELSE known.user_id END AS user_id,
                   (excluded.is_linked OR known.is_linked) AND is_lent(unnamed.at, who.at, NULL) AS lent
        ) AS lending
    ),
    (first_event_id, device_type, browser, os, ip_address, country, city) = (
        SELECT first.event_id, first.device_type, first.browser, first.os, first.ip, first.country, first.city
        FROM (VALUES
            (known.started_at, known.first_event_id, known.device_type, known.browser, known.os,
             known.ip_address, known.country, known.city),
            (excluded.started_at, excluded.first_event_id, excluded.device_type, excluded.browser, excluded.os,
             excluded.ip_address, excluded.country, excluded.city)
        ) AS first (at, event_id, device_type, browser, os, ip, country, city)
        ORDER BY first.at, first.event_id
        LIMIT 1
    ),
    (landing_page, landing_at, landing_event_id) = (
        SELECT landing.page, landing.at, landing.event_id
        FROM (VALUES (known.landing_page, known.landing_at, known.landing_event_id),
                     (excluded.landing_page, excluded.landing_at, excluded.landing_event_id)
        ) AS landing (page, at, event_id)
        ORDER BY landing.at NULLS LAST, landing.event_id
        LIMIT 1
    ),
    (exit_page, exit_at, exit_event_id) = (
        SELECT exit.page, exit.at, exit.event_id
        FROM (VALUES (known.exit_page, known.exit_at, known.exit_event_id),
                     (excluded.exit_page, excluded.exit_at, excluded.exit_event_id)
        ) AS exit (page, at, event_id)
        ORDER BY exit.at DESC NULLS LAST, exit.event_id DESC
        LIMIT 1
    ),
    started_at = least(known.started_at, excluded.started_at),
    ended_at = greatest(known.ended_at, excluded.ended_at),
    is_bot = known.is_bot OR excluded.is_bot,
    page_views = known.page_views + excluded.page_views,
    actions_count = known.actions_count + excluded.actions_count,
    created_at = least(known.created_at, excluded.created_at),
    updated_at = greatest(known.updated_at, excluded.updated_at);

-- write_live_counts --
-- Counts the new activities by minute and type.
INSERT INTO live_counts AS known (minute, event_type, is_bot, events)
SELECT date_trunc('minute', created_at), event_type, is_bot, count(*)
FROM fresh
WHERE kind IN ('activity', 'interaction')
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
ON CONFLICT (minute, event_type, is_bot) DO UPDATE SET events = known.events + excluded.events;

-- keep_rejected --
-- Keeps what ingest refused beside events that it took.
INSERT INTO quarantine (id, stage, reason, raw, request, received_at)
SELECT id, 'ingest', reason, raw, request, received_at FROM incoming WHERE kind = 'rejected' ORDER BY id
ON CONFLICT DO NOTHING;

-- quarantine --
-- Keeps an event that the database refused.
INSERT INTO quarantine (id, stage, reason, raw, received_at)
VALUES (%(id)s, 'session', %(reason)s, %(raw)s, %(received_at)s)
ON CONFLICT DO NOTHING;
