"""Months: made ahead, and dropped when they are older than the retention.

One month more is kept than ingest accepts, so that an event that waited in a queue still finds its month.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from footfall import queries
from footfall.months import month

TABLES = ("user_activities", "content_interactions", "impressions")
MONTHS_AHEAD = 3
# A busy table isn't waited for longer than this, so that those who queue behind us hardly notice.
LOCK_TIMEOUT = "500ms"
ATTEMPTS = 20

Connection = psycopg.Connection[Any]
QUERIES = queries.load(Path(__file__).parent)


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What one run did: the names of the months made and dropped."""

    made: list[str]
    dropped: list[str]


def upkeep(connection: Connection, now: datetime, retention_months: int) -> Upkeep:
    """Makes the months of the retention and those ahead; drops older ones. Safe to repeat, beside writers.

    Args:
        connection: the owner's, in autocommit mode.
    """
    oldest = month(now, -retention_months - 1)
    done = Upkeep([], [])
    for table in TABLES:
        existing = {row["name"] for row in connection.execute(QUERIES["list_partitions"], {"table": table})}
        for start in _months(oldest, month(now, MONTHS_AHEAD)):
            if _name(table, start) not in existing:
                _patiently(connection, partial(_make, connection, table, start))
                done.made.append(_name(table, start))
        for name in sorted(existing):
            if name < _name(table, oldest):
                _patiently(connection, partial(_drop, connection, name))
                done.dropped.append(name)
    if done.dropped:
        _prune(connection, oldest)
    return done


def _months(first: datetime, last: datetime) -> Iterator[datetime]:
    while first <= last:
        yield first
        first = month(first, 1)


def _name(table: str, start: datetime) -> str:
    return f"{table}_{start:%Y_%m}"


def _make(connection: Connection, table: str, start: datetime) -> None:
    # Attaching takes a lock that writers don't notice; CREATE TABLE … PARTITION OF would stop them.
    name = sql.Identifier(_name(table, start))
    connection.execute(
        sql.SQL("CREATE TABLE IF NOT EXISTS {} (LIKE {} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)").format(
            name, sql.Identifier(table)
        )
    )
    connection.execute(
        sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
            sql.Identifier(table), name, sql.Literal(start), sql.Literal(month(start, 1))
        )
    )


def _drop(connection: Connection, name: str) -> None:
    connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(name)))


def _patiently(connection: Connection, step: Callable[[], None]) -> None:
    for attempt in range(ATTEMPTS):
        try:
            with connection.transaction():
                connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(LOCK_TIMEOUT))
                step()
            return
        except psycopg.errors.LockNotAvailable:
            if attempt == ATTEMPTS - 1:
                raise
            time.sleep(0.1 * (attempt + 1))


def _prune(connection: Connection, oldest: datetime) -> None:
    for query in ("prune_sessions", "prune_event_ids"):
        while connection.execute(QUERIES[query], {"before": oldest}).rowcount:
            pass
    connection.execute(QUERIES["prune_live_counts"], {"before": oldest})
