-- see_content --
-- Notes content that was met for the first time, so that a new item can be recommended from its first event.
INSERT INTO content AS known (content_type, content_id, first_seen_at)
SELECT seen.content_type, seen.content_id, seen.first_seen_at
FROM (
    SELECT content_type, content_id, min(created_at) AS first_seen_at
    FROM fresh
    WHERE kind IN ('interaction', 'content')
    GROUP BY content_type, content_id
) AS seen
LEFT JOIN content AS stored USING (content_type, content_id)
WHERE stored.first_seen_at IS NULL OR seen.first_seen_at < stored.first_seen_at
ORDER BY seen.content_type, seen.content_id
ON CONFLICT (content_type, content_id) DO UPDATE
SET first_seen_at = least(known.first_seen_at, excluded.first_seen_at);

-- describe_content --
-- Takes the latest description of each content, by event time.
WITH latest AS (
    SELECT DISTINCT ON (content_type, content_id) *
    FROM fresh
    WHERE kind = 'content'
    ORDER BY content_type, content_id, created_at DESC, id DESC
), outdated AS (
    SELECT content.content_type, content.content_id
    FROM content
    JOIN latest USING (content_type, content_id)
    WHERE described_at IS NULL OR (latest.created_at, latest.id) > (described_at, described_by)
    ORDER BY content.content_type, content.content_id
    FOR UPDATE OF content
)
UPDATE content
SET title = latest.title, url = latest.url, author_id = latest.author_id, attributes = latest.attributes,
    published_at = latest.published_at, available = latest.available,
    described_at = latest.created_at, described_by = latest.id
FROM latest
JOIN outdated USING (content_type, content_id)
WHERE content.content_type = latest.content_type AND content.content_id = latest.content_id;
