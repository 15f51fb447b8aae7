-- begin --
-- Makes room for the ids of what was sent, as long as the connection lives.
CREATE TEMPORARY TABLE sent (id uuid PRIMARY KEY);

-- note --
-- Takes the ids.
COPY sent FROM STDIN;

-- analyze --
-- Tells the planner how many they are.
ANALYZE sent;

-- count_events --
-- How many of the ids were counted, whatever kind of event they are of.
SELECT count(*) AS events, 0 AS moved FROM sent JOIN event_ids USING (id);

-- count_interactions --
-- How many of the ids are interactions, and how many of those stand under another time than their own.
SELECT count(*) AS events, count(activity.client_created_at) AS moved
FROM sent
JOIN event_ids USING (id)
JOIN content_interactions AS interaction
    ON interaction.created_at = event_ids.created_at AND interaction.id = event_ids.id
JOIN user_activities AS activity
    ON activity.created_at = event_ids.created_at AND activity.id = event_ids.id;
