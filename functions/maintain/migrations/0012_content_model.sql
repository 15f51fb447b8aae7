-- What content belongs together and what rises, kept so that a feed reads it by the seeds of one visitor.

CREATE TABLE content_items (
    item integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    content_type varchar(50) NOT NULL,
    content_id uuid NOT NULL,
    hours_3 double precision NOT NULL,
    hours_12 double precision NOT NULL,
    hours_24 double precision NOT NULL,
    hours_168 double precision NOT NULL,
    hours_1440 double precision NOT NULL,
    people integer NOT NULL,
    computed_at timestamptz NOT NULL,
    CONSTRAINT content_items_by_content UNIQUE (content_type, content_id)
);
COMMENT ON TABLE content_items IS 'Content that somebody interacted with: its number in the content model, and its trends.';
COMMENT ON COLUMN content_items.item IS 'Short for (content_type, content_id) in content_neighbours.';
COMMENT ON COLUMN content_items.hours_3 IS 'Trend with a half-life of 3 hours, as log2 of the sum of engagement * 2^(time / half-life): it fades by itself, so that only what is engaged with is written. The next four are the same with theirs.';
COMMENT ON COLUMN content_items.people IS 'How many different visitors engaged in the seven days before computed_at.';
CREATE INDEX content_items_by_3_hours ON content_items (content_type, hours_3 DESC);
CREATE INDEX content_items_by_12_hours ON content_items (content_type, hours_12 DESC);
CREATE INDEX content_items_by_24_hours ON content_items (content_type, hours_24 DESC);
CREATE INDEX content_items_by_168_hours ON content_items (content_type, hours_168 DESC);
CREATE INDEX content_items_by_1440_hours ON content_items (content_type, hours_1440 DESC);
COMMENT ON INDEX content_items_by_3_hours IS 'recommend: rank (what rises).';
COMMENT ON INDEX content_items_by_12_hours IS 'recommend: rank (what rises).';
COMMENT ON INDEX content_items_by_24_hours IS 'recommend: rank (what rises).';
COMMENT ON INDEX content_items_by_168_hours IS 'recommend: rank (what rises).';
COMMENT ON INDEX content_items_by_1440_hours IS 'recommend: rank (what is popular).';
COMMENT ON INDEX content_items_by_content IS 'recommend: rank; analyze: count_trends, interactions.';

-- Nothing was ever written to it.
DROP TABLE content_neighbours;
CREATE TABLE content_neighbours (
    item integer NOT NULL,
    method varchar(20) NOT NULL,
    neighbours integer[] NOT NULL,
    weights real[] NOT NULL,
    PRIMARY KEY (item, method),
    CONSTRAINT content_neighbours_method CHECK (method IN ('next', 'before', 'alike'))
);
COMMENT ON TABLE content_neighbours IS 'What content belongs together, at most a hundred neighbours by each method; replaced as a whole.';
COMMENT ON COLUMN content_neighbours.item IS 'content_items.item; so are neighbours.';
COMMENT ON COLUMN content_neighbours.method IS 'next: what visitors met within ten steps after it; before: what they met before; alike: EASE, or RP3beta where there is too much content for it.';
COMMENT ON COLUMN content_neighbours.weights IS 'How much each neighbour belongs to it, 0 to 1, 1 for the closest of all pairs of the method.';
COMMENT ON INDEX content_neighbours_pkey IS 'recommend: rank.';

CREATE TABLE content_blend (
    is_only boolean PRIMARY KEY DEFAULT true,
    weights double precision[] NOT NULL,
    cold_weights double precision[] NOT NULL,
    basis jsonb NOT NULL,
    evidence jsonb NOT NULL,
    learned_at timestamptz NOT NULL,
    CONSTRAINT content_blend_only CHECK (is_only)
);
COMMENT ON TABLE content_blend IS 'How much each signal counts in a feed; at most one row, replaced together with content_neighbours.';
COMMENT ON COLUMN content_blend.weights IS 'In the order of common''s signals.py.';
COMMENT ON COLUMN content_blend.cold_weights IS 'The same for visitors who met nothing yet.';
COMMENT ON COLUMN content_blend.basis IS 'What was there to learn from: the next run learns only where that has changed.';
COMMENT ON COLUMN content_blend.evidence IS 'On how many replayed interactions the weights rest, and what the training cost.';

-- An anonymous visitor's latest, in the order in which they are asked for.
CREATE INDEX content_interactions_by_anonymous ON content_interactions (anonymous_id, created_at DESC)
    INCLUDE (content_type, content_id) WHERE user_id IS NULL;
COMMENT ON INDEX content_interactions_by_anonymous IS 'recommend: rank (what an anonymous visitor met).';
COMMENT ON INDEX content_interactions_by_user IS 'analyze: learn_preferences, learn_attributes; recommend: rank (what was met, and what others met next); common: opportunities, trending, similar_users.';
COMMENT ON INDEX content_interactions_by_content IS 'analyze: count_trends; recommend: rank (who met a seed lately); common: similar_users (who else met the same content).';
COMMENT ON INDEX content_by_age IS 'recommend: rank (newest of a type); common: opportunities.';
COMMENT ON INDEX content_trends_by_score IS 'common: trending.';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'footfall_analyze') THEN
        GRANT SELECT, INSERT, UPDATE ON content_items, content_blend TO footfall_analyze;
        GRANT INSERT, DELETE ON content_neighbours TO footfall_analyze;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'footfall_recommend') THEN
        GRANT SELECT ON content_items, content_neighbours, content_blend, identities TO footfall_recommend;
    END IF;
END
$$;
