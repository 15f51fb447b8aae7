-- lock_feed --
-- Lets one request at a time go on with a feed.
SELECT pg_advisory_xact_lock(hashtextextended(%(feed_id)s, 0));

-- shown_before --
-- How many items a feed has shown to this visitor.
SELECT count(*) AS items
FROM impressions
WHERE feed_id = %(feed_id)s AND user_id IS NOT DISTINCT FROM %(user_id)s::uuid
  AND anonymous_id IS NOT DISTINCT FROM %(anonymous_id)s::uuid;

-- write_impressions --
-- Notes what a feed shows, in its order.
INSERT INTO impressions (
    feed_id, position, user_id, anonymous_id, content_type, content_id, strategy, propensity, arm, shown_at
)
SELECT %(feed_id)s, %(first)s + item.place::integer - 1, %(user_id)s::uuid, %(anonymous_id)s::uuid,
       item.value ->> 'content_type', (item.value ->> 'content_id')::uuid, item.value ->> 'strategy',
       (item.value ->> 'propensity')::real, %(arm)s, %(now)s
FROM jsonb_array_elements(%(items)s::text::jsonb) WITH ORDINALITY AS item (value, place);

-- owner --
-- A user who was ever verified on an anonymous id, also where the tie was undone or is another's, too.
SELECT user_id FROM identities WHERE anonymous_id = %(anonymous_id)s AND verified_at IS NOT NULL LIMIT 1;
