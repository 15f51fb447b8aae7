-- funnel --
-- How many visitors came through each step, in this order, within a time from their first step on; and how long it took
-- them from the step before to the first time at this one. Each step is looked for behind the latest way through the
-- steps before, as a later start leaves more time. One event is one step.
WITH met AS MATERIALIZED (
    SELECT coalesce(user_id, anonymous_id) AS visitor, created_at AS at, id,
           CASE WHEN event_type = 'page_view' THEN page_path END AS page, event_action AS action, event_type AS type,
           NULL::text AS content
    FROM user_activities
    WHERE created_at >= %(since)s AND created_at < %(until)s
      AND (event_type = ANY (%(types)s::text[]) OR event_action = ANY (%(actions)s::text[])
           OR event_type = 'page_view' AND page_path LIKE ANY (%(pages)s::text[]))
      AND (%(bots)s OR NOT is_bot)
      AND (%(device)s::text IS NULL OR coalesce(device_type, 'unknown') = %(device)s)
      AND (%(country)s::text IS NULL OR coalesce(country, 'unknown') = %(country)s)
    UNION ALL
    SELECT coalesce(interaction.user_id, interaction.anonymous_id), interaction.created_at, interaction.id, NULL, NULL, NULL,
           content_type || '/' || interaction_type
    FROM content_interactions AS interaction
    LEFT JOIN user_activities AS activity
        ON %(filtered)s AND activity.created_at = interaction.created_at AND activity.id = interaction.id
    WHERE interaction.created_at >= %(since)s AND interaction.created_at < %(until)s
      AND %(contents)s::text[] <> '{}' AND content_type || '/' || interaction_type = ANY (%(contents)s::text[])
      AND (%(bots)s OR NOT interaction.is_bot)
      AND (%(device)s::text IS NULL OR coalesce(device_type, 'unknown') = %(device)s)
      AND (%(country)s::text IS NULL OR coalesce(country, 'unknown') = %(country)s)
), done_1 AS (
    SELECT visitor, at, id, at AS begun, NULL::timestamptz AS previous
    FROM met
    WHERE CASE (%(kinds)s::text[])[1] WHEN 'page' THEN page WHEN 'action' THEN action WHEN 'type' THEN type ELSE content END
        LIKE (%(patterns)s::text[])[1]
), done_2 AS (
    SELECT visitor, at, id, begun, previous
    FROM (
        SELECT *, max(came) OVER earlier AS begun, max(at) FILTER (WHERE NOT is_candidate) OVER earlier AS previous
        FROM (
            SELECT visitor, at, id, begun AS came, false AS is_candidate FROM done_1 WHERE %(count)s >= 2
            UNION ALL
            SELECT visitor, at, id, NULL, true
            FROM met
            WHERE CASE (%(kinds)s::text[])[2] WHEN 'page' THEN page WHEN 'action' THEN action WHEN 'type' THEN type ELSE content END
                LIKE (%(patterns)s::text[])[2]
        ) AS event
        WINDOW earlier AS (
            PARTITION BY visitor ORDER BY at, id GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
    ) AS event
    WHERE is_candidate AND at - begun <= %(within)s
), done_3 AS (
    SELECT visitor, at, id, begun, previous
    FROM (
        SELECT *, max(came) OVER earlier AS begun, max(at) FILTER (WHERE NOT is_candidate) OVER earlier AS previous
        FROM (
            SELECT visitor, at, id, begun AS came, false AS is_candidate FROM done_2 WHERE %(count)s >= 3
            UNION ALL
            SELECT visitor, at, id, NULL, true
            FROM met
            WHERE CASE (%(kinds)s::text[])[3] WHEN 'page' THEN page WHEN 'action' THEN action WHEN 'type' THEN type ELSE content END
                LIKE (%(patterns)s::text[])[3]
        ) AS event
        WINDOW earlier AS (
            PARTITION BY visitor ORDER BY at, id GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
    ) AS event
    WHERE is_candidate AND at - begun <= %(within)s
), done_4 AS (
    SELECT visitor, at, id, begun, previous
    FROM (
        SELECT *, max(came) OVER earlier AS begun, max(at) FILTER (WHERE NOT is_candidate) OVER earlier AS previous
        FROM (
            SELECT visitor, at, id, begun AS came, false AS is_candidate FROM done_3 WHERE %(count)s >= 4
            UNION ALL
            SELECT visitor, at, id, NULL, true
            FROM met
            WHERE CASE (%(kinds)s::text[])[4] WHEN 'page' THEN page WHEN 'action' THEN action WHEN 'type' THEN type ELSE content END
                LIKE (%(patterns)s::text[])[4]
        ) AS event
        WINDOW earlier AS (
            PARTITION BY visitor ORDER BY at, id GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
    ) AS event
    WHERE is_candidate AND at - begun <= %(within)s
), done_5 AS (
    SELECT visitor, at, id, begun, previous
    FROM (
        SELECT *, max(came) OVER earlier AS begun, max(at) FILTER (WHERE NOT is_candidate) OVER earlier AS previous
        FROM (
            SELECT visitor, at, id, begun AS came, false AS is_candidate FROM done_4 WHERE %(count)s >= 5
            UNION ALL
            SELECT visitor, at, id, NULL, true
            FROM met
            WHERE CASE (%(kinds)s::text[])[5] WHEN 'page' THEN page WHEN 'action' THEN action WHEN 'type' THEN type ELSE content END
                LIKE (%(patterns)s::text[])[5]
        ) AS event
        WINDOW earlier AS (
            PARTITION BY visitor ORDER BY at, id GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
    ) AS event
    WHERE is_candidate AND at - begun <= %(within)s
), done_6 AS (
    SELECT visitor, at, id, begun, previous
    FROM (
        SELECT *, max(came) OVER earlier AS begun, max(at) FILTER (WHERE NOT is_candidate) OVER earlier AS previous
        FROM (
            SELECT visitor, at, id, begun AS came, false AS is_candidate FROM done_5 WHERE %(count)s >= 6
            UNION ALL
            SELECT visitor, at, id, NULL, true
            FROM met
            WHERE CASE (%(kinds)s::text[])[6] WHEN 'page' THEN page WHEN 'action' THEN action WHEN 'type' THEN type ELSE content END
                LIKE (%(patterns)s::text[])[6]
        ) AS event
        WINDOW earlier AS (
            PARTITION BY visitor ORDER BY at, id GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
    ) AS event
    WHERE is_candidate AND at - begun <= %(within)s
), done_7 AS (
    SELECT visitor, at, id, begun, previous
    FROM (
        SELECT *, max(came) OVER earlier AS begun, max(at) FILTER (WHERE NOT is_candidate) OVER earlier AS previous
        FROM (
            SELECT visitor, at, id, begun AS came, false AS is_candidate FROM done_6 WHERE %(count)s >= 7
            UNION ALL
            SELECT visitor, at, id, NULL, true
            FROM met
            WHERE CASE (%(kinds)s::text[])[7] WHEN 'page' THEN page WHEN 'action' THEN action WHEN 'type' THEN type ELSE content END
                LIKE (%(patterns)s::text[])[7]
        ) AS event
        WINDOW earlier AS (
            PARTITION BY visitor ORDER BY at, id GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
    ) AS event
    WHERE is_candidate AND at - begun <= %(within)s
), done_8 AS (
    SELECT visitor, at, id, begun, previous
    FROM (
        SELECT *, max(came) OVER earlier AS begun, max(at) FILTER (WHERE NOT is_candidate) OVER earlier AS previous
        FROM (
            SELECT visitor, at, id, begun AS came, false AS is_candidate FROM done_7 WHERE %(count)s >= 8
            UNION ALL
            SELECT visitor, at, id, NULL, true
            FROM met
            WHERE CASE (%(kinds)s::text[])[8] WHEN 'page' THEN page WHEN 'action' THEN action WHEN 'type' THEN type ELSE content END
                LIKE (%(patterns)s::text[])[8]
        ) AS event
        WINDOW earlier AS (
            PARTITION BY visitor ORDER BY at, id GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
    ) AS event
    WHERE is_candidate AND at - begun <= %(within)s
)
SELECT step, count(*) AS visitors, percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS median_seconds
FROM (
    SELECT DISTINCT ON (step, visitor) step, extract(epoch FROM at - previous)::float8 AS seconds
    FROM (
        SELECT 1 AS step, * FROM done_1
        UNION ALL
        SELECT 2 AS step, * FROM done_2
        UNION ALL
        SELECT 3 AS step, * FROM done_3
        UNION ALL
        SELECT 4 AS step, * FROM done_4
        UNION ALL
        SELECT 5 AS step, * FROM done_5
        UNION ALL
        SELECT 6 AS step, * FROM done_6
        UNION ALL
        SELECT 7 AS step, * FROM done_7
        UNION ALL
        SELECT 8 AS step, * FROM done_8
    ) AS done
    ORDER BY step, visitor, at, id
) AS reached
GROUP BY step
ORDER BY step;
