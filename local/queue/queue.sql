-- open --
-- Opens the file for one process alone, as a second could neither wake those who wait here nor be woken; makes
-- the tables, their times in milliseconds, contents apart, so that a receive rewrites a few numbers and no megabyte.
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA foreign_keys = ON;
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS queues (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    attributes TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    modified_at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS messages (
    sequence INTEGER PRIMARY KEY,
    queue INTEGER NOT NULL REFERENCES queues ON DELETE CASCADE,
    id TEXT NOT NULL,
    sent_at INTEGER NOT NULL,
    visible_at INTEGER NOT NULL,
    first_received_at INTEGER,
    received INTEGER NOT NULL DEFAULT 0,
    received_elsewhere INTEGER NOT NULL DEFAULT 0,  -- in the queues it was moved from
    moved_from TEXT
);
CREATE INDEX IF NOT EXISTS messages_by_visibility ON messages (queue, visible_at);  -- next, exhausted, count
CREATE INDEX IF NOT EXISTS messages_by_age ON messages (queue, sent_at);  -- expire
CREATE TABLE IF NOT EXISTS contents (
    sequence INTEGER PRIMARY KEY REFERENCES messages ON DELETE CASCADE,
    body TEXT NOT NULL,
    attributes TEXT NOT NULL,
    trace_header TEXT
);
COMMIT;

-- queues --
-- Every queue.
SELECT number, name FROM queues;

-- create --
-- Makes a queue.
INSERT INTO queues (name, attributes, created_at, modified_at) VALUES (?, '{}', ?, ?);

-- remove --
-- Removes a queue with its messages.
DELETE FROM queues WHERE number = ?;

-- configuration --
-- What a queue was told.
SELECT attributes FROM queues WHERE number = ?;

-- configure --
-- Tells a queue how to behave.
UPDATE queues SET attributes = ?, modified_at = ? WHERE number = ?;

-- times --
-- When a queue was made and last told something, in seconds.
SELECT created_at / 1000, modified_at / 1000 FROM queues WHERE number = ?;

-- send --
-- Adds a message.
INSERT INTO messages (queue, id, sent_at, visible_at) VALUES (?, ?, ?, ?);

-- send_contents --
-- Adds what a message says.
INSERT INTO contents (sequence, body, attributes, trace_header) VALUES (?, ?, ?, ?);

-- next --
-- The next visible messages, in the order in which they became visible.
SELECT sequence, id, sent_at, first_received_at, received, moved_from, body, attributes, trace_header
FROM messages JOIN contents USING (sequence)
WHERE queue = ? AND visible_at <= ? ORDER BY visible_at, sequence LIMIT ?;

-- hide --
-- Hides a received message for its visibility timeout.
UPDATE messages SET visible_at = ?, received = received + 1,
    first_received_at = coalesce(first_received_at, ?)
WHERE sequence = ?;

-- exhausted --
-- Those of the next messages that were received too often.
SELECT sequence FROM (
    SELECT sequence, received - received_elsewhere AS receives FROM messages
    WHERE queue = ? AND visible_at <= ? ORDER BY visible_at, sequence LIMIT ?)
WHERE receives >= ?;

-- move --
-- Moves a message to the dead letter queue.
UPDATE messages SET queue = ?, visible_at = ?, moved_from = ?, received_elsewhere = received
WHERE sequence = ?;

-- first --
-- When the next message becomes visible.
SELECT visible_at FROM messages WHERE queue = ? ORDER BY visible_at LIMIT 1;

-- find --
-- The message of a receipt.
SELECT visible_at FROM messages WHERE sequence = ? AND queue = ? AND received = ? AND id = ?;

-- change --
-- Changes when a message becomes visible again.
UPDATE messages SET visible_at = ? WHERE sequence = ?;

-- delete --
-- Deletes the message of a receipt.
DELETE FROM messages WHERE sequence = ? AND queue = ? AND received = ? AND id = ?;

-- purge --
-- Deletes every message of a queue.
DELETE FROM messages WHERE queue = ?;

-- expire --
-- Deletes the messages that were kept long enough.
DELETE FROM messages WHERE queue = ? AND sent_at < ?;

-- release --
-- Makes every message visible that was received and neither deleted nor moved.
UPDATE messages SET visible_at = min(sent_at, :now)
WHERE queue IN (SELECT number FROM queues) AND visible_at > :now AND received > received_elsewhere;

-- count --
-- How many messages are visible, in flight, and delayed.
SELECT (SELECT count(*) FROM messages WHERE queue = :queue AND visible_at <= :now),
    count(*) FILTER (WHERE received > received_elsewhere),
    count(*) FILTER (WHERE received = received_elsewhere)
FROM messages WHERE queue = :queue AND visible_at > :now;
