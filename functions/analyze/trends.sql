-- trends_learned --
-- When trends were learned last, and from what.
SELECT finished_at, resume AS basis FROM analysis_state WHERE task = 'trends';

-- interactions_lately --
-- How many interactions the trends rest on, and when they were; the same as last time: there is nothing to do.
SELECT coalesce(sum(events), 0)::bigint AS interactions,
       coalesce(sum(events * extract(epoch FROM minute)), 0)::bigint::text AS moments
FROM live_counts
WHERE event_type = 'content_interaction' AND NOT is_bot
  AND minute > %(now)s - interval '7 days' AND minute <= %(now)s;

-- learn_trends --
-- Counts what is engaged with lately, each interaction halved every day, and forgets what no longer is.
WITH met AS (
    SELECT content_type, content_id, coalesce(user_id, anonymous_id) AS person,
           -- As of the day's end, so that until then only what is engaged with changes.
           sum(engagement_score::float8
               * exp(-ln(2::float8) / 86400 * (date_part('epoch', %(day)s::date + 1) - date_part('epoch', created_at))))
               AS score
    FROM content_interactions
    -- To the end of the latest minute that interactions_lately counts.
    WHERE created_at > %(now)s - interval '7 days' AND created_at < date_trunc('minute', %(now)s::timestamptz) + interval '1 minute'
      AND NOT is_bot
    GROUP BY content_type, content_id, person
), learned AS MATERIALIZED (
    SELECT content_type, content_id, round(sum(score) * 1e9) / 1e9 AS score, count(*) AS people
    FROM met
    GROUP BY content_type, content_id
), forgotten AS (
    DELETE FROM content_trends AS known
    WHERE half_life_hours = 24 AND NOT EXISTS (
        SELECT FROM learned
        WHERE learned.content_type = known.content_type AND learned.content_id = known.content_id
    )
)
INSERT INTO content_trends (content_type, content_id, half_life_hours, score, people, computed_at)
SELECT content_type, content_id, 24, learned.score, learned.people, %(now)s
FROM learned
LEFT JOIN content_trends AS known USING (content_type, content_id)
WHERE (known.half_life_hours, known.score, known.people) IS DISTINCT FROM (24, learned.score, learned.people)
ORDER BY content_type, content_id
ON CONFLICT (half_life_hours, content_type, content_id) DO UPDATE
SET score = excluded.score, people = excluded.people, computed_at = excluded.computed_at;
