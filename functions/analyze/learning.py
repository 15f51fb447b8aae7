"""Learns from the users of whom something is new since the last run, a chunk and a transaction at a time.

A run can be killed at any moment: what a chunk learned is computed anew from the events, so learning it
twice changes nothing, and the next run goes on where the last one noted to be. The watermark is a transaction
id, not a time: a user whose events were committed late carries a transaction that is not below it.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from footfall import queries, suggesting
from footfall.database import Database, Transaction

QUERIES = {**queries.load(Path(__file__).parent), **suggesting.QUERIES}

# Any constant: one run at a time.
LOCK = 7_302
CHUNK = 500
NOBODY = "00000000-0000-0000-0000-000000000000"
# Above every transaction id.
END = str(2**64 - 1)


@dataclass(frozen=True, slots=True)
class Run:
    """Whom one run learned about, and whether it came to the end."""

    users: int
    finished: bool


@dataclass(frozen=True, slots=True)
class Position:
    """Where a run stands: what it looks at (from `watermark` to `until`), and after whom it goes on."""

    watermark: str
    until: str
    next_watermark: str
    after_touch: str = "0"
    after_user: str = NOBODY


def analyze(database: Database, now: datetime, has_time: Callable[[], bool]) -> Run:
    """One run; it stops early when `has_time` says so, and the next goes on from there.

    Raises:
        DatabaseUnavailableError: the next run goes on from what was noted.
    """
    if not _one(database, "try_lock", lock=LOCK)["locked"]:
        return Run(0, finished=False)
    try:
        # Suggestions count trends, and a backlog of users must not keep trends from being learned.
        _learn_trends(database, now)
        return _learn_users(database, now, has_time)
    finally:
        _one(database, "unlock", lock=LOCK)


def _learn_users(database: Database, now: datetime, has_time: Callable[[], bool]) -> Run:
    position = _begin(_one(database, "progress", task="users"))
    users = 0
    while has_time():
        learned = database.run(partial(_learn_chunk, at=position, now=now))
        if learned is None:
            return Run(users, finished=True)
        position, count = learned
        users += count
    return Run(users, finished=False)


def _begin(progress: dict[str, Any]) -> Position:
    if int(progress["watermark"]) > int(progress["next_to_come"]):
        # The database was restored elsewhere and its transactions count anew: look at everyone once, also at
        # those who carry a transaction that is yet to come.
        return Position("0", END, progress["oldest_running"])
    if progress["resume"]:
        return Position(**progress["resume"])
    return Position(progress["watermark"], progress["next_to_come"], progress["oldest_running"])


def _learn_chunk(transaction: Transaction, at: Position, now: datetime) -> tuple[Position, int] | None:
    """The next position and how many users were learned about; None at the end."""
    touched = transaction.all("touched_users", limit=CHUNK, **_where(at))
    if not touched:
        _save(transaction, at.next_watermark, None, now, finished=True)
        return None
    learn(transaction, [row["user_id"] for row in touched], now)
    last = touched[-1]
    position = Position(at.watermark, at.until, at.next_watermark, last["touched_by"], str(last["user_id"]))
    _save(transaction, at.watermark, position, now, finished=False)
    return position, len(touched)


def learn(transaction: Transaction, user_ids: list[Any], now: datetime) -> None:
    """All that is learned of these users, from their events."""
    transaction.run("learn_preferences", user_ids=user_ids, now=now)
    transaction.run("learn_active_hours", user_ids=user_ids, now=now)
    actions = suggesting.next_actions(transaction, user_ids, now)
    rows = [{"user_id": str(user_id), **asdict(action)} for user_id, action in actions.items()]
    transaction.run("write_suggestions", suggestions=json.dumps(rows), now=now)


def _learn_trends(database: Database, now: datetime) -> None:
    def work(transaction: Transaction) -> None:
        known = (transaction.one("progress", task="trends") or {}).get("resume")
        basis = transaction.one("interactions_lately", now=now) or {}
        # At least hourly all the same: a dwell that grew is not counted, and scores decay.
        seen = {**basis, "hour": now.replace(minute=0, second=0, microsecond=0).isoformat()}
        if known == seen:
            return
        transaction.run("learn_trends", now=now)
        transaction.run(
            "save_progress", task="trends", watermark="0", resume=json.dumps(seen), now=now, finished_at=now
        )

    database.run(work)


def _where(at: Position) -> dict[str, str]:
    return {key: value for key, value in asdict(at).items() if key != "next_watermark"}


def _save(
    transaction: Transaction, watermark: str, resume: Position | None, now: datetime, *, finished: bool
) -> None:
    transaction.run(
        "save_progress",
        task="users",
        watermark=watermark,
        resume=json.dumps(asdict(resume)) if resume else None,
        now=now,
        finished_at=now if finished else None,
    )


def _one(database: Database, query: str, **parameters: Any) -> dict[str, Any]:
    return database.run(lambda transaction: transaction.one(query, **parameters)) or {}
