"""SQS: a durable queue on SQLite, and the protocol that boto3 speaks to it."""
