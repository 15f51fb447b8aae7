"""Learns from the users of whom something is new, or too old, since the last run, by chunks in transactions.

A run can be killed at any moment: what a chunk learned is computed anew from the events, so learning it
twice changes nothing, and the next run goes on where the last one noted to be. The watermark is a transaction
id, not a time: a user whose events were committed late carries a transaction that is not below it.

What is dear is learned of a bounded number of users in a run, of who waits longest for it first.

Shards run beside each other: each has a lock and a watermark of its own, and writes of its own users only.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from footfall import queries, rules, suggesting
from footfall.database import Database, Transaction
from footfall.errors import DatabaseUnavailableError
from footfall.rules import NextAction
from footfall.suggesting import array
from footfall.telemetry import Metric, count, logger, measure
from functions.analyze.shards import Shard, all_shards

T = TypeVar("T")

QUERIES = {**queries.load(Path(__file__).parent), **suggesting.QUERIES}

# Any constant: keeps these advisory locks apart from others'.
LOCK_SPACE = 7_302
CHUNK = 4000
# What is dear to learn (attributes, who is alike) waits its turn: of so many users at a time, in a run of one
# in so many of whom it learned, or of one such lot where those are fewer.
LOT = 20
ONE_IN = 500
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
    database.run(
        lambda transaction: transaction.run("expect_shards", tasks=tasks, now=now), patience=patience
    )
    runs = [_analyze(database, shard, now, has_time) for shard in shards]
    measure(Metric.LAG, _one(database, "lag", tasks=tasks, now=now)["seconds"])
    return Run(sum(run.users for run in runs), all(run.finished for run in runs))


def _analyze(database: Database, shard: Shard, now: datetime, has_time: Callable[[], bool]) -> Run:
    # Suggestions count trends, and a backlog of users must not keep trends from being learned.
    if shard.learns_for_all:
        try:
            _alone(database, shard, lambda: _learn_for_all(database, shard, now))
        except DatabaseUnavailableError as error:
            logger("analyze").warning("trends wait for the next run", extra={"error": str(error)})
    run = _alone(database, shard, lambda: _learn_users(database, shard, now, has_time))
    return run or Run(0, finished=False)


def _alone(database: Database, shard: Shard, work: Callable[[], T]) -> T | None:
    """What `work` returns; None where another run has the shard's lock, which is lost with the connection."""
    lock = {"lock_space": LOCK_SPACE, "shard": shard.number}
    if not _one(database, "try_lock", **lock)["locked"]:
        return None
    try:
        return work()
    finally:
        _one(database, "unlock", **lock)


def _learn_users(database: Database, shard: Shard, now: datetime, has_time: Callable[[], bool]) -> Run:
    touched = _learn_touched(database, shard, now, has_time)
    if not touched.finished:
        return touched
    expired = _learn_expired(database, shard, now, has_time)
    users = touched.users + expired.users
    if expired.finished:
        _refine(database, shard, now, has_time, users)
    return Run(users, expired.finished)


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


def _refine(
    database: Database, shard: Shard, now: datetime, has_time: Callable[[], bool], learned: int
) -> None:
    """What rests on what was learned of others, when that is known; who is left waits for the next run."""
    room = max(LOT, learned // ONE_IN)
    found = database.run(lambda transaction: transaction.all("users_waiting", limit=room, **_part(shard)))
    waiting = [row["user_id"] for row in found]
    for done in range(0, len(waiting), LOT):
        if not has_time():
            return
        database.run(partial(refine, user_ids=waiting[done : done + LOT], now=now))


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
    transaction.run("learn_preferences", user_ids=everyone, now=now, anew=anew, **_basis(now))
    transaction.run("learn_active_hours", user_ids=everyone, now=now)
    same: dict[int, tuple[NextAction, list[str]]] = {}
    for user_id, action in suggesting.next_actions(transaction, user_ids, now).items():
        same.setdefault(id(action), (action, []))[1].append(user_id)
    rows = [{"users": array(users), **asdict(action)} for action, users in same.values()]
    transaction.run("write_suggestions", suggestions=json.dumps(rows), now=now)


def refine(transaction: Transaction, user_ids: Sequence[str], now: datetime) -> None:
    """Which attributes and authors these users like, who is alike, and what those like."""
    everyone, basis = array(user_ids), _basis(now)
    transaction.run("learn_attributes", user_ids=everyone, now=now, **basis)
    found = transaction.all("similar_users", user_ids=everyone, now=now)
    transaction.run("write_similar_users", found=json.dumps(found, default=str), now=now)
    transaction.run("predict_preferences", user_ids=everyone, now=now, **basis)


def _basis(now: datetime) -> dict[str, Any]:
    return {"day": now.astimezone(UTC).date(), **rules.load().preferences}


def _learn_for_all(database: Database, shard: Shard, now: datetime) -> None:
    def work(transaction: Transaction) -> None:
        transaction.run("forget_progress", tasks=[each.task for each in all_shards(shard.of)])
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
