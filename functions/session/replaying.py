"""Writes what was refused before, once more.

It goes through `write` like everything that comes from the queue: what is stored already counts once, so a
replay may be killed, repeated, or run beside another. A row is marked after its event is stored; one that is
refused again, or takes too long by itself, stays, with the new reason. Times of receipt stay the first ones.

    {"replayed": 2, "stayed": {"the reason": 1}, "left": 40, "after": "the last id", "refused": [...]}

`refused` are events that ingest has to validate again; they come back to `write_validated`. A step that runs
out of time ends before the row that it didn't reach, but reaches at least one.
"""

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from footfall.database import Database, Row, Transaction
from footfall.errors import DatabaseUnavailableError, TooSlowError
from footfall.events import VERSION, dumps
from functions.session.origins import Origins
from functions.session.preparing import NOT_A_MESSAGE, records_of_message
from functions.session.writing import Refuse, StoredRecord, write

Step = dict[str, Any]
# By the ids of rows; none where the row's event is stored now.
Reasons = dict[str, str | None]
Records = dict[str, list[dict[str, Any]]]
# Of one step: rows that are all refused again take two transactions each, and what ingest validates again
# travels in an answer (6 MB).
MOST_ROWS = 100
MOST_BYTES = 1024 * 1024
BEGINNING = "00000000-0000-0000-0000-000000000000"
# Names the row of a record; no column takes it.
_ROW = "quarantine_id"
TOO_SLOW = "too slow"
# A row that is too slow takes two statements' time. Begun later than this before the deadline, they and the
# marking would take longer than the function may.
LAST_BEGINS_SECONDS = 2.0


def replay(database: Database, origins: Origins, after: str, now: datetime, patience: float) -> Step:
    """Takes the next rows of quarantine behind the id `after`.

    Raises:
        DatabaseUnavailableError: nothing was marked; the same call may be made again.
    """
    deadline = time.monotonic() + patience
    rows, left = _next(database, after, deadline)
    reasons: Reasons = {}
    records: Records = {}
    for row in rows:
        if row["stage"] == "session":
            reasons[str(row["id"])] = None
            try:
                records[str(row["id"])] = _records_of(row["raw"], origins)
            except NOT_A_MESSAGE as error:
                reasons[str(row["id"])] = f"not a message: {error}"
    replayed, unreached = _write(database, records, reasons, now, deadline)
    if unreached:
        reached = [str(row["id"]) for row in rows].index(unreached[0])
        rows, left = rows[:reached], left + len(rows) - reached
    unknown = [row["reason"] for row in rows if row["stage"] == "ingest" and row["request"] is None]
    return {
        "replayed": replayed,
        "stayed": Counter([*filter(None, reasons.values()), *unknown]),
        "left": left,
        "after": str(rows[-1]["id"]) if rows else after,
        "refused": [_shown(row) for row in rows if row["request"] is not None],
    }


def write_validated(
    database: Database, origins: Origins, events: Iterable[Mapping[str, Any]], now: datetime, patience: float
) -> Step:
    """Writes what ingest takes now ({"id", "received_at", "request", "records" or "reason"}).

    `left` of these, behind the id `after`, weren't reached.

    Raises:
        DatabaseUnavailableError: nothing was marked; the same call may be made again.
    """
    reasons: Reasons = {}
    records: Records = {}
    for event in events:
        reasons[event["id"]] = event.get("reason")
        if "records" in event:
            records[event["id"]] = _prepared(event, origins)
    replayed, unreached = _write(database, records, reasons, now, time.monotonic() + patience)
    return {
        "replayed": replayed,
        "stayed": Counter(filter(None, reasons.values())),
        "left": len(unreached),
        "after": next(reversed(reasons), None),
    }


def _write(
    database: Database, records: Records, reasons: Reasons, now: datetime, deadline: float
) -> tuple[int, list[str]]:
    """How many rows were marked, and which of `reasons` weren't reached: they are taken from it.

    Adds the reasons of those that were refused again.
    """

    def refuse(record: StoredRecord, reason: str) -> None:
        reasons[record[_ROW]] = reason

    named = {row: [{**record, _ROW: row} for record in found] for row, found in records.items()}
    unreached: list[str] = []
    try:
        # Without patience it isn't looked for what is slow among them, which would take all the time.
        write(database, [record for found in named.values() for record in found], 0, refuse)
    except DatabaseUnavailableError:
        unreached = _write_each(database, named, reasons, deadline, refuse)
    concluded = database.run(
        lambda transaction: transaction.all(
            "conclude_replay", ids=list(reasons), reasons=list(reasons.values()), now=now
        ),
        patience=deadline - time.monotonic(),
    )
    return int(concluded[0]["replayed"]), unreached


def _write_each(
    database: Database, records: Records, reasons: Reasons, deadline: float, refuse: Refuse
) -> list[str]:
    """Row by row, with patience; what it hasn't reached is taken from `reasons`."""
    for number, (row, found) in enumerate(records.items()):
        patience = deadline - time.monotonic()
        if number and patience < LAST_BEGINS_SECONDS:
            unreached = list(reasons)[list(reasons).index(row) :]
            for one in unreached:
                del reasons[one]
            return unreached
        reasons[row] = None
        try:
            write(database, found, patience, refuse)
        except TooSlowError:
            reasons[row] = TOO_SLOW
    return []


def _next(database: Database, after: str, deadline: float) -> tuple[list[Row], int]:
    """Rows, and how many wait behind them."""

    def read(transaction: Transaction) -> tuple[list[Row], int]:
        rows = transaction.all("next_refused", after=after, most=MOST_ROWS, most_bytes=MOST_BYTES)
        last = rows[-1]["id"] if rows else after
        return rows, transaction.all("count_refused", after=last)[0]["left"]

    return database.run(read, patience=deadline - time.monotonic())


def _records_of(raw: str, origins: Origins) -> list[dict[str, Any]]:
    """Of a record that Postgres refused, or of a message that couldn't be read."""
    found = json.loads(raw)
    return [found] if isinstance(found, dict) and "kind" in found else records_of_message(raw, origins)


def _shown(row: Row) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "raw": row["raw"],
        "received_at": row["received_at"].isoformat(),
        "request": row["request"],
    }


def _prepared(event: Mapping[str, Any], origins: Origins) -> list[dict[str, Any]]:
    """With the device that was told of the request; a server speaks of somebody else's."""
    speaker, device = event["request"]["speaker"], event["request"]["device"]
    request = {"version": VERSION, "received_at": event["received_at"], "speaker": speaker}
    records = records_of_message(dumps({**request, "events": event["records"]}), origins)
    if speaker == "server":
        return records
    return [
        record | device | {"is_bot": device["is_bot"] and not record.get("verified", False)}
        for record in records
    ]
