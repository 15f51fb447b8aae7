"""Learns from the users of whom something is new, or too old, since the last run, by chunks in transactions.

A run can be killed at any moment: what a chunk learned is computed anew from the events, so learning it
twice changes nothing, and the next run goes on where the last one noted to be. The watermark is a transaction
id, not a time: a user whose events were committed late carries a transaction that is not below it.

Shards run beside each other: each has a lock and a watermark of its own, and writes of its own users only.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from footfall import queries, rules, suggesting
from footfall.database import Database, Transaction
from footfall.rules import NextAction
from footfall.suggesting import array
from footfall.telemetry import Metric, count, measure
from functions.analyze.alone import USERS, alone
from functions.analyze.shards import Shard, all_shards

QUERIES = {**queries.load(Path(__file__).parent), **suggesting.QUERIES}

CHUNK = 4000
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
    """Where a pass stands: what it looks at (from `watermark` to `until`), and after whom it goes on."""

    watermark: str
    until: str
    next_watermark: str
    after_touch: str = "0"
    after_user: str = NOBODY


def analyze(
    database: Database,
    shards: Sequence[Shard],
    now: datetime,
    has_time: Callable[[], bool],
    patience: float = 0.0,
) -> Run:
    """One run of each shard; it stops early when `has_time` says so, and the next goes on from there.

    Args:
        patience: seconds to wait for a database that wakes.

    Raises:
        DatabaseUnavailableError: the next run goes on from what was noted.
    """
    tasks = [each.task for each in all_shards(shards[0].of)]
    database.run(lambda transaction: _expect(transaction, tasks, now), patience=patience)
    runs = [_analyze(database, shard, now, has_time) for shard in shards]
    measure(Metric.LAG, _one(database, "lag", tasks=tasks, now=now)["seconds"])
    return Run(sum(run.users for run in runs), all(run.finished for run in runs))


def _analyze(database: Database, shard: Shard, now: datetime, has_time: Callable[[], bool]) -> Run:
    run = alone(database, USERS, lambda: _learn_users(database, shard, now, has_time), shard.number)
    return run or Run(0, finished=False)


def _learn_users(database: Database, shard: Shard, now: datetime, has_time: Callable[[], bool]) -> Run:
    touched = _learn_touched(database, shard, now, has_time)
    if not touched.finished:
        return touched
    expired = _learn_expired(database, shard, now, has_time)
    return Run(touched.users + expired.users, expired.finished)


def _learn_touched(database: Database, shard: Shard, now: datetime, has_time: Callable[[], bool]) -> Run:
    position = _begin(_one(database, "progress", task=shard.task))
    users = 0
    while has_time():
        learned = database.run(partial(_learn_chunk, shard=shard, at=position, now=now))
        if learned is None:
            return Run(users, finished=True)
        position, number = learned
        count(Metric.USERS_LEARNED, number)
        users += number
    return Run(users, finished=False)


def _learn_expired(database: Database, shard: Shard, now: datetime, has_time: Callable[[], bool]) -> Run:
    """Learns again whoever fell silent, as the windows close; what is learned now expires later."""
    # Listed once, as each chunk would have to pass by all that wait for the other shards.
    found = database.run(lambda transaction: transaction.all("expired_users", now=now, **_part(shard)))
    expired = [row["user_id"] for row in found]
    for done in range(0, len(expired), CHUNK):
        if not has_time():
            return Run(done, finished=False)
        chunk = expired[done : done + CHUNK]
        database.run(partial(learn, user_ids=chunk, now=now))
        count(Metric.USERS_LEARNED, len(chunk))
    return Run(len(expired), finished=True)


def _expect(transaction: Transaction, tasks: Sequence[str], now: datetime) -> None:
    transaction.run("forget_progress", tasks=tasks)
    transaction.run("expect_shards", tasks=tasks, now=now)


def _begin(progress: dict[str, Any]) -> Position:
    if int(progress["watermark"]) > int(progress["next_to_come"]):
        # The database was restored elsewhere and its transactions count anew: look at everyone once, also at
        # those who carry a transaction that is yet to come.
        return Position("0", END, progress["oldest_running"])
    if progress["resume"]:
        return Position(**progress["resume"])
    return Position(progress["watermark"], progress["next_to_come"], progress["oldest_running"])


def _learn_chunk(
    transaction: Transaction, shard: Shard, at: Position, now: datetime
) -> tuple[Position, int] | None:
    """The next position and how many users were learned about; None at the end."""
    # About CHUNK of them are the shard's own. Asked for those alone, the planner would expect few and scan.
    touched = transaction.all("touched_users", limit=CHUNK * shard.of, **_part(shard), **_where(at))
    if not touched:
        _save(transaction, shard, at.next_watermark, None, now, finished=True)
        return None
    own = [row["user_id"] for row in touched if row["is_own"]]
    if own:
        # Where nothing is noted, or notes of another database, whatever else is noted says nothing either.
        learn(transaction, own, now, anew=at.watermark == "0")
    last = touched[-1]
    position = replace(at, after_touch=last["touched_by"], after_user=str(last["user_id"]))
    _save(transaction, shard, at.watermark, position, now, finished=False)
    return position, len(own)


def learn(transaction: Transaction, user_ids: Sequence[str], now: datetime, *, anew: bool = False) -> None:
    """All that is learned of these users by themselves, from their events.

    Args:
        anew: also what is noted as learned already.
    """
    everyone = array(user_ids)
    transaction.run("learn_preferences", user_ids=everyone, now=now, anew=anew, **basis(now))
    transaction.run("learn_active_hours", user_ids=everyone, now=now)
    same: dict[int, tuple[NextAction, list[str]]] = {}
    for user_id, action in suggesting.next_actions(transaction, user_ids, now).items():
        same.setdefault(id(action), (action, []))[1].append(user_id)
    rows = [{"users": array(users), **asdict(action)} for action, users in same.values()]
    transaction.run("write_suggestions", suggestions=json.dumps(rows), now=now)


def basis(now: datetime) -> dict[str, Any]:
    """What a user's tastes are reckoned by: as of which day, and the rules' own figures."""
    return {"day": now.astimezone(UTC).date(), **rules.load().preferences}


def _where(at: Position) -> dict[str, str]:
    return {key: value for key, value in asdict(at).items() if key != "next_watermark"}


def _part(shard: Shard) -> dict[str, int]:
    return {"shard": shard.number, "shards": shard.of}


def _save(
    transaction: Transaction,
    shard: Shard,
    watermark: str,
    resume: Position | None,
    now: datetime,
    *,
    finished: bool,
) -> None:
    transaction.run(
        "save_progress",
        task=shard.task,
        watermark=watermark,
        resume=json.dumps(asdict(resume)) if resume else None,
        now=now,
        finished_at=now if finished else None,
    )


def _one(database: Database, query: str, **parameters: Any) -> dict[str, Any]:
    return database.run(lambda transaction: transaction.one(query, **parameters)) or {}
