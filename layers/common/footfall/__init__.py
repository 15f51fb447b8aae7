"""What two rooms of Footfall share.

settings    every environment variable, typed, read when asked for
errors      the tree of what can go wrong
http        a route's answer, and the one place where errors become HTTP
keys        write keys and server keys, compared by digest
ids         the stable UUID of an id that isn't one
months      the unit in which events are kept and dropped
events      the message between ingest and session
database    the connection, and transactions that retry what may be retried
rds         whose certificate Amazon RDS shows, and the token that stands for a password there
queries     named SQL, read from the room's .sql files
rules       stages, intents and suggestions, from rules.toml
suggesting  the one suggestion that holds for a user now
telemetry   the logger
"""
