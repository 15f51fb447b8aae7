"""Large tables made inside Postgres, for what is read: the same shape at any size."""

import random
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from hashlib import md5
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.framework import Bench, BenchmarkError
from footfall import journeys, queries, signals
from footfall.database import Database, connect
from functions.analyze import content, counts, learning, tastes, trends
from functions.analyze import journeys as visits_learned
from functions.analyze.shards import all_shards

QUERIES = queries.load(Path(__file__).parent)


@dataclass(frozen=True, slots=True)
class Size:
    """Rows of each kind."""

    activities: int
    users: int
    interactions: int
    contents: int
    days: int = 35

    def at(self, scale: float) -> "Size":
        """So many times the rows, over as many days."""
        rows = {name: max(int(count * scale), 50) for name, count in asdict(self).items() if name != "days"}
        return replace(self, **rows)


SMALL = Size(activities=300_000, users=7_500, interactions=75_000, contents=1_500)
LARGE = Size(activities=4_000_000, users=100_000, interactions=1_000_000, contents=20_000)


@dataclass(frozen=True, slots=True)
class Populated:
    url: str
    size: Size


def populated(bench: Bench, full: Size) -> Populated:
    """A database of that size, less where the run is a quick look; made once in a run."""
    size = full.at(bench.scale)
    return bench.once(f"populated {size}", lambda: _populate(bench, size))


def writable(bench: Bench, full: Size) -> Populated:
    """The same with what the consumer reads beside: event ids, sessions, profiles, identities."""
    where = populated(bench, full)
    return bench.once(f"writable {where.size}", lambda: _make_writable(bench, where))


def learnable(bench: Bench, full: Size, active: int) -> Populated:
    """One of which everybody was learned, as of noon, and a table `active` of so many of them."""
    size = full.at(bench.scale)
    return bench.once(f"learnable {size}", lambda: _make_learnable(bench, size, active))


def readable(bench: Bench, full: Size, users: Sequence[str]) -> Populated:
    """The same with all that is learned of these users in turns, and journeys of made-up visits."""
    where = learnable(bench, full, 1)
    bench.once(f"readable {where.size}", lambda: _make_readable(bench, where, users))
    return where


def visited(bench: Bench, full: Size) -> Populated:
    """One of visits, their sessions and interactions, counted for reports."""
    size = full.at(bench.scale)
    return bench.once(f"visited {size}", lambda: _make_visited(bench, size))


def noon(bench: Bench) -> datetime:
    """Far from midnight: what is done once a day would be done in some rounds only."""
    return bench.now.replace(hour=12, minute=0, second=0, microsecond=0)


def user_of(size: Size, source: random.Random) -> str:
    """A user, drawn in proportion to how active they are."""
    return user(int(size.users * source.random() ** 2))


def user(number: int) -> str:
    """From 0, who is the most active."""
    return str(uuid.UUID(md5(f"person {number}".encode(), usedforsecurity=False).hexdigest()))


def _populate(bench: Bench, size: Size) -> Populated:
    url = bench.postgres.make_database()
    with connect(url) as connection:
        _fill(connection, {**asdict(size), "now": bench.now})
    _learn(url, bench)
    with connect(url) as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
    return Populated(url, size)


def _make_writable(bench: Bench, where: Populated) -> Populated:
    with connect(where.url) as connection:
        connection.execute("SET synchronous_commit = off")
        for name in ("fill_event_ids", "fill_sessions", "fill_profiles"):
            connection.execute(QUERIES[name], {"users": where.size.users, "now": bench.now})
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
    return where


def _make_learnable(bench: Bench, size: Size, active: int) -> Populated:
    url = bench.postgres.make_database()
    parameters = {**asdict(size), "now": noon(bench), "active": active}
    with connect(url) as connection:
        _fill(connection, parameters)
        for name in ("describe_content", "describe_people", "choose_active"):
            connection.execute(QUERIES[name], parameters)
        connection.execute("VACUUM ANALYZE")
    database = Database(url, learning.QUERIES, statement_seconds=600)
    trends.learn(database, noon(bench))
    _learn_content(database, noon(bench))
    learning.analyze(database, all_shards(1), noon(bench), lambda: True)
    tastes.learn(database, noon(bench), lambda: True)
    database.close()
    with connect(url) as connection:
        connection.execute("CHECKPOINT")
    return Populated(url, size)


def _make_readable(bench: Bench, where: Populated, users: Sequence[str]) -> None:
    source = random.Random(5)
    symbols = [f"content_interaction:view_{kind}" for kind in ("project", "job", "article", "profile")]
    visits = [source.choices([*symbols, "page_view", "search"], k=8) for _ in range(20_000)]
    model = journeys.learn(visits)
    database = Database(where.url, learning.QUERIES, statement_seconds=600)
    database.run(lambda transaction: visits_learned.keep(transaction, model, {}, noon(bench)))
    for done in range(0, len(users), tastes.LOT):
        lot = users[done : done + tastes.LOT]
        database.run(partial(tastes.learn_lot, user_ids=lot, now=noon(bench)))
    database.close()
    with connect(where.url) as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def _make_visited(bench: Bench, size: Size) -> Populated:
    url = bench.postgres.make_database()
    with connect(url) as connection:
        connection.execute("SET synchronous_commit = off")
        connection.execute("SELECT setseed(0.5)")
        for name in ("fill_content", *(name for name in QUERIES if name.startswith("fill_visit"))):
            connection.execute(QUERIES[name], {**asdict(size), "now": bench.now})
        connection.execute("VACUUM ANALYZE")
    database = Database(url, learning.QUERIES, statement_seconds=600)
    counts.learn(database, bench.now, lambda: True)
    database.close()
    with connect(url) as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
    return Populated(url, size)


def _fill(connection: psycopg.Connection[dict[str, Any]], parameters: dict[str, Any]) -> None:
    connection.execute("SET synchronous_commit = off")
    connection.execute("SELECT setseed(0.5)")
    for name in (
        "fill_content",
        "fill_activities",
        "fill_interactions",
        "fill_live_counts",
        "fill_preferences",
    ):
        connection.execute(QUERIES[name], parameters)
    connection.execute("ANALYZE")


def _learn(url: str, bench: Bench) -> None:
    """Trends and what belongs together, as analyze learns them; there are no profiles, so nothing more."""
    database = Database(url, learning.QUERIES, statement_seconds=600)
    if not trends.learn(database, bench.now):
        raise BenchmarkError("there were no trends to learn")
    _learn_content(database, bench.now)
    database.close()


def _learn_content(database: Database, now: datetime) -> None:
    if not content.learn(database, now, lambda: True).trained:
        raise BenchmarkError("there was no content model to learn")
    database.run(
        lambda transaction: transaction.run(
            "keep_blend",
            # Random numbers teach no weights, or others at each size: here a feed reads all it may.
            weights=list(signals.PRIOR),
            cold_weights=list(signals.PRIOR),
            basis="{}",
            evidence='{"seconds": 0}',
            now=now,
        )
    )
