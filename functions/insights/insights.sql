-- give_memory_and_no_loops --
-- Lets the report hash in memory what is some hundred bytes a visitor, and never go through all clicks for each sight.
SELECT set_config('work_mem', '64MB', true), set_config('enable_nestloop', 'off', true);

-- evidence --
-- What came of the feeds shown within a time, by arm and by strategy: sums over visitors of what each was shown and
-- clicked, and of the squares. An interaction within a day of the sight is a click if it names that feed and its item
-- and is the visitor's own; several are one, of the highest score. Clocks are right within five minutes.
WITH shown AS NOT MATERIALIZED (
    SELECT *, least(position, 99) AS place FROM impressions
    WHERE shown_at >= %(since)s::timestamptz AND shown_at < %(until)s::timestamptz AND arm <> 'none'
), clicks AS MATERIALIZED (
    SELECT feed_id, content_type, content_id, user_id, anonymous_id, created_at, engagement_score
    FROM content_interactions
    WHERE feed_id IS NOT NULL AND NOT is_bot AND created_at >= %(since)s::timestamptz - interval '5 minutes'
      AND created_at < %(until)s::timestamptz + interval '1 day'
), clicked AS MATERIALIZED (
    SELECT feed_id, position, max(engagement_score)::float8 AS engagement
    FROM shown
    JOIN clicks USING (feed_id, content_type, content_id)
    WHERE CASE WHEN shown.user_id IS NOT NULL THEN clicks.user_id = shown.user_id
          ELSE clicks.anonymous_id = shown.anonymous_id END
      AND clicks.created_at >= shown.shown_at - interval '5 minutes'
      AND clicks.created_at < shown.shown_at + interval '1 day'
    GROUP BY feed_id, position
), rates AS MATERIALIZED (
    SELECT place, count(engagement)::float8 / count(*) AS rate
    FROM shown
    LEFT JOIN clicked USING (feed_id, position)
    WHERE arm = 'personal'
    GROUP BY place
), visitors AS MATERIALIZED (
    SELECT unit_id, unit_is_user, assignments.arm, holdout_share, strategy,
           count(*)::float8 AS shown, count(engagement)::float8 AS clicked, coalesce(sum(engagement), 0) AS engagement,
           coalesce(sum(rate), 0) AS expected
    FROM shown
    JOIN assignments ON visitor_id = coalesce(user_id, anonymous_id) AND visitor_is_user = (user_id IS NOT NULL)
    LEFT JOIN clicked USING (feed_id, position)
    LEFT JOIN rates USING (place)
    GROUP BY unit_id, unit_is_user, assignments.arm, holdout_share, strategy
), arms AS (
    SELECT arm, holdout_share, count(*) AS active, count(*) FILTER (WHERE clicked > 0) AS clicking,
           sum(shown) AS shown, sum(clicked) AS clicked, sum(engagement) AS engagement,
           sum(shown * shown) AS shown_shown, sum(shown * clicked) AS shown_clicked, sum(clicked * clicked) AS clicked_clicked,
           sum(engagement * engagement) AS engagement_engagement
    FROM (
        SELECT arm, holdout_share, sum(shown) AS shown, sum(clicked) AS clicked, sum(engagement) AS engagement
        FROM visitors
        GROUP BY unit_id, unit_is_user, arm, holdout_share
    ) AS visitor
    GROUP BY arm, holdout_share
), assigned AS (
    SELECT arm, holdout_share, count(*) AS visitors
    FROM assignments
    WHERE (visitor_id, visitor_is_user) = (unit_id, unit_is_user) AND exposed_at < %(until)s::timestamptz
    GROUP BY arm, holdout_share
), strategies AS (
    SELECT strategy, count(*) AS active, count(*) FILTER (WHERE clicked > 0) AS clicking,
           sum(shown) AS shown, sum(clicked) AS clicked, sum(expected) AS expected,
           sum(shown * shown) AS shown_shown, sum(shown * clicked) AS shown_clicked, sum(clicked * clicked) AS clicked_clicked,
           sum(expected * expected) AS expected_expected, sum(expected * clicked) AS expected_clicked
    FROM visitors
    WHERE arm = 'personal'
    GROUP BY strategy
)
SELECT (SELECT coalesce(jsonb_agg(to_jsonb(one)), '[]')
        FROM (SELECT * FROM assigned LEFT JOIN arms USING (arm, holdout_share)) AS one) AS arms,
       (SELECT coalesce(jsonb_agg(to_jsonb(strategies)), '[]') FROM strategies) AS strategies;
