-- stage_facts --
-- What the stages of these users rest on, of those who have a profile.
SELECT id::text AS user_id, created_at AS signed_up_at, activity_count, profile_completeness::float8
FROM profiles
WHERE id = ANY (%(user_ids)s::uuid[]);

-- own_projects --
-- How many projects these users haven't authored yet.
SELECT asked.user_id::text, greatest(%(wanted_projects)s - count(content.author_id), 0) AS missing_projects
FROM unnest(%(user_ids)s::uuid[]) AS asked (user_id)
LEFT JOIN content ON content.author_id = asked.user_id AND content_type = %(project_type)s
GROUP BY asked.user_id;

-- opportunities --
-- How many of the opportunities (of the newest 2,000) these users haven't met, and how many of them match.
WITH newest AS MATERIALIZED (
    SELECT row_number() OVER () AS number, found.*
    FROM (
        SELECT content_type, content_id, attributes, author_id FROM content
        WHERE content_type = %(opportunity_type)s AND available
          AND coalesce(published_at, first_seen_at) > %(now)s - make_interval(days => %(new_within_days)s)
          AND coalesce(published_at, first_seen_at) <= %(now)s
        ORDER BY coalesce(published_at, first_seen_at) DESC
        LIMIT 2000
    ) AS found
), met AS MATERIALIZED (
    -- By user, not by opportunity: what is new may have been met by very many.
    SELECT user_id, content_type, content_id
    FROM content_interactions
    WHERE user_id = ANY (%(user_ids)s::uuid[])
      AND created_at > %(now)s - make_interval(days => %(new_within_days)s + 1)
), hidden AS (
    SELECT user_id, number FROM met JOIN newest USING (content_type, content_id)
    UNION
    SELECT author_id, number FROM newest WHERE author_id = ANY (%(user_ids)s::uuid[])
), bits AS MATERIALIZED (
    -- One bit for each opportunity: to count those of several skills is to join their bits.
    SELECT lower(value #>> '{}') AS value, bit_or(set_bit(repeat('0', 2000)::bit(2000), number::integer - 1, 1)) AS set
    FROM newest
    CROSS JOIN LATERAL jsonb_path_query(attributes -> %(match_key)s, '$[*]') AS value
    GROUP BY 1
), matching AS (
    SELECT owner_id AS user_id, bit_or(bits.set) AS set
    FROM traits
    CROSS JOIN LATERAL jsonb_path_query(traits.value, '$[*]') AS offered
    JOIN bits ON bits.value = lower(offered #>> '{}')
    WHERE owner_id = ANY (%(user_ids)s::uuid[]) AND owner_is_user AND key = %(match_key)s
    GROUP BY owner_id
), known AS (
    SELECT user_id, count(*) AS number, count(*) FILTER (WHERE get_bit(matching.set, hidden.number::integer - 1) = 1) AS matching
    FROM hidden
    LEFT JOIN matching USING (user_id)
    GROUP BY user_id
)
SELECT asked.user_id::text, (SELECT count(*) FROM newest) - coalesce(known.number, 0) AS opportunities,
       coalesce(bit_count(matching.set), 0) - coalesce(known.matching, 0) AS matching_opportunities
FROM unnest(%(user_ids)s::uuid[]) AS asked (user_id)
LEFT JOIN known USING (user_id)
LEFT JOIN matching USING (user_id);

-- trending --
-- How many of the strongest trends these users haven't met.
WITH RECURSIVE types AS (
    (SELECT content_type FROM content ORDER BY content_type LIMIT 1)
    UNION ALL
    SELECT (SELECT content.content_type FROM content WHERE content.content_type > types.content_type
            ORDER BY content.content_type LIMIT 1)
    FROM types
    WHERE types.content_type IS NOT NULL
), top AS MATERIALIZED (
    SELECT best.* FROM types
    CROSS JOIN LATERAL (
        SELECT content_type, content_id, content_trends.score, author_id
        FROM content_trends
        JOIN content USING (content_type, content_id)
        WHERE half_life_hours = 24 AND content_type = types.content_type AND people >= 2 AND available
        ORDER BY content_trends.score DESC
        LIMIT 20
    ) AS best
    ORDER BY best.score DESC
    LIMIT 20
), hidden AS (
    SELECT met.user_id, content_type, content_id
    FROM content_interactions AS met
    JOIN top USING (content_type, content_id)
    WHERE met.user_id = ANY (%(user_ids)s::uuid[]) AND met.created_at > %(now)s - interval '90 days'
    UNION
    SELECT author_id, content_type, content_id FROM top WHERE author_id = ANY (%(user_ids)s::uuid[])
)
SELECT asked.user_id::text, (SELECT count(*) FROM top) - count(hidden.user_id) AS trending_items
FROM unnest(%(user_ids)s::uuid[]) AS asked (user_id)
LEFT JOIN hidden USING (user_id)
GROUP BY asked.user_id;
