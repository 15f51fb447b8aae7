-- users_waiting --
-- Whose attributes, authors and people alike are to be learned anew, who waits longest first.
SELECT user_id::text
FROM tastes
WHERE waits_since IS NOT NULL
ORDER BY waits_since, user_id
LIMIT %(limit)s;

-- take_waiting --
-- Notes that these users wait no longer; who engages from here on waits again.
WITH taken AS (
    SELECT user_id FROM tastes WHERE user_id = ANY (%(user_ids)s::uuid[]) ORDER BY user_id FOR UPDATE
)
UPDATE tastes SET waits_since = NULL FROM taken WHERE tastes.user_id = taken.user_id;

-- learn_attributes --
-- Which attributes and authors of content these users like: each one's share of their engagement of 30 days.
WITH met AS MATERIALIZED (
    SELECT user_id, content_type, content_id, count(*) AS interactions, min(created_at) AS oldest,
           sum(engagement_score::float8
               * exp(-ln(2::float8) / 864000 * (date_part('epoch', %(day)s::date + 1) - date_part('epoch', created_at))))
               AS weight
    FROM content_interactions
    WHERE user_id = ANY (%(user_ids)s::uuid[])
      AND created_at > %(now)s - interval '30 days' AND created_at <= %(now)s + interval '24 hours'
      AND NOT is_bot
    GROUP BY user_id, content_type, content_id
), features AS MATERIALIZED (
    SELECT content_type, content_id, author_id, feature.key
    FROM (SELECT DISTINCT content_type, content_id FROM met) AS one
    JOIN content USING (content_type, content_id)
    CROSS JOIN LATERAL (
        SELECT 'author:' || author_id AS key WHERE author_id IS NOT NULL
        UNION ALL
        (
            SELECT DISTINCT 'attribute:' || name || ':' || lower(said #>> '{}')
            FROM unnest(%(attributes)s::text[]) AS name
            CROSS JOIN LATERAL jsonb_path_query(attributes -> name, '$[*]') AS said
            WHERE jsonb_typeof(said) = 'string'
            ORDER BY 1
            LIMIT 50
        )
    ) AS feature
    WHERE length(feature.key) <= 100
), learned AS MATERIALIZED (
    SELECT user_id, key, jsonb_build_object('score', round((liked.weight / total.weight)::numeric, 4)) AS value,
           least(round((liked.weight / (liked.weight + %(prior)s))::numeric, 2), 0.99) AS confidence,
           jsonb_build_object('interactions', interactions, 'pieces', pieces, 'days', 30) AS evidence,
           date_trunc('day', oldest + interval '30 days') + interval '1 day' AS expires_at
    FROM (
        SELECT user_id, key, sum(interactions)::bigint AS interactions, count(*) AS pieces, min(oldest) AS oldest,
               sum(weight) AS weight,
               row_number() OVER (PARTITION BY user_id ORDER BY round(sum(weight)::numeric, 4) DESC, key) AS place
        FROM met
        JOIN features USING (content_type, content_id)
        WHERE author_id IS DISTINCT FROM user_id OR key NOT LIKE 'author:%%'
        GROUP BY user_id, key
        -- One piece says nothing of what it is liked for.
        HAVING count(*) >= 2
    ) AS liked
    JOIN (SELECT user_id, sum(weight) AS weight FROM met GROUP BY user_id) AS total USING (user_id)
    WHERE place <= %(most)s
), forgotten AS (
    DELETE FROM user_preferences AS gone
    WHERE user_id = ANY (%(user_ids)s::uuid[]) AND source = 'inferred'
      AND (preference_key LIKE 'attribute:%%' OR preference_key LIKE 'author:%%')
      AND NOT EXISTS (
          SELECT FROM learned WHERE learned.user_id = gone.user_id AND learned.key = gone.preference_key
      )
)
INSERT INTO user_preferences AS stored (
    user_id, preference_key, preference_value, confidence_score, source, metadata, created_at, updated_at, expires_at
)
SELECT user_id, key, value, confidence, 'inferred', evidence, %(now)s, %(now)s, expires_at
FROM learned
ORDER BY user_id, key
ON CONFLICT (user_id, preference_key) DO UPDATE SET
    preference_value = excluded.preference_value, confidence_score = excluded.confidence_score,
    source = excluded.source, metadata = excluded.metadata, updated_at = excluded.updated_at,
    expires_at = excluded.expires_at
WHERE stored.source <> 'explicit'
  AND (stored.preference_value, stored.confidence_score, stored.source, stored.metadata, stored.expires_at)
      IS DISTINCT FROM (excluded.preference_value, excluded.confidence_score, excluded.source, excluded.metadata,
                        excluded.expires_at);

-- write_similar_users --
-- Keeps who is alike.
INSERT INTO similar_users (user_id, users, similarities, shared, computed_at)
SELECT user_id, users::uuid[], similarities::real[], shared::integer[], %(now)s
FROM jsonb_to_recordset(%(found)s::text::jsonb) AS found (user_id uuid, users text, similarities text, shared text)
ORDER BY user_id
ON CONFLICT (user_id) DO UPDATE SET
    users = excluded.users, similarities = excluded.similarities, shared = excluded.shared,
    computed_at = excluded.computed_at;

-- predict_preferences --
-- Which content types at least two of the ten most alike like, of which these users' own behaviour says nothing; of
-- attributes it would depend on whose turn came first.
WITH near AS MATERIALIZED (
    SELECT similar_users.user_id, one.other, one.similarity::float8 AS similarity
    FROM similar_users
    CROSS JOIN LATERAL unnest(users[1:10], similarities[1:10]) AS one (other, similarity)
    WHERE user_id = ANY (%(user_ids)s::uuid[])
), liked AS (
    SELECT near.user_id, preference_key AS key, preference_value ->> 'type' AS type, count(*) AS people,
           sum(near.similarity * (preference_value ->> 'score')::float8) / max(everybody.similarity) AS score,
           sum(near.similarity * confidence_score::float8) AS support
    FROM near
    JOIN (SELECT user_id, sum(similarity) AS similarity FROM near GROUP BY user_id) AS everybody USING (user_id)
    JOIN user_preferences AS theirs ON theirs.user_id = near.other
    WHERE theirs.source = 'inferred' AND preference_key LIKE 'content_type:%%'
    GROUP BY near.user_id, preference_key, type
    HAVING count(*) >= 2
), predicted AS MATERIALIZED (
    SELECT user_id, key, score, people,
           jsonb_build_object('type', type, 'score', score) AS value,
           -- Never as sure as who did it: half of what so much own engagement would say.
           round((support / (support + %(prior)s) / 2)::numeric, 2) AS confidence
    FROM (
        SELECT user_id, key, type, people, support, round(score::numeric, 4) AS score,
               row_number() OVER (PARTITION BY user_id ORDER BY round(score::numeric, 4) DESC, key) AS place
        FROM liked
        WHERE NOT EXISTS (
            SELECT FROM user_preferences AS own
            WHERE own.user_id = liked.user_id AND own.preference_key = liked.key AND own.source <> 'ml_predicted'
        )
    ) AS ranked
    WHERE place <= 5
), forgotten AS (
    DELETE FROM user_preferences AS gone
    WHERE user_id = ANY (%(user_ids)s::uuid[]) AND source = 'ml_predicted'
      AND NOT EXISTS (
          SELECT FROM predicted WHERE predicted.user_id = gone.user_id AND predicted.key = gone.preference_key
      )
)
INSERT INTO user_preferences AS stored (
    user_id, preference_key, preference_value, confidence_score, source, metadata, created_at, updated_at, expires_at
)
SELECT user_id, key, value, confidence, 'ml_predicted', jsonb_build_object('people', people), %(now)s, %(now)s,
       date_trunc('day', %(now)s::timestamptz) + interval '31 days'
FROM predicted
ORDER BY user_id, key
ON CONFLICT (user_id, preference_key) DO UPDATE SET
    preference_value = excluded.preference_value, confidence_score = excluded.confidence_score,
    metadata = excluded.metadata, updated_at = excluded.updated_at, expires_at = excluded.expires_at
WHERE stored.source = 'ml_predicted';
