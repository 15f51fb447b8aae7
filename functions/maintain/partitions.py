"""Months: made ahead, and dropped when they are older than the retention.

One month more is kept than ingest accepts, so that an event that waited in a queue still finds its month.
One that comes even later is refused by the database, alone, and goes to quarantine.

Nobody waits for the upkeep: months are attached, and detached concurrently, under locks beside which all
others read and write. A long reader of an old month holds up the upkeep alone.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from footfall import queries
from footfall.months import month
from footfall.telemetry import logger
from functions.maintain.turns import Connection, turn

TABLES = ("user_activities", "content_interactions", "impressions")
MONTHS_AHEAD = 3
# How long a step waits for whoever uses a month, and how often: the run has to end.
LOCK_TIMEOUT = "500ms"
ATTEMPTS = 20
# 8 kB each: some hundred thousand event ids in one transaction.
BLOCKS_AT_ONCE = 2_000

# The comment of a month whose end was begun.
_GOING = "Is being dropped."

QUERIES = queries.load(Path(__file__).parent)


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What one run did: the names of the months made and dropped."""

    made: list[str]
    dropped: list[str]


def upkeep(connection: Connection, now: datetime, retention_months: int) -> Upkeep:
    """Makes the months of the retention and those ahead; drops older ones. Safe to repeat, beside writers.

    Args:
        connection: the owner's, in autocommit mode, with rows as dicts.

    Raises:
        psycopg.Error: the first failure, as where a table stayed busy; what could be done was done.
    """
    oldest = _oldest(now, retention_months)
    done = Upkeep([], [])
    failures: list[psycopg.Error] = []
    with turn(connection):
        # Making waits for nobody; dropping may have to give up, and then the months ahead are there.
        for table in TABLES:
            with _put_off(failures):
                done.made.extend(_make_missing(connection, table, oldest, now, None))
        for table in TABLES:
            with _put_off(failures):
                done.dropped.extend(_drop_old(connection, table, oldest))
        with _put_off(failures):
            _prune(connection, oldest)
    if failures:
        raise failures[0]
    return done


@contextmanager
def _put_off(failures: list[psycopg.Error]) -> Iterator[None]:
    """One table's failure is no reason to leave the others alone."""
    try:
        yield
    except psycopg.Error as error:
        logger("maintain").warning("a part of the upkeep failed", extra={"reason": str(error)})
        failures.append(error)


def make_months(
    connection: Connection, now: datetime, retention_months: int, attempts: int | None = None
) -> list[str]:
    """The names of those that were missing, of the retention and ahead. Within a turn.

    Args:
        attempts: how often a busy table is asked for; once, where the transaction holds locks.

    Raises:
        psycopg.errors.LockNotAvailable: a table stayed busy.
    """
    oldest = _oldest(now, retention_months)
    return [name for table in TABLES for name in _make_missing(connection, table, oldest, now, attempts)]


def _oldest(now: datetime, retention_months: int) -> datetime:
    return month(now, -retention_months - 1)


def _make_missing(
    connection: Connection, table: str, oldest: datetime, now: datetime, attempts: int | None
) -> Iterator[str]:
    existing = {partition["name"] for partition in _partitions(connection, table)}
    for start in _months(oldest, month(now, MONTHS_AHEAD)):
        name = _name(table, start)
        if name not in existing:
            _patiently(connection, partial(_make, connection, table, start), attempts)
            yield name


def _drop_old(connection: Connection, table: str, oldest: datetime) -> Iterator[str]:
    for partition in _partitions(connection, table):
        name = partition["name"]
        if name < _name(table, oldest) or partition["is_going"]:
            _patiently(connection, partial(_doom, connection, name))
            _patiently(connection, partial(_detach, connection, table, name), is_one=False)
            _patiently(connection, partial(_drop, connection, name))
            yield name


def _partitions(connection: Connection, table: str) -> list[Any]:
    """The months of a table, and those whose end was begun."""
    going = {"table": table, "mark": _GOING}
    return connection.execute(QUERIES["list_partitions"], going).fetchall()


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
        sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)").format(
            name, sql.Identifier(table)
        )
    )
    connection.execute(
        sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
            sql.Identifier(table), name, sql.Literal(start), sql.Literal(month(start, 1))
        )
    )


def _doom(connection: Connection, name: str) -> None:
    """So that the next run knows one that this run detached from one that somebody detached to keep it."""
    connection.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(sql.Identifier(name), sql.Literal(_GOING)))


def _detach(connection: Connection, table: str, name: str) -> None:
    """Goes on where it was given up."""
    parameters = {"name": name}
    for row in connection.execute(QUERIES["partition_state"], parameters).fetchall():
        if row["is_pending"]:
            finalize(connection, table, name)
        else:
            statement = sql.SQL("ALTER TABLE {} DETACH PARTITION {} CONCURRENTLY")
            connection.execute(statement.format(sql.Identifier(table), sql.Identifier(name)))


def finalize(connection: Connection, table: str, name: str) -> None:
    """Ends a detach that was given up.

    Where a migration missed the month meanwhile, Postgres 18 refuses, and the month stays; it can be dropped
    as it is, under a lock that the whole table feels for a moment.

    Raises:
        psycopg.errors.LockNotAvailable: somebody reads the month.
    """
    statement = sql.SQL("ALTER TABLE {} DETACH PARTITION {} FINALIZE")
    with suppress(psycopg.errors.DatatypeMismatch), connection.transaction():
        connection.execute(statement.format(sql.Identifier(table), sql.Identifier(name)))


def _drop(connection: Connection, name: str) -> None:
    connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))


def _patiently(
    connection: Connection, step: Callable[[], None], attempts: int | None = None, *, is_one: bool = True
) -> None:
    """Does a step, in one transaction unless it makes its own, again where a lock wasn't given in time."""
    last = (attempts or ATTEMPTS) - 1
    for attempt in range(last + 1):
        try:
            with connection.transaction() if is_one else nullcontext():
                connection.execute("SELECT set_config('lock_timeout', %s, %s)", [LOCK_TIMEOUT, is_one])
                step()
            return
        except psycopg.errors.LockNotAvailable:
            if attempt == last:
                raise
            time.sleep(0.1 * (attempt + 1))
        finally:
            if not is_one:
                connection.execute("RESET lock_timeout")


def _prune(connection: Connection, oldest: datetime) -> None:
    """Live counts go last: while old ones are there, an earlier run didn't get to the end."""
    before = {"before": oldest}
    if not connection.execute(QUERIES["has_to_prune"], before).fetchall():
        return
    while connection.execute(QUERIES["prune_sessions"], before).rowcount:
        pass
    for first in range(0, _blocks(connection), BLOCKS_AT_ONCE):
        blocks = {"first": f"({first},0)", "end": f"({first + BLOCKS_AT_ONCE},0)"}
        connection.execute(QUERIES["prune_event_ids"], before | blocks)
    connection.execute(QUERIES["prune_counts"], before)
    connection.execute(QUERIES["prune_live_counts"], before)


def _blocks(connection: Connection) -> int:
    return sum(row["blocks"] for row in connection.execute(QUERIES["count_event_id_blocks"]))
