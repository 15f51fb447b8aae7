"""Writes records once.

The invariant: after any deliveries of the same queued events, in any order, grouping and number, by any
number of consumers at once, and once `relinking` has worked off what waits in `relinks`, the tables hold what
one delivery of each would have left. It holds because

- an id is counted by `event_ids`, and everything else is derived in the same transaction from the ids that
  were new in it;
- whatever is merged into an existing row merges to the same value in any order (sums of new rows, minima,
  maxima, and the latest or earliest by event time and id);
- which events make a session of those that came without, and its id, depends on all of them, and is decided
  under a lock on their device (`visits`);
- whose an anonymous id is, is decided under a lock on it, from the server's times of all that was verified
  and unlinked; what is new follows it at once, what is stored follows in bounded steps.

There are two ways into the tables, each of which takes what it is given in one transaction: this one looks
at each event; `copying` takes bundles, of which it knows that every id is new. Both keep the invariant, so it
does not matter which of them an event goes, nor in which order they come.

Rows are locked table by table, and in each once, in the order of their keys, so that consumers wait for each
other instead of deadlocking.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence, Set
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from footfall import ids, queries
from footfall.database import Database, Row, Transaction
from footfall.errors import BadDataError, DatabaseUnavailableError, TooSlowError
from footfall.telemetry import Metric, count
from functions.session import visits
from functions.session.relinking import END, LOCK_SPACE, put_off, relink

QUERIES = queries.load(Path(__file__).parent)

StoredRecord = Mapping[str, Any]
# Takes a record that Postgres refuses, and the reason.
Refuse = Callable[[StoredRecord, str], None]

_HAPPENING = frozenset({"activity", "interaction"})
_ABOUT_CONTENT = frozenset({"interaction", "content"})
_CLAIMING = frozenset({"identify", "unlink"})


def write(
    database: Database, records: Sequence[StoredRecord], patience: float, refuse: Refuse | None = None
) -> int:
    """Stores all records; one that Postgres refuses goes to quarantine, alone.

    Args:
        records: as `prepare` made them.
        patience: seconds for all of it, where the database is away.
        refuse: instead of quarantine.

    Returns:
        How many events were new.

    Raises:
        DatabaseUnavailableError: nothing, or a part, was stored; the same call may be made again.
    """
    deadline = time.monotonic() + patience
    refuse = refuse or partial(_keep, database, deadline)
    return _write_until(database, records, deadline, refuse) if records else 0


def _write_until(
    database: Database,
    records: Sequence[StoredRecord],
    deadline: float,
    refuse: Refuse,
    *,
    moves: bool = True,
) -> int:
    patience = deadline - time.monotonic()
    try:
        new, rejected = database.run(partial(_write, records=records, moves=moves), patience=patience)
        count(Metric.QUARANTINED, rejected)
        return new
    except BadDataError as error:
        if len(records) == 1:
            refuse(records[0], str(error))
            return 0
    except TooSlowError:
        if patience <= 0:
            raise
        if len(records) == 1:
            if not moves:
                raise
            # What is slow of one event is the history that follows it.
            return _write_until(database, records, deadline, refuse, moves=False)
    return _write_halves(database, records, deadline, refuse)


def _write_halves(
    database: Database, records: Sequence[StoredRecord], deadline: float, refuse: Refuse
) -> int:
    """Both, also where one fails: what is bad or slow in a batch must not keep its neighbours out."""
    half = len(records) // 2
    new, slow = 0, None
    for part in (records[:half], records[half:]):
        try:
            new += _write_until(database, part, deadline, refuse)
        except TooSlowError as error:
            slow = error
    if slow is not None:
        raise slow
    return new


def _write(
    transaction: Transaction, records: Sequence[StoredRecord], *, moves: bool = True
) -> tuple[int, int]:
    """How many events were new, and how many new ones ingest had refused.

    Args:
        moves: whether some of the history of ids that changed hands follows at once.
    """
    kinds = frozenset(record["kind"] for record in records)
    transaction.once("create_incoming")
    transaction.once("create_changes")
    numbered = [{**record, "ordinal": ordinal} for ordinal, record in enumerate(records)]
    transaction.run("receive", records=json.dumps(numbered))
    buckets = transaction.all("lock_visitors", lock_space=LOCK_SPACE)
    devices = visits.devices_of(records)
    visits.lock(transaction, devices)
    new = transaction.run("remember_events")
    moved: list[Row] = []
    if new:
        if not kinds.isdisjoint(_CLAIMING):
            moved = _move_what_changed_hands(transaction, buckets, moves)
        _write_what_happened(transaction, kinds, devices, any("names" in record for record in records))
    grown = [row["user_id"] for row in transaction.all("grow_dwell")] if "interaction" in kinds else []
    if new or grown:
        _write_people(transaction, moved, grown)
    if new and not kinds.isdisjoint(_HAPPENING):
        transaction.run("write_live_counts")
    return new, transaction.run("keep_rejected") if "rejected" in kinds else 0


def _move_what_changed_hands(transaction: Transaction, buckets: Sequence[Row], moves: bool) -> list[Row]:
    """How the histories of users changed whose anonymous ids changed hands."""
    changed = _decide(transaction, buckets)
    if moves:
        return relink(transaction, dict.fromkeys(changed, END))
    put_off(transaction, changed)
    return []


def _write_what_happened(
    transaction: Transaction, kinds: Set[str], devices: Set[str], is_named: bool
) -> None:
    """Leaves out what the batch has nothing for: each statement costs as much as some events."""
    happened = not kinds.isdisjoint(_HAPPENING)
    if happened:
        transaction.run("link_fresh")
    if devices:
        visits.place(transaction)
    if is_named:
        transaction.run("write_names")
    if not kinds.isdisjoint(_ABOUT_CONTENT):
        transaction.run("write_content")
    if happened:
        transaction.run("write_activities")
        transaction.run("write_interactions")
        transaction.run("sum_up_sessions")
        transaction.run("write_sessions")
    if "identify" in kinds:
        transaction.run("write_traits")


def _decide(transaction: Transaction, buckets: Sequence[Row]) -> list[Any]:
    """The anonymous ids that are not any more whose they were."""
    changed = transaction.all("claim_identities")
    if not changed:
        return []
    # What was known when the lock was asked for may have been undone before it was given.
    if not {row["bucket"] for row in changed} <= {row["bucket"] for row in buckets}:
        raise DatabaseUnavailableError("somebody else decided meanwhile whose an anonymous id is")
    before = {
        f"{column}s": [row[column] for row in changed] for column in ("anonymous_id", "user_id", "shared_at")
    }
    return [row["anonymous_id"] for row in transaction.all("find_moved", **before)]


def _write_people(transaction: Transaction, moved: Sequence[Row], grown: Sequence[Any]) -> None:
    transaction.run("make_profiles")
    concerned = [*grown, *(row["user_id"] for row in moved)]
    locked = [row["id"] for row in transaction.all("lock_profiles", user_ids=concerned)]
    transaction.run("write_profiles")
    if grown:
        transaction.run("touch_profiles", user_ids=grown)
    for row in moved:
        transaction.run("adjust_profile", **row)
    transaction.run("describe_profiles", user_ids=locked)


def _keep(database: Database, deadline: float, record: StoredRecord, reason: str) -> None:
    kept = database.run(
        partial(_quarantine, record=record, reason=reason), patience=deadline - time.monotonic()
    )
    count(Metric.QUARANTINED, kept)


def _quarantine(transaction: Transaction, record: StoredRecord, reason: str) -> int:
    """1, or 0 where it is known already."""
    raw = json.dumps(record, sort_keys=True)
    # What is wrong may be the id itself.
    known = isinstance(record.get("id"), str) and ids.is_uuid(record["id"])
    return transaction.run(
        "quarantine",
        id=record["id"] if known else ids.to_uuid("event", raw),
        reason=reason,
        raw=raw,
        received_at=record["received_at"],
    )


def keep_unreadable(
    database: Database, message_id: str, body: str, reason: str, now: datetime, patience: float
) -> None:
    """Keeps a message that holds no events, so that the queue is rid of it and nothing is lost."""
    kept = database.run(
        lambda transaction: transaction.run(
            "quarantine",
            id=ids.to_uuid("event", message_id),
            reason=f"not a message: {reason}",
            raw=body.replace("\x00", "\ufffd").encode(errors="replace").decode(),
            received_at=now,
        ),
        patience=patience,
    )
    count(Metric.QUARANTINED, kept)
