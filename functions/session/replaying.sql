-- next_refused --
-- Reads what was refused and waits to be replayed, in the order of ids, as much as a step may hold.
SELECT id, stage, reason, raw, request, received_at
FROM (
    SELECT id, stage, reason, raw, request, received_at, sum(octet_length(raw)) OVER (ORDER BY id) AS bytes
    FROM quarantine
    WHERE replayed_at IS NULL AND id > %(after)s::uuid
    ORDER BY id
    LIMIT %(most)s
) AS waiting
WHERE bytes - octet_length(raw) < %(most_bytes)s::bigint
ORDER BY id;

-- count_refused --
-- Counts what waits behind that.
SELECT count(*) AS left FROM quarantine WHERE replayed_at IS NULL AND id > %(after)s::uuid;

-- conclude_replay --
-- Marks what is stored now, and says of the rest why it isn't; tells how many were marked.
WITH waiting AS (
    SELECT id FROM quarantine WHERE id = ANY (%(ids)s::uuid[]) AND replayed_at IS NULL ORDER BY id FOR UPDATE
), concluded AS (
    UPDATE quarantine
    SET reason = coalesce(outcome.reason, quarantine.reason),
        replayed_at = CASE WHEN outcome.reason IS NULL THEN %(now)s::timestamptz END
    FROM waiting
    JOIN unnest(%(ids)s::uuid[], %(reasons)s::text[]) AS outcome (id, reason) USING (id)
    WHERE quarantine.id = waiting.id
    RETURNING replayed_at
)
SELECT count(replayed_at) AS replayed FROM concluded;
