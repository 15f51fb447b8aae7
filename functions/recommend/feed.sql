-- feed --
-- What a user should see: trending and new content of the preferred types, then of all others but those
-- that the user said to be worth 0, unless asked for by name; nothing met in the last 90 days.
WITH RECURSIVE types AS (
    (SELECT content_type FROM content ORDER BY content_type LIMIT 1)
    UNION ALL
    SELECT (SELECT content.content_type FROM content WHERE content.content_type > types.content_type
            ORDER BY content.content_type LIMIT 1)
    FROM types
    WHERE types.content_type IS NOT NULL
), preferred AS (
    SELECT content_type, score
    FROM unnest(%(liked_types)s::text[], %(liked_scores)s::float8[]) AS liked (content_type, score)
), ranked_types AS (
    SELECT types.content_type, preferred.score IS NOT NULL AS is_preferred, coalesce(preferred.score, 0.5) AS score
    FROM types
    LEFT JOIN preferred USING (content_type)
    WHERE types.content_type IS NOT NULL
      AND CASE WHEN %(content_type)s::text IS NOT NULL THEN types.content_type = %(content_type)s
          ELSE NOT EXISTS (
              SELECT FROM user_preferences
              WHERE user_id = %(user_id)s AND preference_key = 'content_type:' || types.content_type
                AND source = 'explicit' AND (preference_value ->> 'score')::float8 = 0
          ) END
), met AS MATERIALIZED (
    SELECT content_type, content_id FROM content_interactions
    WHERE user_id = %(user_id)s AND created_at > %(now)s - interval '90 days'
    UNION
    SELECT content_type, content_id FROM impressions WHERE feed_id = %(feed_id)s
), candidates AS (
    SELECT CASE WHEN kind.is_preferred THEN 0 ELSE 2 END AS tier, kind.is_preferred, true AS is_trending,
           trend.content_type, trend.content_id, kind.score * trend.score AS weight, trend.people,
           trend.title, trend.url
    FROM ranked_types AS kind
    CROSS JOIN LATERAL (
        SELECT content_type, content_id, content_trends.score, people, title, url
        FROM content_trends
        JOIN content USING (content_type, content_id)
        WHERE half_life_hours = 24 AND content_type = kind.content_type
          AND available AND author_id IS DISTINCT FROM %(user_id)s
          AND (content_type, content_id) NOT IN (SELECT met.content_type, met.content_id FROM met)
        ORDER BY content_trends.score DESC
        LIMIT %(limit)s
    ) AS trend
    UNION ALL
    SELECT CASE WHEN kind.is_preferred THEN 1 ELSE 3 END, kind.is_preferred, false,
           newest.content_type, newest.content_id,
           kind.score * power(0.5, least(greatest(extract(epoch FROM %(now)s - newest.at)::float8, 0), 8.64e7) / 864000),
           NULL, newest.title, newest.url
    FROM ranked_types AS kind
    CROSS JOIN LATERAL (
        SELECT content_type, content_id, coalesce(published_at, first_seen_at) AS at, title, url
        FROM content
        WHERE content_type = kind.content_type AND available AND author_id IS DISTINCT FROM %(user_id)s
          AND coalesce(published_at, first_seen_at) <= %(now)s
          AND (content_type, content_id) NOT IN (SELECT met.content_type, met.content_id FROM met)
        ORDER BY coalesce(published_at, first_seen_at) DESC
        LIMIT %(limit)s
    ) AS newest
), best AS (
    SELECT DISTINCT ON (content_type, content_id) *
    FROM candidates
    ORDER BY content_type, content_id, tier
), eligible AS (
    SELECT best.*, best.weight / max(best.weight) OVER (PARTITION BY tier) AS share FROM best
)
SELECT eligible.content_type, eligible.content_id, is_preferred, is_trending, people, title, url,
       coalesce(external_ids.external_id, eligible.content_id::text) AS external_id,
       round((1 - tier / 4.0 - (1 - share) / 4)::numeric, 4)::float8 AS score
FROM eligible
LEFT JOIN external_ids ON external_ids.id = eligible.content_id
ORDER BY tier, weight DESC, eligible.content_type, eligible.content_id
LIMIT %(limit)s;

-- liked_types --
-- The content types that a user likes most, said or learned.
SELECT preference_value ->> 'type' AS content_type, (preference_value ->> 'score')::float8 AS score
FROM user_preferences
WHERE user_id = %(user_id)s AND preference_key LIKE 'content_type:%%' AND (preference_value ->> 'score')::float8 > 0
  -- What people alike like is no word of the user's own.
  AND source <> 'ml_predicted'
ORDER BY source = 'explicit' DESC, score DESC, content_type
LIMIT 3;

-- lock_feed --
-- Lets one request at a time go on with a feed.
SELECT pg_advisory_xact_lock(hashtextextended(%(feed_id)s, 0));

-- shown_before --
-- How many items a feed has shown to this user.
SELECT count(*) AS items
FROM impressions
WHERE feed_id = %(feed_id)s AND user_id = %(user_id)s;

-- write_impressions --
-- Notes what a feed shows, in its order.
INSERT INTO impressions (feed_id, position, user_id, content_type, content_id, strategy, propensity, arm, shown_at)
SELECT %(feed_id)s, %(first)s + item.place::integer - 1, %(user_id)s,
       item.value ->> 'content_type', (item.value ->> 'content_id')::uuid, item.value ->> 'strategy',
       (item.value ->> 'propensity')::real, %(arm)s, %(now)s
FROM jsonb_array_elements(%(items)s::text::jsonb) WITH ORDINALITY AS item (value, place);
