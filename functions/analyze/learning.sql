-- write_suggestions --
-- Keeps the next action of each of these users, who come as those of whom it is the same.
INSERT INTO suggestions AS known (user_id, stage, action, message, cta, priority, evidence, computed_at)
SELECT unnest(users::uuid[]) AS user_id, stage, action, message, cta, priority, evidence, %(now)s
FROM jsonb_to_recordset(%(suggestions)s::text::jsonb) AS learned (
    users text, stage text, action text, message text, cta text, priority text, evidence jsonb
)
ORDER BY user_id
ON CONFLICT (user_id) DO UPDATE SET
    stage = excluded.stage, action = excluded.action, message = excluded.message, cta = excluded.cta,
    priority = excluded.priority, evidence = excluded.evidence, computed_at = excluded.computed_at;

-- interactions_lately --
-- How many interactions the trends rest on, and when they were; the same as last time: there is nothing to do.
SELECT coalesce(sum(events), 0)::text AS interactions,
       coalesce(sum(events * extract(epoch FROM minute)), 0)::bigint::text AS moments
FROM live_counts
WHERE event_type = 'content_interaction' AND NOT is_bot
  AND minute > %(now)s - interval '7 days' AND minute <= %(now)s;

-- learn_trends --
-- Counts what is engaged with lately, each interaction halved every day, and forgets what no longer is.
WITH learned AS (
    SELECT content_type, content_id,
           sum(engagement_score::float8
               * power(0.5, extract(epoch FROM %(now)s - created_at)::float8 / 86400)) AS score,
           count(DISTINCT coalesce(user_id, anonymous_id)) AS people
    FROM content_interactions
    WHERE created_at > %(now)s - interval '7 days' AND created_at <= %(now)s AND NOT is_bot
    GROUP BY content_type, content_id
), forgotten AS (
    DELETE FROM content_trends AS known
    WHERE half_life_hours = 24 AND NOT EXISTS (
        SELECT FROM learned
        WHERE learned.content_type = known.content_type AND learned.content_id = known.content_id
    )
)
INSERT INTO content_trends (content_type, content_id, half_life_hours, score, people, computed_at)
SELECT content_type, content_id, 24, score, people, %(now)s
FROM learned
ORDER BY content_type, content_id
ON CONFLICT (half_life_hours, content_type, content_id) DO UPDATE
SET score = excluded.score, people = excluded.people, computed_at = excluded.computed_at;
