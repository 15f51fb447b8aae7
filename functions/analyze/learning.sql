-- write_suggestions --
-- Keeps the next action of each of these users, who come as those of whom it is the same.
INSERT INTO suggestions AS known (user_id, stage, action, message, cta, priority, evidence, computed_at)
SELECT unnest(users::uuid[]) AS user_id, stage, action, message, cta, priority, evidence, %(now)s
FROM jsonb_to_recordset(%(suggestions)s::text::jsonb) AS learned (
    users text, stage text, action text, message text, cta text, priority text, evidence jsonb
)
ORDER BY user_id
ON CONFLICT (user_id) DO UPDATE SET
    stage = excluded.stage, action = excluded.action, message = excluded.message, cta = excluded.cta,
    priority = excluded.priority, evidence = excluded.evidence, computed_at = excluded.computed_at;
