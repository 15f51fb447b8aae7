-- facts --
-- What suggestions may count, for each of these users who has a profile.
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
), newest AS MATERIALIZED (
    SELECT content_type, content_id, attributes, author_id FROM content
    WHERE content_type = %(opportunity_type)s AND available
      AND coalesce(published_at, first_seen_at) > %(now)s - make_interval(days => %(new_within_days)s)
      AND coalesce(published_at, first_seen_at) <= %(now)s
    ORDER BY coalesce(published_at, first_seen_at) DESC
    LIMIT 500
)
SELECT
    profiles.id AS user_id,
    profiles.created_at AS signed_up_at,
    profiles.activity_count,
    profiles.profile_completeness::float8 AS profile_completeness,
    greatest(%(wanted_projects)s - own.projects, 0) AS missing_projects,
    fresh.opportunities,
    fresh.matching_opportunities,
    trending.items AS trending_items
FROM profiles
CROSS JOIN LATERAL (
    SELECT count(*) AS projects FROM content
    WHERE author_id = profiles.id AND content_type = %(project_type)s
) AS own
CROSS JOIN LATERAL (
    SELECT count(*) AS opportunities,
           count(*) FILTER (WHERE EXISTS (
               SELECT FROM jsonb_path_query(newest.attributes -> %(match_key)s, '$[*]') AS wanted
               JOIN jsonb_path_query(wishes.value, '$[*]') AS offered
                   ON lower(offered #>> '{}') = lower(wanted #>> '{}')
           )) AS matching_opportunities
    FROM newest
    LEFT JOIN traits AS wishes
        ON wishes.owner_id = profiles.id AND wishes.owner_is_user AND wishes.key = %(match_key)s
    WHERE newest.author_id IS DISTINCT FROM profiles.id
      AND NOT EXISTS (
          SELECT FROM content_interactions AS met
          WHERE met.user_id = profiles.id AND met.content_type = newest.content_type
            AND met.content_id = newest.content_id
            AND met.created_at > %(now)s - make_interval(days => %(new_within_days)s + 1)
      )
) AS fresh
CROSS JOIN LATERAL (
    SELECT count(*) AS items
    FROM top
    WHERE top.author_id IS DISTINCT FROM profiles.id
      AND NOT EXISTS (
          SELECT FROM content_interactions AS met
          WHERE met.user_id = profiles.id AND met.content_type = top.content_type AND met.content_id = top.content_id
            AND met.created_at > %(now)s - interval '90 days'
      )
) AS trending
WHERE profiles.id = ANY (%(user_ids)s::uuid[]);
