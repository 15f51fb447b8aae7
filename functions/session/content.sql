-- write_content --
-- Notes content at its first event, so that it can be recommended from then on, and its latest description, by event
-- time.
WITH seen AS (
    SELECT content_type, content_id, min(created_at) AS first_seen_at
    FROM fresh
    WHERE kind IN ('interaction', 'content')
    GROUP BY content_type, content_id
), latest AS (
    SELECT DISTINCT ON (content_type, content_id) *
    FROM fresh
    WHERE kind = 'content'
    ORDER BY content_type, content_id, created_at DESC, id DESC
)
INSERT INTO content AS known (
    content_type, content_id, first_seen_at,
    title, url, author_id, attributes, published_at, available, described_at, described_by
)
SELECT
    content_type, content_id, seen.first_seen_at,
    latest.title, latest.url, latest.author_id, latest.attributes, latest.published_at,
    coalesce(latest.available, true), latest.created_at, latest.id
FROM seen
LEFT JOIN latest USING (content_type, content_id)
LEFT JOIN content AS stored USING (content_type, content_id)
WHERE stored.first_seen_at IS NULL OR seen.first_seen_at < stored.first_seen_at OR latest.id IS NOT NULL
ORDER BY content_type, content_id
ON CONFLICT (content_type, content_id) DO UPDATE SET
    first_seen_at = least(known.first_seen_at, excluded.first_seen_at),
    (title, url, author_id, attributes, published_at, available, described_at, described_by) = (
        SELECT title, url, author_id, attributes, published_at, available, at, by
        FROM (VALUES
            (known.title, known.url, known.author_id, known.attributes, known.published_at, known.available,
             known.described_at, known.described_by),
            (excluded.title, excluded.url, excluded.author_id, excluded.attributes, excluded.published_at,
             excluded.available, excluded.described_at, excluded.described_by)
        ) AS description (title, url, author_id, attributes, published_at, available, at, by)
        ORDER BY at DESC NULLS LAST, by DESC
        LIMIT 1
    );
