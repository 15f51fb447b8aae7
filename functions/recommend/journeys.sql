-- journey --
-- How journeys are predicted, and what followed each ending of a context.
/* prepared */
SELECT visits, model.symbols AS different, levels, followed.context, followed.symbols, followed.counts
FROM journey_model AS model
LEFT JOIN LATERAL (
    SELECT known.context, known.symbols, known.counts
    FROM generate_series(1, cardinality(%(context)s::text[]) + 1) AS beginning
    CROSS JOIN LATERAL (
        SELECT * FROM journey_contexts AS known WHERE known.context = (%(context)s::text[])[beginning:] LIMIT 1
    ) AS known
) AS followed ON true;
