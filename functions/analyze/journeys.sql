-- journey_state --
-- When journeys were learned last, and from what.
SELECT learned_at, basis FROM journey_model;

-- journey_basis --
-- How many activities there are to learn from, and when they were; the same as last time: there is nothing to do.
SELECT coalesce(sum(events), 0)::bigint AS activities,
       coalesce(sum(events * extract(epoch FROM minute)), 0)::bigint::text AS moments
FROM live_counts
WHERE NOT is_bot AND minute > %(now)s - make_interval(days => %(days)s) AND minute <= %(now)s;

-- journey_visits --
-- What was done in each of the latest visits, in its order; the visits in the order in which they began.
WITH latest AS (
    SELECT visitor_id, visitor_is_user, id, started_at, ended_at,
           sum(page_views + actions_count) OVER (
               ORDER BY started_at DESC, visitor_id, visitor_is_user, id ROWS UNBOUNDED PRECEDING
           ) AS activities
    FROM (
        -- Each has one activity at least.
        SELECT * FROM user_sessions
        WHERE started_at > %(now)s - make_interval(days => %(days)s) AND started_at <= %(now)s AND NOT is_bot
          AND page_views + actions_count BETWEEN 1 AND %(most_of_one)s
        ORDER BY started_at DESC, visitor_id, visitor_is_user, id
        LIMIT %(most)s
    ) AS newest
), visit AS MATERIALIZED (
    SELECT * FROM latest WHERE activities <= %(most)s
)
SELECT array_agg(
           journey_symbol(activity.event_type, activity.event_action)
           ORDER BY activity.created_at, activity.sequence NULLS FIRST, activity.id
       ) AS symbols
FROM visit
JOIN user_activities AS activity
    ON coalesce(activity.anonymous_id, activity.user_id) = visit.visitor_id
    AND (activity.anonymous_id IS NULL) = visit.visitor_is_user AND activity.session_id = visit.id
WHERE activity.created_at >= (SELECT min(started_at) FROM visit)
  AND activity.created_at <= (SELECT max(ended_at) FROM visit)
GROUP BY visit.started_at, visit.visitor_id, visit.visitor_is_user, visit.id
ORDER BY visit.started_at, visit.visitor_id, visit.visitor_is_user, visit.id;

-- keep_journey_model --
-- Keeps how journeys are predicted; whoever else does waits here.
INSERT INTO journey_model AS known (visits, symbols, levels, basis, learned_at)
VALUES (%(visits)s, %(symbols)s, %(levels)s::text::jsonb, %(basis)s::text::jsonb, %(now)s)
ON CONFLICT (is_only) DO UPDATE SET
    visits = excluded.visits, symbols = excluded.symbols, levels = excluded.levels, basis = excluded.basis,
    learned_at = excluded.learned_at;

-- forget_journey_contexts --
-- Makes room for the contexts of another model.
DELETE FROM journey_contexts;

-- keep_journey_contexts --
-- Keeps what followed these contexts.
INSERT INTO journey_contexts (context, symbols, counts)
SELECT context::text[], symbols::text[], counts::integer[]
FROM unnest(%(contexts)s::text[], %(symbols)s::text[], %(counts)s::text[]) AS learned (context, symbols, counts);
