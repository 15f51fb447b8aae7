-- rank --
-- What one visitor should see, best first: candidates that rise, are new, or belong to what was met last, each signal as
-- the share of its strongest candidate, weighed as this deployment learned; never what was met, shown before on this
-- feed, is unavailable, or the visitor's own.
/* prepared */
WITH RECURSIVE types AS (
    (SELECT content_type FROM content ORDER BY content_type LIMIT 1)
    UNION ALL
    SELECT (SELECT content.content_type FROM content WHERE content.content_type > types.content_type
            ORDER BY content.content_type LIMIT 1)
    FROM types
    WHERE types.content_type IS NOT NULL
), liked AS MATERIALIZED (
    SELECT split_part(preference_key, ':', 1) AS what, substr(preference_key, strpos(preference_key, ':') + 1) AS name,
           (preference_value ->> 'score')::float8 AS score, source
    FROM user_preferences
    WHERE user_id = %(user_id)s::uuid AND preference_key ~ '^(content_type|attribute|author):' AND source <> 'ml_predicted'
      AND (%(is_personal)s::boolean OR (preference_value ->> 'score')::float8 = 0)
), kinds AS MATERIALIZED (
    SELECT types.content_type, said.score AS said
    FROM types
    LEFT JOIN liked AS said ON said.what = 'content_type' AND said.name = types.content_type AND said.source = 'explicit'
    WHERE types.content_type IS NOT NULL
      AND CASE WHEN %(content_type)s::text IS NOT NULL THEN types.content_type = %(content_type)s
          ELSE said.score IS DISTINCT FROM 0 END
), met AS MATERIALIZED (
    SELECT content_type, content_id, max(created_at) AS at
    FROM (
        SELECT content_type, content_id, created_at FROM content_interactions
        WHERE user_id = %(user_id)s::uuid AND created_at > %(now)s - make_interval(days => %(seen_days)s::integer)
          AND created_at <= %(until)s
        UNION ALL
        SELECT content_type, content_id, created_at FROM content_interactions
        WHERE anonymous_id = %(anonymous_id)s::uuid AND user_id IS NULL
          AND created_at > %(now)s - make_interval(days => %(seen_days)s::integer) AND created_at <= %(until)s
    ) AS own
    GROUP BY content_type, content_id
), hidden AS MATERIALIZED (
    SELECT content_type, content_id FROM met
    UNION ALL
    SELECT content_type, content_id FROM impressions WHERE feed_id = %(feed_id)s::uuid
), latest AS MATERIALIZED (
    SELECT content_type, content_id, row_number() OVER (ORDER BY at DESC, content_id)::integer - 1 AS place
    FROM (SELECT * FROM met WHERE %(is_personal)s::boolean ORDER BY at DESC, content_id LIMIT %(seeds)s) AS few
), blend AS MATERIALIZED (
    SELECT coalesce(
        (SELECT CASE WHEN EXISTS (SELECT FROM latest) THEN weights ELSE cold_weights END FROM content_blend),
        %(weights)s::float8[]
    ) AS weights
), seeds AS MATERIALIZED (
    SELECT known.item, place
    FROM latest
    CROSS JOIN LATERAL (
        SELECT item FROM content_items
        WHERE content_items.content_type = latest.content_type AND content_items.content_id = latest.content_id
        LIMIT 1
    ) AS known
), visits AS MATERIALIZED (
    -- Who met the same lately, those who met more of it first: seconds old, so that what is new has neighbours at all.
    SELECT user_id, created_at, place, fade * sum(fade) OVER (PARTITION BY user_id) AS weight
    FROM (
        SELECT visitor.user_id, visitor.created_at, latest.place, power(0.5, latest.place / %(fades)s::float8) AS fade
        FROM latest
        CROSS JOIN LATERAL (
            SELECT user_id, created_at FROM content_interactions
            WHERE content_interactions.content_id = latest.content_id
              AND content_interactions.content_type = latest.content_type
              AND user_id IS NOT NULL AND user_id IS DISTINCT FROM %(user_id)s::uuid AND NOT is_bot
              AND created_at > %(now)s - make_interval(days => %(live_days)s::integer) AND created_at <= %(now)s
            ORDER BY created_at DESC
            LIMIT %(live_visitors)s
        ) AS visitor
        WHERE (SELECT weights[array_position(%(methods)s::text[], 'live')] FROM blend) > 0.01
    ) AS met_too
    ORDER BY weight DESC, created_at DESC, place, user_id
    LIMIT %(live_visits)s
), others AS (
    -- What they met next to it.
    SELECT beside.content_type, beside.content_id, sum(weight * power(%(live_step)s::float8, distance)) AS weight,
           (max(floor(weight * 1e6)::bigint * 100 + place) %% 100)::integer AS place
    FROM visits
    CROSS JOIN LATERAL (
        (SELECT content_type, content_id, row_number() OVER (ORDER BY created_at) - 1 AS distance
         FROM content_interactions
         WHERE content_interactions.user_id = visits.user_id AND content_interactions.created_at > visits.created_at
           AND content_interactions.created_at <= %(now)s
         ORDER BY content_interactions.created_at
         LIMIT %(live_next)s)
        UNION ALL
        (SELECT content_type, content_id, row_number() OVER (ORDER BY created_at DESC) AS distance
         FROM content_interactions
         WHERE content_interactions.user_id = visits.user_id AND content_interactions.created_at < visits.created_at
         ORDER BY content_interactions.created_at DESC
         LIMIT %(live_next)s)
    ) AS beside
    GROUP BY beside.content_type, beside.content_id
), drawn AS (
    SELECT one.item, method, place,
           one.weight * power(0.5, place / %(fades)s::float8) AS weight
    FROM seeds
    -- What counts for nothing here isn't read.
    JOIN content_neighbours AS known ON known.item = seeds.item AND known.method = ANY (ARRAY(
        SELECT method
        FROM unnest(%(methods)s::text[], (SELECT weights FROM blend)) AS one (method, weight)
        WHERE method IN ('next', 'before', 'alike') AND weight > 0.01
    ))
    CROSS JOIN LATERAL unnest(known.neighbours, known.weights) AS one (item, weight)
    UNION ALL
    SELECT known.item, 'live', place, weight
    FROM others
    CROSS JOIN LATERAL (
        SELECT item FROM content_items
        WHERE content_items.content_type = others.content_type AND content_items.content_id = others.content_id
        LIMIT 1
    ) AS known
), related AS MATERIALIZED (
    SELECT item, coalesce(sum(weight) FILTER (WHERE method = 'next'), 0) AS next,
           coalesce(sum(weight) FILTER (WHERE method = 'before'), 0) AS before,
           coalesce(sum(weight) FILTER (WHERE method = 'alike'), 0) AS alike,
           coalesce(sum(weight) FILTER (WHERE method = 'live'), 0) AS live,
           -- The seed of the strongest tie, in one number with its weight.
           (max(floor(weight * 1e6)::bigint * 100 + place) %% 100)::integer AS seed
    FROM drawn
    GROUP BY item
), strongest AS (
    SELECT nullif(max(next), 0) AS next, nullif(max(before), 0) AS before, nullif(max(alike), 0) AS alike,
           nullif(max(live), 0) AS live
    FROM related
), near AS (
    SELECT content_type, content_id, next, before, alike, live, seed, row_number() OVER (ORDER BY tie DESC, item) AS place
    FROM (
        SELECT related.*, coalesce(related.next / strongest.next, 0) + coalesce(related.before / strongest.before, 0)
                          + coalesce(related.alike / strongest.alike, 0) + coalesce(related.live / strongest.live, 0) AS tie
        FROM related
        CROSS JOIN strongest
        -- What was met is among them; of the rest a hundred are enough.
        ORDER BY tie DESC, item
        LIMIT 400 + %(limit)s
    ) AS related
    -- By its number, however many the planner expects.
    CROSS JOIN LATERAL (
        SELECT content_type, content_id FROM content_items WHERE content_items.item = related.item LIMIT 1
    ) AS named
    WHERE (content_type, content_id) NOT IN (SELECT hidden.content_type, hidden.content_id FROM hidden)
), rising AS (
    SELECT trend.content_type, trend.content_id
    FROM kinds
    CROSS JOIN LATERAL (
        (SELECT content_type, content_id
         FROM content_items
         JOIN content USING (content_type, content_id)
         WHERE content_type = kinds.content_type AND available AND (author_id = %(user_id)s::uuid) IS NOT TRUE
           AND (content_type, content_id) NOT IN (SELECT hidden.content_type, hidden.content_id FROM hidden)
         ORDER BY hours_3 DESC
         LIMIT 20 + %(limit)s)
        UNION
        (SELECT content_type, content_id
         FROM content_items
         JOIN content USING (content_type, content_id)
         WHERE content_type = kinds.content_type AND available AND (author_id = %(user_id)s::uuid) IS NOT TRUE
           AND (content_type, content_id) NOT IN (SELECT hidden.content_type, hidden.content_id FROM hidden)
         ORDER BY hours_12 DESC
         LIMIT 20 + %(limit)s)
        UNION
        (SELECT content_type, content_id
         FROM content_items
         JOIN content USING (content_type, content_id)
         WHERE content_type = kinds.content_type AND available AND (author_id = %(user_id)s::uuid) IS NOT TRUE
           AND (content_type, content_id) NOT IN (SELECT hidden.content_type, hidden.content_id FROM hidden)
         ORDER BY hours_24 DESC
         LIMIT 20 + %(limit)s)
        UNION
        (SELECT content_type, content_id
         FROM content_items
         JOIN content USING (content_type, content_id)
         WHERE content_type = kinds.content_type AND available AND (author_id = %(user_id)s::uuid) IS NOT TRUE
           AND (content_type, content_id) NOT IN (SELECT hidden.content_type, hidden.content_id FROM hidden)
         ORDER BY hours_168 DESC
         LIMIT 20 + %(limit)s)
        UNION
        (SELECT content_type, content_id
         FROM content_items
         JOIN content USING (content_type, content_id)
         WHERE content_type = kinds.content_type AND available AND (author_id = %(user_id)s::uuid) IS NOT TRUE
           AND (content_type, content_id) NOT IN (SELECT hidden.content_type, hidden.content_id FROM hidden)
         ORDER BY hours_1440 DESC
         LIMIT 20 + %(limit)s)
    ) AS trend
), newest AS MATERIALIZED (
    SELECT newest.content_type, newest.content_id, newest.at
    FROM kinds
    CROSS JOIN LATERAL (
        SELECT content_type, content_id, coalesce(published_at, first_seen_at) AS at
        FROM content
        WHERE content_type = kinds.content_type AND available AND (author_id = %(user_id)s::uuid) IS NOT TRUE
          AND coalesce(published_at, first_seen_at) <= %(now)s
          AND (content_type, content_id) NOT IN (SELECT hidden.content_type, hidden.content_id FROM hidden)
        ORDER BY coalesce(published_at, first_seen_at) DESC
        LIMIT 30 + %(limit)s
    ) AS newest
), young AS (
    -- How old the tenth newest is: what counts as new here.
    SELECT greatest(extract(epoch FROM %(now)s - min(at))::float8, 60) AS seconds
    FROM (SELECT at FROM newest ORDER BY at DESC LIMIT 10) AS ten
), candidates AS MATERIALIZED (
    SELECT content_type, content_id, max(next) AS next, max(before) AS before, max(alike) AS alike, max(live) AS live,
           max(seed) AS seed
    FROM (
        SELECT content_type, content_id, next, before, alike, live, seed, place FROM near
        UNION ALL
        SELECT content_type, content_id, NULL, NULL, NULL, NULL, NULL, 0 FROM rising
        UNION ALL
        SELECT content_type, content_id, NULL, NULL, NULL, NULL, NULL, 0 FROM newest
    ) AS found
    GROUP BY content_type, content_id
    HAVING min(place) <= 100 + %(limit)s
), shares AS (
    SELECT content_type, count(*)::float8 / sum(count(*)) OVER () AS share FROM latest GROUP BY content_type
), raw AS (
    SELECT content.content_type, content.content_id, content.title, content.url, items.people, candidates.seed,
           hours_3, hours_12, hours_24, hours_168, hours_1440,
           young.seconds / (young.seconds
               + greatest(extract(epoch FROM %(now)s - coalesce(published_at, first_seen_at))::float8, 0)) AS new,
           candidates.next, candidates.before, candidates.alike, candidates.live,
           CASE WHEN kinds.said IS NOT NULL THEN kinds.said ELSE coalesce(shares.share, 0) END AS type,
           matching.score AS attribute, matching.name AS matched, written.score AS author
    FROM candidates
    JOIN content USING (content_type, content_id)
    JOIN kinds USING (content_type)
    CROSS JOIN young
    LEFT JOIN shares USING (content_type)
    LEFT JOIN LATERAL (
        SELECT people, hours_3, hours_12, hours_24, hours_168, hours_1440 FROM content_items
        WHERE content_items.content_type = candidates.content_type AND content_items.content_id = candidates.content_id
        LIMIT 1
    ) AS items ON true
    LEFT JOIN liked AS written ON written.what = 'author' AND written.name = content.author_id::text
    LEFT JOIN LATERAL (
        SELECT sum(liked.score) AS score, (array_agg(liked.name ORDER BY liked.score DESC, liked.name))[1] AS name
        FROM liked
        WHERE liked.what = 'attribute' AND content.attributes IS NOT NULL AND EXISTS (
            SELECT FROM jsonb_path_query(content.attributes -> split_part(liked.name, ':', 1), '$[*]') AS said
            WHERE lower(said #>> '{}') = substr(liked.name, strpos(liked.name, ':') + 1)
        )
    ) AS matching ON true
    WHERE available AND (content.author_id = %(user_id)s::uuid) IS NOT TRUE
), signals AS (
    SELECT raw.*, ARRAY[
        coalesce(power(2, greatest(hours_3 - max(hours_3) OVER everything, -60)), 0),
        coalesce(power(2, greatest(hours_12 - max(hours_12) OVER everything, -60)), 0),
        coalesce(power(2, greatest(hours_24 - max(hours_24) OVER everything, -60)), 0),
        coalesce(power(2, greatest(hours_168 - max(hours_168) OVER everything, -60)), 0),
        coalesce(power(2, greatest(hours_1440 - max(hours_1440) OVER everything, -60)), 0),
        new / max(new) OVER everything,
        coalesce(next / nullif(max(next) OVER everything, 0), 0),
        coalesce(before / nullif(max(before) OVER everything, 0), 0),
        coalesce(alike / nullif(max(alike) OVER everything, 0), 0),
        coalesce(live / nullif(max(live) OVER everything, 0), 0),
        coalesce(type / nullif(max(type) OVER everything, 0), 0),
        coalesce(attribute / nullif(max(attribute) OVER everything, 0), 0),
        coalesce(author / nullif(max(author) OVER everything, 0), 0)
    ] AS shares
    FROM raw
    WINDOW everything AS ()
), scored AS (
    SELECT signals.*, gain.total, gain.gains
    FROM signals
    CROSS JOIN blend
    CROSS JOIN LATERAL (
        SELECT sum(gain) AS total, array_agg(gain ORDER BY place) AS gains
        FROM (
            SELECT one.place, one.weight * ln((%(floor)s + one.share) / %(floor)s::float8) AS gain
            FROM unnest(blend.weights, signals.shares) WITH ORDINALITY AS one (weight, share, place)
        ) AS each
    ) AS gain
), placed AS (
    -- Each further one of a type weighs a little less, so that no type is alone where others are near.
    SELECT scored.*, total - %(diversity)s::float8
               * ln(row_number() OVER (PARTITION BY content_type ORDER BY total DESC, content_id)) AS value
    FROM scored
), best AS (
    SELECT * FROM placed ORDER BY value DESC, content_type, content_id LIMIT %(limit)s
)
SELECT best.content_type, best.content_id, best.title, best.url, people, matched, best.type AS liking,
       coalesce(named.external_id, best.content_id::text) AS external_id,
       -- As a share of the first one's.
       round(exp(least(value - max(value) OVER (), 0))::numeric, 4)::float8 AS score,
       gains, seed.content_type AS seed_type, seed_content.title AS seed_title,
       coalesce(seed_name.external_id, seed.content_id::text) AS seed_id
FROM best
LEFT JOIN external_ids AS named ON named.id = best.content_id
LEFT JOIN latest AS seed ON seed.place = best.seed
LEFT JOIN content AS seed_content ON seed_content.content_type = seed.content_type AND seed_content.content_id = seed.content_id
LEFT JOIN external_ids AS seed_name ON seed_name.id = seed.content_id
ORDER BY value DESC, best.content_type, best.content_id;

-- plan_once --
-- Has what is prepared planned once, for any visitor, until the transaction ends: planning takes longer than answering.
SELECT set_config('plan_cache_mode', 'force_generic_plan', true);
