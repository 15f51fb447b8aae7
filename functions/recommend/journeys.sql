-- journey --
-- How journeys are predicted, and what followed each ending of a context.
/* prepared */
WITH folded AS MATERIALIZED (
    -- A blank stands for what is rare, as it was learned; the empty context knows all that isn't.
    SELECT coalesce(array_agg(
               CASE WHEN symbol = '' OR symbol = ANY (root.symbols) THEN symbol ELSE ' ' END ORDER BY place
           ), '{}') AS context
    FROM journey_contexts AS root
    CROSS JOIN unnest(%(context)s::text[]) WITH ORDINALITY AS said (symbol, place)
    WHERE root.context = '{}'
)
SELECT visits, model.symbols AS different, levels, followed.context, followed.symbols, followed.counts
FROM journey_model AS model
LEFT JOIN LATERAL (
    SELECT known.context, known.symbols, known.counts
    FROM folded
    CROSS JOIN LATERAL generate_series(1, cardinality(folded.context) + 1) AS beginning
    CROSS JOIN LATERAL (
        SELECT * FROM journey_contexts AS known WHERE known.context = folded.context[beginning:] LIMIT 1
    ) AS known
) AS followed ON true;
