-- similar_users --
-- Of each of these users the fifty most alike, by the cosine of their engagement with content in 30 days: of the
-- latest fifty pieces, each with its latest 200 interactions.
WITH mine AS MATERIALIZED (
    SELECT user_id, weight, dense_rank() OVER (ORDER BY content_id, content_type) AS item, content_type, content_id
    FROM unnest(%(user_ids)s::uuid[]) AS asked (user_id)
    CROSS JOIN LATERAL (
        SELECT content_type, content_id, max(engagement_score)::float8 AS weight
        FROM (
            SELECT content_type, content_id, engagement_score, created_at
            FROM content_interactions
            WHERE user_id = asked.user_id AND NOT is_bot
              AND created_at > %(now)s - interval '30 days' AND created_at <= %(now)s + interval '24 hours'
            ORDER BY created_at DESC
            LIMIT 500
        ) AS latest
        GROUP BY content_type, content_id
        ORDER BY max(created_at) DESC, content_type, content_id
        LIMIT 50
    ) AS liked
), lengths AS (
    SELECT user_id, sqrt(sum(weight * weight)) AS norm FROM mine GROUP BY user_id
), met AS MATERIALIZED (
    SELECT item, theirs.user_id, max(theirs.weight) AS weight
    FROM (SELECT DISTINCT item, content_type, content_id FROM mine) AS one
    CROSS JOIN LATERAL (
        SELECT user_id, engagement_score::float8 AS weight
        FROM content_interactions
        WHERE content_id = one.content_id AND content_type = one.content_type
          AND user_id IS NOT NULL AND NOT is_bot
          AND created_at > %(now)s - interval '30 days' AND created_at <= %(now)s + interval '24 hours'
        ORDER BY created_at DESC
        LIMIT 200
    ) AS theirs
    GROUP BY item, theirs.user_id
), pairs AS MATERIALIZED (
    SELECT mine.user_id, met.user_id AS other, sum(mine.weight * met.weight) AS product, count(*)::integer AS shared
    FROM mine
    JOIN met USING (item)
    WHERE met.user_id <> mine.user_id
    GROUP BY mine.user_id, met.user_id
), judged AS MATERIALIZED (
    SELECT pairs.*, tastes.norm
    FROM pairs
    -- One by one: they are few beside all that there are.
    LEFT JOIN LATERAL (
        SELECT norm FROM tastes WHERE tastes.user_id = pairs.other AND tastes.norm > 0 OFFSET 0
    ) AS tastes ON true
), candidates AS (
    -- A candidate is divided by its own length at once: by the bare product the busiest would crowd out who is alike.
    SELECT * FROM judged WHERE norm IS NOT NULL
    UNION ALL
    (
        -- Few: those whom analyze hasn't come to yet.
        SELECT rare.user_id, other, product, shared, theirs.norm
        FROM (
            SELECT *, row_number() OVER (PARTITION BY user_id ORDER BY product DESC, other) AS place
            FROM judged
            WHERE norm IS NULL
        ) AS rare
        CROSS JOIN LATERAL (
            SELECT sqrt(sum(item.weight * item.weight)) AS norm
            FROM (
                SELECT max(engagement_score)::float8 AS weight
                FROM content_interactions
                WHERE user_id = rare.other AND NOT is_bot
                  AND created_at > %(now)s - interval '30 days' AND created_at <= %(now)s + interval '24 hours'
                GROUP BY content_type, content_id
            ) AS item
        ) AS theirs
        WHERE place <= 100
    )
), closest AS (
    SELECT * FROM (
        SELECT user_id, other, shared, similarity,
               row_number() OVER (PARTITION BY user_id ORDER BY similarity DESC, shared DESC, other) AS place
        FROM (
            SELECT candidates.user_id, other, shared,
                   round(least(product / (lengths.norm * candidates.norm), 1) * 1e4) / 1e4 AS similarity
            FROM candidates
            JOIN lengths ON lengths.user_id = candidates.user_id
        ) AS measured
    ) AS ranked
    WHERE place <= 50
)
SELECT asked.user_id,
       coalesce(array_agg(other ORDER BY place) FILTER (WHERE place IS NOT NULL), '{}')::text AS users,
       coalesce(array_agg(similarity ORDER BY place) FILTER (WHERE place IS NOT NULL), '{}')::text AS similarities,
       coalesce(array_agg(shared ORDER BY place) FILTER (WHERE place IS NOT NULL), '{}')::text AS shared
FROM unnest(%(user_ids)s::uuid[]) AS asked (user_id)
LEFT JOIN closest USING (user_id)
GROUP BY asked.user_id;
