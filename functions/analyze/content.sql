-- content_progress --
-- Until when trends of content were counted, and from what its model was learned.
SELECT resume AS state, finished_at FROM analysis_state WHERE task = 'content';

-- touched_items --
-- Content that was interacted with lately: received since then, and done not much earlier.
SELECT DISTINCT content_type, content_id::text AS content_id
FROM content_interactions
WHERE created_at > %(since)s::timestamptz - %(late)s::interval AND created_at <= %(now)s
  AND received_at > %(since)s AND NOT is_bot
ORDER BY content_type, content_id;

-- count_trends --
-- Counts the trends of this content anew, from its latest interactions.
WITH touched AS MATERIALIZED (
    SELECT content_type::varchar(50), content_id::uuid
    FROM unnest(%(types)s::text[], %(ids)s::text[]) AS one (content_type, content_id)
), counted AS MATERIALIZED (
    SELECT content_type, content_id, met.*
    FROM touched
    CROSS JOIN LATERAL (
        SELECT max(seconds) AS latest, count(DISTINCT person) FILTER (WHERE seconds > date_part('epoch', %(now)s::timestamptz) - 604800) AS people,
               sum(score * power(2, greatest(age / 10800, -1000))) AS hours_3,
               sum(score * power(2, greatest(age / 43200, -1000))) AS hours_12,
               sum(score * power(2, greatest(age / 86400, -1000))) AS hours_24,
               sum(score * power(2, greatest(age / 604800, -1000))) AS hours_168,
               sum(score * power(2, greatest(age / 5184000, -1000))) AS hours_1440
        FROM (
            -- As of the latest of them, so that what comes out depends on them alone.
            SELECT person, score, seconds, seconds - max(seconds) OVER () AS age
            FROM (
                SELECT coalesce(user_id, anonymous_id) AS person, max(engagement_score)::float8 AS score,
                       max(date_part('epoch', created_at)) AS seconds
                FROM (
                    SELECT user_id, anonymous_id, engagement_score, created_at
                    FROM content_interactions AS one
                    WHERE one.content_id = touched.content_id AND one.content_type = touched.content_type AND NOT is_bot
                      AND created_at <= %(now)s AND created_at > %(now)s::timestamptz - interval '366 days'
                    ORDER BY created_at DESC
                    LIMIT %(most)s
                ) AS latest
                GROUP BY person
            ) AS by_person
        ) AS aged
    ) AS met
    WHERE latest IS NOT NULL
), learned AS MATERIALIZED (
    SELECT content_type, content_id, people,
           latest / 10800 + ln(hours_3) / ln(2.0::float8) AS hours_3, latest / 43200 + ln(hours_12) / ln(2.0::float8) AS hours_12,
           latest / 86400 + ln(hours_24) / ln(2.0::float8) AS hours_24, latest / 604800 + ln(hours_168) / ln(2.0::float8) AS hours_168,
           latest / 5184000 + ln(hours_1440) / ln(2.0::float8) AS hours_1440
    FROM counted
), kept AS (
    UPDATE content_items AS known SET
        hours_3 = learned.hours_3, hours_12 = learned.hours_12, hours_24 = learned.hours_24,
        hours_168 = learned.hours_168, hours_1440 = learned.hours_1440, people = learned.people, computed_at = %(now)s
    FROM learned
    WHERE known.content_type = learned.content_type AND known.content_id = learned.content_id
      AND (known.hours_3, known.hours_1440, known.people) IS DISTINCT FROM (learned.hours_3, learned.hours_1440, learned.people)
)
INSERT INTO content_items (content_type, content_id, hours_3, hours_12, hours_24, hours_168, hours_1440, people, computed_at)
SELECT content_type, content_id, hours_3, hours_12, hours_24, hours_168, hours_1440, people, %(now)s
FROM learned
-- A number is drawn for what is new alone.
WHERE NOT EXISTS (
    SELECT FROM content_items AS known
    WHERE known.content_type = learned.content_type AND known.content_id = learned.content_id
)
ORDER BY content_type, content_id;

-- model_learned --
-- When the content model was learned last, and from what.
SELECT learned_at, basis, evidence FROM content_blend;

-- model_basis --
-- How many interactions there are to learn from; the same as last time: there is nothing to do.
SELECT coalesce(sum(events), 0)::bigint AS interactions,
       coalesce(sum(events * extract(epoch FROM minute)), 0)::bigint::text AS moments
FROM live_counts
WHERE event_type = 'content_interaction' AND NOT is_bot
  AND minute > %(now)s::timestamptz - make_interval(days => %(days)s) AND minute <= %(now)s;

-- interactions --
-- The latest interactions, packed: who (a hash), with which item, and when; each an array of 8, 4 and 8 bytes.
SELECT coalesce(string_agg(int8send(uuid_hash_extended(who, 0)), ''::bytea ORDER BY created_at, id), ''::bytea) AS visitors,
       coalesce(string_agg(int4send(item), ''::bytea ORDER BY created_at, id), ''::bytea) AS items,
       coalesce(string_agg(float8send(date_part('epoch', created_at)), ''::bytea ORDER BY created_at, id), ''::bytea) AS times
FROM (
    SELECT coalesce(user_id, anonymous_id) AS who, item, created_at, id
    FROM (
        SELECT user_id, anonymous_id, content_type, content_id, created_at, id
        FROM content_interactions
        WHERE created_at > %(now)s::timestamptz - make_interval(days => %(days)s) AND created_at <= %(now)s AND NOT is_bot
        ORDER BY created_at DESC
        LIMIT %(most)s
    ) AS latest
    JOIN content_items USING (content_type, content_id)
) AS known;

-- item_facts --
-- The type and the age of what is known, packed alike: items, number of the type, when it was first there.
SELECT coalesce(string_agg(int4send(item), ''::bytea ORDER BY item), ''::bytea) AS items,
       coalesce(string_agg(int4send(type), ''::bytea ORDER BY item), ''::bytea) AS types,
       coalesce(string_agg(float8send(date_part('epoch', at)), ''::bytea ORDER BY item), ''::bytea) AS times
FROM (
    SELECT item, dense_rank() OVER (ORDER BY content_type)::integer AS type, coalesce(published_at, first_seen_at) AS at
    FROM content_items
    JOIN content USING (content_type, content_id)
) AS known;

-- forget_neighbours --
-- Makes room for another model's.
DELETE FROM content_neighbours;

-- keep_neighbours --
-- Takes the neighbours of each item.
COPY content_neighbours (item, method, neighbours, weights) FROM STDIN;

-- keep_blend --
-- Keeps how much each signal counts; whoever else does waits here.
INSERT INTO content_blend (weights, cold_weights, basis, evidence, learned_at)
VALUES (%(weights)s::float8[], %(cold_weights)s::float8[], %(basis)s::text::jsonb, %(evidence)s::text::jsonb, %(now)s)
ON CONFLICT (is_only) DO UPDATE SET
    weights = excluded.weights, cold_weights = excluded.cold_weights, basis = excluded.basis, evidence = excluded.evidence, learned_at = excluded.learned_at;
