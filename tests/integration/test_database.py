"""The one connection of a function: kept while it is used, left alone no longer than it may be."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from footfall.database import IDLE, Database, Transaction
from footfall.errors import BadDataError

QUERIES: dict[str, Any] = {
    "who": "SELECT pg_backend_pid() AS pid",
    "make": "CREATE TEMPORARY TABLE made (number integer)",
    "count": "SELECT count(*) FROM made",
    "fill": "COPY made FROM STDIN",
    "idle": "SELECT current_setting('idle_session_timeout')::interval AS allowed",
}


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def backend(transaction: Transaction) -> Any:
    return (transaction.one("who") or {})["pid"]


def test_an_idle_connection_is_opened_anew_before_postgres_closes_it(database_url: str) -> None:
    clock = Clock()
    database = Database(database_url, QUERIES, now=clock)
    first = database.run(backend)
    clock.now += IDLE / 2
    assert database.run(backend) == first
    clock.now += IDLE / 2 + timedelta(seconds=1)
    second = database.run(backend)
    assert second != first
    assert database.run(backend) == second
    assert database.run(lambda transaction: transaction.one("idle")) == {"allowed": IDLE}
    database.close()


def test_a_long_transaction_is_no_idleness(database_url: str) -> None:
    """A run of learning holds a lock by its connection."""
    clock = Clock()
    database = Database(database_url, QUERIES, now=clock)

    def work(transaction: Transaction) -> Any:
        clock.now += 2 * IDLE
        return backend(transaction)

    assert database.run(work) == database.run(backend)
    database.close()


def test_what_a_connection_keeps_is_made_once_and_again_when_it_was_undone(
    database_url: str,
) -> None:
    clock = Clock()
    database = Database(database_url, QUERIES, now=clock)

    def fill(transaction: Transaction, *, fails: bool = False) -> Any:
        transaction.once("make")
        transaction.copy("fill", "7\n" if not fails else "no number\n")
        return (transaction.one("count") or {})["count"]

    with pytest.raises(BadDataError):
        database.run(partial(fill, fails=True))
    assert [database.run(fill), database.run(fill)] == [1, 2]
    with pytest.raises(BadDataError):
        database.run(partial(fill, fails=True))
    database.run(lambda transaction: transaction.all("who"))
    clock.now += IDLE
    assert database.run(fill) == 1
    database.close()
