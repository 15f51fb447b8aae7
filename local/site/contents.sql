-- count_contents --
-- How many contents of each type have a page on this site, and whether there is any content at all.
SELECT coalesce(jsonb_object_agg(content_type, contents), '{}') AS contents, EXISTS (SELECT FROM content) AS is_used
FROM (
    SELECT content_type, count(*) AS contents
    FROM content
    WHERE url LIKE '/demo/%%' AND available
    GROUP BY content_type
) AS by_type;

-- contents --
-- The newest contents that are asked for: of a type, one, by an author, about somebody, with all words; and how many
-- there are of them.
WITH found AS (
    SELECT *, coalesce(published_at, first_seen_at) AS at, count(*) OVER ()::integer AS total
    FROM content
    WHERE url LIKE '/demo/%%'
      AND (available OR content_id = %(id)s)
      AND (%(type)s::text IS NULL OR content_type = %(type)s)
      AND (%(id)s::uuid IS NULL OR content_id = %(id)s)
      AND (%(author)s::uuid IS NULL OR author_id = %(author)s)
      AND (%(about)s::text IS NULL OR attributes ->> 'endorsed' = %(about)s)
      AND NOT EXISTS (
          SELECT FROM unnest(%(words)s::text[]) AS word
          WHERE position(lower(word) IN lower(concat_ws(' ', title, attributes::text))) = 0
      )
    ORDER BY at DESC, content_id
    LIMIT %(limit)s
)
SELECT found.content_type AS type, coalesce(own.external_id, found.content_id::text) AS id, found.title, found.url,
       found.attributes, found.available, found.at AS published_at, found.total,
       author_names.external_id AS author_id,
       split_part(author.title, ', ', 1) AS author_name, author.url AS author_url,
       split_part(endorsed.title, ', ', 1) AS endorsed_name, endorsed.url AS endorsed_url
FROM found
LEFT JOIN external_ids AS own ON own.id = found.content_id
LEFT JOIN external_ids AS author_names ON author_names.id = found.author_id
LEFT JOIN content AS author
    ON author.author_id = found.author_id AND author.content_type = 'profile' AND author.url LIKE '/demo/%%'
LEFT JOIN content AS endorsed
    ON endorsed.url = '/demo/profiles/' || (found.attributes ->> 'endorsed') AND endorsed.content_type = 'profile'
ORDER BY found.at DESC, found.content_id;

-- characters --
-- Whom a visitor can sign in as: for each type of content somebody active who likes it most, and of those who have
-- been here long, and of those whose profile isn't complete, whoever came most often.
WITH known AS (
    SELECT profiles.id, profiles.activity_count, profiles.profile_completeness, suggestions.stage,
           favourite.type, split_part(page.title, ', ', 1) AS name, page.attributes ->> 'topic' AS topic,
           external_ids.external_id AS user_id
    FROM profiles
    JOIN suggestions ON suggestions.user_id = profiles.id
    JOIN external_ids ON external_ids.id = profiles.id
    JOIN content AS page
        ON page.author_id = profiles.id AND page.content_type = 'profile' AND page.url LIKE '/demo/%%'
    CROSS JOIN LATERAL (
        SELECT preference_value ->> 'type' AS type
        FROM user_preferences
        WHERE user_id = profiles.id AND preference_key LIKE 'content_type:%%'
        ORDER BY (preference_value ->> 'score')::float8 DESC
        LIMIT 1
    ) AS favourite
), chosen AS (
    (SELECT DISTINCT ON (type) * FROM known WHERE stage = 'active_user' ORDER BY type, activity_count DESC)
    UNION ALL
    (SELECT DISTINCT ON (stage) * FROM known
     WHERE stage IN ('incomplete_profile', 'power_user') ORDER BY stage, activity_count DESC)
)
SELECT user_id, name, topic, stage, type AS favourite, activity_count AS activities
FROM chosen
ORDER BY activity_count DESC;

-- person --
-- What the site knows of somebody itself: how complete the profile is, and the skills.
SELECT profile_completeness::float8 AS completeness, skills.value AS skills
FROM profiles
LEFT JOIN traits AS skills
    ON skills.owner_id = profiles.id AND skills.owner_is_user AND skills.key = 'skills'
WHERE profiles.id = %(user_id)s;
