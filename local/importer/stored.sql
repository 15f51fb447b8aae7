-- begin --
-- Makes room for the ids of an import, as long as the connection lives.
CREATE TEMPORARY TABLE imported (id uuid PRIMARY KEY);

-- note --
-- Takes the ids.
COPY imported FROM STDIN;

-- analyze --
-- Tells the planner how many they are.
ANALYZE imported;

-- count_stored --
-- How many of the ids are interactions, and how many of those stand under another time than their own.
SELECT count(*) AS interactions, count(activity.client_created_at) AS moved
FROM imported
JOIN event_ids USING (id)
JOIN content_interactions AS interaction
    ON interaction.created_at = event_ids.created_at AND interaction.id = event_ids.id
JOIN user_activities AS activity
    ON activity.created_at = event_ids.created_at AND activity.id = event_ids.id;
