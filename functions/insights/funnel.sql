-- funnel --
-- How many visitors came through each step, in this order, within a time from their first step on; and how long it took
-- them from the step before to the first time at this one. Each step is looked for behind the latest way through the
-- steps before, as a later start leaves more time. One event is one step.
WITH met AS MATERIALIZED (
    SELECT visitor, at, sequence, id, steps
    FROM (
        SELECT coalesce(user_id, anonymous_id) AS visitor, created_at AS at, sequence, id,
               (SELECT bit_or(1 << (place - 1)::integer)
                FROM unnest(%(kinds)s::text[], %(patterns)s::text[]) WITH ORDINALITY AS step (kind, pattern, place)
                WHERE CASE kind
                      WHEN 'page' THEN event_type = 'page_view' AND page_path LIKE pattern
                      WHEN 'action' THEN event_action LIKE pattern
                      WHEN 'type' THEN event_type LIKE pattern
                      ELSE event_type = 'content_interaction' AND EXISTS (
                          SELECT FROM content_interactions AS interaction
                          WHERE interaction.created_at = activity.created_at AND interaction.id = activity.id
                            AND interaction.content_type || '/' || interaction.interaction_type LIKE pattern
                      ) END) AS steps
        FROM user_activities AS activity
        WHERE created_at >= %(since)s AND created_at < %(until)s
          AND (event_type = ANY (%(types)s::text[]) OR event_action = ANY (%(actions)s::text[])
               OR event_type = 'page_view' AND page_path LIKE ANY (%(pages)s::text[]))
          AND (%(bots)s OR NOT is_bot)
          AND (%(device)s::text IS NULL OR coalesce(device_type, 'unknown') = %(device)s)
          AND (%(country)s::text IS NULL OR coalesce(country, 'unknown') = %(country)s)
    ) AS event
    WHERE steps IS NOT NULL
), done_1 AS (
    SELECT visitor, at, sequence, id, at AS begun, NULL::timestamptz AS previous FROM met WHERE steps & 1 <> 0
), done_2 AS (
    SELECT visitor, at, sequence, id, begun, previous
    FROM (
        SELECT *, max(came) OVER earlier AS begun, max(at) FILTER (WHERE NOT is_candidate) OVER earlier AS previous
        FROM (
            SELECT visitor, at, sequence, id, begun AS came, false AS is_candidate FROM done_1 WHERE %(count)s >= 2
            UNION ALL
            SELECT visitor, at, sequence, id, NULL, true FROM met WHERE steps & 2 <> 0
        ) AS event
        WINDOW earlier AS (
            PARTITION BY visitor ORDER BY at, sequence NULLS FIRST, id GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
    ) AS event
    WHERE is_candidate AND at - begun <= %(within)s
), done_3 AS (
    SELECT visitor, at, sequence, id, begun, previous
    FROM (
        SELECT *, max(came) OVER earlier AS begun, max(at) FILTER (WHERE NOT is_candidate) OVER earlier AS previous
        FROM (
            SELECT visitor, at, sequence, id, begun AS came, false AS is_candidate FROM done_2 WHERE %(count)s >= 3
            UNION ALL
            SELECT visitor, at, sequence, id, NULL, true FROM met WHERE steps & 4 <> 0
        ) AS event
        WINDOW earlier AS (
            PARTITION BY visitor ORDER BY at, sequence NULLS FIRST, id GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
    ) AS event
    WHERE is_candidate AND at - begun <= %(within)s
), done_4 AS (
    SELECT visitor, at, sequence, id, begun, previous
    FROM (
        SELECT *, max(came) OVER earlier AS begun, max(at) FILTER (WHERE NOT is_candidate) OVER earlier AS previous
        FROM (
            SELECT visitor, at, sequence, id, begun AS came, false AS is_candidate FROM done_3 WHERE %(count)s >= 4
            UNION ALL
            SELECT visitor, at, sequence, id, NULL, true FROM met WHERE steps & 8 <> 0
        ) AS event
        WINDOW earlier AS (
            PARTITION BY visitor ORDER BY at, sequence NULLS FIRST, id GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
    ) AS event
    WHERE is_candidate AND at - begun <= %(within)s
), done_5 AS (
    SELECT visitor, at, sequence, id, begun, previous
    FROM (
        SELECT *, max(came) OVER earlier AS begun, max(at) FILTER (WHERE NOT is_candidate) OVER earlier AS previous
        FROM (
            SELECT visitor, at, sequence, id, begun AS came, false AS is_candidate FROM done_4 WHERE %(count)s >= 5
            UNION ALL
            SELECT visitor, at, sequence, id, NULL, true FROM met WHERE steps & 16 <> 0
        ) AS event
        WINDOW earlier AS (
            PARTITION BY visitor ORDER BY at, sequence NULLS FIRST, id GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
    ) AS event
    WHERE is_candidate AND at - begun <= %(within)s
), done_6 AS (
    SELECT visitor, at, sequence, id, begun, previous
    FROM (
        SELECT *, max(came) OVER earlier AS begun, max(at) FILTER (WHERE NOT is_candidate) OVER earlier AS previous
        FROM (
            SELECT visitor, at, sequence, id, begun AS came, false AS is_candidate FROM done_5 WHERE %(count)s >= 6
            UNION ALL
            SELECT visitor, at, sequence, id, NULL, true FROM met WHERE steps & 32 <> 0
        ) AS event
        WINDOW earlier AS (
            PARTITION BY visitor ORDER BY at, sequence NULLS FIRST, id GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
    ) AS event
    WHERE is_candidate AND at - begun <= %(within)s
), done_7 AS (
    SELECT visitor, at, sequence, id, begun, previous
    FROM (
        SELECT *, max(came) OVER earlier AS begun, max(at) FILTER (WHERE NOT is_candidate) OVER earlier AS previous
        FROM (
            SELECT visitor, at, sequence, id, begun AS came, false AS is_candidate FROM done_6 WHERE %(count)s >= 7
            UNION ALL
            SELECT visitor, at, sequence, id, NULL, true FROM met WHERE steps & 64 <> 0
        ) AS event
        WINDOW earlier AS (
            PARTITION BY visitor ORDER BY at, sequence NULLS FIRST, id GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
    ) AS event
    WHERE is_candidate AND at - begun <= %(within)s
), done_8 AS (
    SELECT visitor, at, sequence, id, begun, previous
    FROM (
        SELECT *, max(came) OVER earlier AS begun, max(at) FILTER (WHERE NOT is_candidate) OVER earlier AS previous
        FROM (
            SELECT visitor, at, sequence, id, begun AS came, false AS is_candidate FROM done_7 WHERE %(count)s >= 8
            UNION ALL
            SELECT visitor, at, sequence, id, NULL, true FROM met WHERE steps & 128 <> 0
        ) AS event
        WINDOW earlier AS (
            PARTITION BY visitor ORDER BY at, sequence NULLS FIRST, id GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
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
    ORDER BY step, visitor, at, sequence NULLS FIRST, id
) AS reached
GROUP BY step
ORDER BY step;
