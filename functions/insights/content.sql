-- content_details --
-- What was met most, and what came of it.
WITH met AS NOT MATERIALIZED (
    SELECT interaction.*
    FROM content_interactions AS interaction
    LEFT JOIN user_activities AS activity
        ON %(filtered)s AND activity.created_at = interaction.created_at AND activity.id = interaction.id
    WHERE interaction.created_at >= %(since)s AND interaction.created_at < %(until)s
      AND (%(bots)s OR NOT interaction.is_bot)
      AND (%(content_type)s::text IS NULL OR interaction.content_type = %(content_type)s)
      AND (%(device)s::text IS NULL OR coalesce(activity.device_type, 'unknown') = %(device)s)
      AND (%(country)s::text IS NULL OR coalesce(activity.country, 'unknown') = %(country)s)
), top AS MATERIALIZED (
    SELECT content_type, content_id
    FROM met
    GROUP BY content_type, content_id
    ORDER BY count(*) DESC, content_type, content_id
    LIMIT %(most)s
), sight AS (
    SELECT content_type, content_id, count(*) AS shown
    FROM impressions
    JOIN top USING (content_type, content_id)
    WHERE shown_at >= %(since)s AND shown_at < %(until)s
    GROUP BY content_type, content_id
)
SELECT content_type, coalesce(external_id, content_id::text) AS content_id, title, views, visitors, interactions,
       engagement, mean_seconds, coalesce(shown, 0) AS shown, clicked
FROM (
    SELECT content_type, content_id, count(*) AS interactions, count(*) FILTER (WHERE interaction_type = 'view') AS views,
           count(DISTINCT coalesce(user_id, anonymous_id)) AS visitors, avg(engagement_score)::float8 AS engagement,
           avg(duration_seconds)::float8 AS mean_seconds, count(DISTINCT feed_id) AS clicked
    FROM met
    JOIN top USING (content_type, content_id)
    GROUP BY content_type, content_id
) AS details
LEFT JOIN sight USING (content_type, content_id)
LEFT JOIN content USING (content_type, content_id)
LEFT JOIN external_ids ON external_ids.id = content_id
ORDER BY interactions DESC, content_type, details.content_id;
