"""Learns from the users of whom something is new, or too old, since the last run, by chunks in transactions.

A run can be killed at any moment: what a chunk learned is computed anew from the events, so learning it
twice changes nothing, and the next run goes on where the last one noted to be. The watermark is a transaction
id, not a time: a user whose events were committed late carries a transaction that is not below it.

Shards run beside each other: each has a lock and a watermark of its own, and writes of its own users only.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

from footfall import queries, rules, suggesting
from footfall.database import Database, Row, Transaction
from footfall.errors import BadDataError, TooSlowError
from footfall.rules import NextAction
from footfall.suggesting import array
from footfall.telemetry import Metric, count, logger, measure
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
    at = _begin(_one(database, "progress", task=shard.task))
    users = 0
    while has_time():
        # About CHUNK are the shard's own. Asked for those alone, the planner would expect few and scan.
        touched = _all(database, "touched_users", limit=CHUNK * shard.of, **_part(shard), **_where(at))
        if not touched:
            database.run(partial(_save, shard=shard, at=at, now=now, finished=True))
            return Run(users, finished=True)
        own = [row["user_id"] for row in touched if row["is_own"]]
        # Where nothing is noted, or notes of another database, whatever else is noted says nothing either.
        learn_of = partial(learn, now=now, anew=at.watermark == "0")
        number = learn_in_parts(database, own, learn_of, now, has_time)
        at = replace(at, after_touch=touched[-1]["touched_by"], after_user=touched[-1]["user_id"])
        database.run(partial(_save, shard=shard, at=at, now=now))
        count(Metric.USERS_LEARNED, number)
        users += number
    return Run(users, finished=False)


def _learn_expired(database: Database, shard: Shard, now: datetime, has_time: Callable[[], bool]) -> Run:
    """Learns again whoever fell silent, as windows close and evidence fades."""
    users = 0
    while has_time():
        # Many at once, as each time those that wait for the other shards are passed by.
        limit = CHUNK * 16
        found = _all(database, "expired_users", now=now, day=_day(now), limit=limit, **_part(shard))
        expired = [row["user_id"] for row in found]
        for done in range(0, len(expired), CHUNK):
            if done and not has_time():
                return Run(users, finished=False)
            chunk = expired[done : done + CHUNK]
            number = learn_in_parts(database, chunk, partial(learn, now=now), now, has_time)
            count(Metric.USERS_LEARNED, number)
            users += number
        if len(expired) < limit:
            return Run(users, finished=True)
    return Run(users, finished=False)


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


def learn_in_parts(
    database: Database,
    user_ids: Sequence[str],
    learn_of: Callable[..., None],
    now: datetime,
    has_time: Callable[[], bool],
    *,
    hurries: bool = False,
) -> int:
    """Of how many it learned: at once, or in ever smaller parts; who is the cause is passed by.

    Raises:
        TooSlowError, BadDataError: there is no time for parts; the next run tries again.
    """

    def work(transaction: Transaction) -> None:
        if hurries:
            # There isn't the time to wait as long for each part.
            transaction.run("hurry")
        learn_of(transaction, user_ids=user_ids)

    try:
        if user_ids:
            database.run(work)
        return len(user_ids)
    except (TooSlowError, BadDataError) as error:
        # Where the database is slow for everybody, nobody is the cause.
        if not has_time():
            raise
        if len(user_ids) == 1:
            said = {"user": user_ids[0], "error": str(error)}
            logger("analyze").warning("nothing can be learned of a user", extra=said)
            put_off = {"user_ids": array(user_ids), "now": now, "day": _day(now)}
            database.run(lambda transaction: transaction.run("put_off", **put_off))
            return 0
        size = max(len(user_ids) // 16, 1)
        parts = [user_ids[done : done + size] for done in range(0, len(user_ids), size)]
        return sum(learn_in_parts(database, part, learn_of, now, has_time, hurries=True) for part in parts)


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
    return {"day": _day(now), **rules.load().preferences}


def _day(now: datetime) -> date:
    return now.astimezone(UTC).date()


def _where(at: Position) -> dict[str, str]:
    return {key: value for key, value in asdict(at).items() if key != "next_watermark"}


def _part(shard: Shard) -> dict[str, int]:
    return {"shard": shard.number, "shards": shard.of}


def _save(
    transaction: Transaction, shard: Shard, at: Position, now: datetime, *, finished: bool = False
) -> None:
    transaction.run(
        "save_progress",
        task=shard.task,
        watermark=at.next_watermark if finished else at.watermark,
        resume=None if finished else json.dumps(asdict(at)),
        now=now,
        finished_at=now if finished else None,
    )


def _all(database: Database, query: str, **parameters: Any) -> list[Row]:
    return database.run(lambda transaction: transaction.all(query, **parameters))


def _one(database: Database, query: str, **parameters: Any) -> dict[str, Any]:
    return database.run(lambda transaction: transaction.one(query, **parameters)) or {}
