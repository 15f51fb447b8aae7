"""The one connection of a function: kept while it is used, left alone in time, and what it tries again."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Barrier
from typing import Any

import pytest

from footfall.database import IDLE, Database, Transaction
from footfall.errors import BadDataError, DatabaseUnavailableError

QUERIES: dict[str, Any] = {
    "make": "CREATE TABLE counted (id integer PRIMARY KEY, value integer NOT NULL)",
    "fill": "INSERT INTO counted VALUES (1, 0), (2, 0)",
    "count": "UPDATE counted SET value = value + 1 WHERE id = %(id)s",
    "values": "SELECT value FROM counted ORDER BY id",
    "40001": "DO $$ BEGIN RAISE EXCEPTION SQLSTATE '40001'; END $$",
    "40P01": "DO $$ BEGIN RAISE EXCEPTION SQLSTATE '40P01'; END $$",
    "22P05": "DO $$ BEGIN RAISE EXCEPTION SQLSTATE '22P05'; END $$",
    "who": "SELECT pg_backend_pid() AS pid",
    "keep": "CREATE TEMPORARY TABLE made (number integer)",
    "kept": "SELECT count(*) FROM made",
    "lines": "COPY made FROM STDIN",
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
        transaction.once("keep")
        transaction.copy("lines", "7\n" if not fails else "no number\n")
        return (transaction.one("kept") or {})["count"]

    with pytest.raises(BadDataError):
        database.run(partial(fill, fails=True))
    assert [database.run(fill), database.run(fill)] == [1, 2]
    with pytest.raises(BadDataError):
        database.run(partial(fill, fails=True))
    database.run(lambda transaction: transaction.all("who"))
    clock.now += IDLE
    assert database.run(fill) == 1
    database.close()


def test_what_a_deadlock_undid_is_done_again(database_url: str) -> None:
    """Two that lock the same rows in opposite orders, each holding one before it asks for the other."""
    owner = Database(database_url, QUERIES)
    owner.run(lambda transaction: (transaction.run("make"), transaction.run("fill")))
    meeting = Barrier(2)
    attempts: list[int] = []

    def count_both(first: int) -> None:
        database, is_new = Database(database_url, QUERIES), True

        def work(transaction: Transaction) -> None:
            nonlocal is_new
            attempts.append(first)
            transaction.run("count", id=first)
            if is_new:
                is_new = False
                meeting.wait()
            transaction.run("count", id=3 - first)

        database.run(work, patience=30)
        database.close()

    with ThreadPoolExecutor(2) as both:
        list(both.map(count_both, (1, 2)))
    assert owner.run(lambda transaction: transaction.all("values")) == [{"value": 2}, {"value": 2}]
    assert len(attempts) > 2
    owner.close()


@pytest.mark.parametrize("code", ["40001", "40P01"])
def test_it_is_tried_again_on_the_same_connection_after_growing_pauses_of_chance(
    database_url: str, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    database = Database(database_url, QUERIES)
    connections: set[int] = set()

    def work(transaction: Transaction) -> None:
        connections.add(backend(transaction))
        transaction.run(code)

    with pytest.raises(DatabaseUnavailableError):
        database.run(work, patience=1.4)
    assert len(connections) == 1
    shares = [pause / (0.02 * 2**number) for number, pause in enumerate(pauses[:6])]
    assert len(shares) == 6
    assert all(0.5 <= share <= 1.5 for share in shares)
    assert len(set(shares)) == 6
    assert max(pauses) <= 1.5
    database.close()


def test_what_is_wrong_is_not_tried_again(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    database = Database(database_url, QUERIES)
    with pytest.raises(BadDataError):
        database.run(lambda transaction: transaction.run("22P05"), patience=5)
    assert pauses == []
    database.close()
