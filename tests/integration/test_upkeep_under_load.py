"""A month comes and one goes while consumers write and somebody reads for long: nobody waits, all is kept."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from uuid import NAMESPACE_OID, uuid5

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from footfall.database import Database, Row, connect
from footfall.events import VERSION, dumps
from footfall.months import month
from footfall.settings import Settings
from functions.maintain.handler import maintain
from functions.maintain.partitions import TABLES
from functions.session.consuming import consume
from functions.session.writing import QUERIES
from local.postgres.roles import let_in
from tests.integration.deliveries import BASE, Record
from tests.integration.waiting import until

WRITERS = 4
EVENTS = 20
RETENTION = 1
# Of a month, besides the one that is in use until the boundary is crossed.
OLDEST, NEXT = month(BASE, -RETENTION - 1), month(BASE, 1)
# A writer that waits for any lock for so long fails, and the test with it.
LONGEST_WAIT = "1s"
REPORT_SECONDS = 2
WAITING = """
SELECT relation::regclass::text AS name FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE datname = current_database() AND usename = 'footfall_session' AND locktype = 'relation' AND NOT granted
"""
Connection = psycopg.Connection[Row]


@pytest.fixture
def url(empty_database_url: str) -> str:
    """Maintained in the month before the boundary; what asks for a lock there is impatient."""
    maintain(settings(empty_database_url), BASE)
    with connect(empty_database_url) as owner:
        impatient = "ALTER ROLE footfall_session IN DATABASE {} SET lock_timeout = {}"
        owner.execute(SQL(impatient).format(Identifier(owner.info.dbname), LONGEST_WAIT))
    return empty_database_url


def settings(url: str) -> Settings:
    return Settings({"DATABASE_URL": url, "RETENTION_MONTHS": str(RETENTION)})


class Writing:
    """What one consumer writes until it is told to stop."""

    def __init__(self, url: str, number: int) -> None:
        self.created: dict[str, datetime] = {}
        # When each of its writes began, and how long it took.
        self.writes: list[tuple[float, float]] = []
        self._database = Database(let_in(url, "footfall_session"), QUERIES)
        self._chance = random.Random(number)
        self._number = number

    def until(self, done: threading.Event) -> None:
        for number in count():
            if done.is_set():
                return
            records = [self._record(f"{self._number} {number} {place}") for place in range(EVENTS)]
            body = dumps({"version": VERSION, "received_at": NEXT.isoformat(), "events": records})
            began = time.monotonic()
            # No patience: what is not stored at once is an error.
            consume(self._database, {"message": body}, 0.0)
            self.writes.append((began, time.monotonic() - began))
            self.created |= {record["id"]: datetime.fromisoformat(record["created_at"]) for record in records}

    def close(self) -> None:
        self._database.close()

    def _record(self, name: str) -> Record:
        """On either side of the boundary; some so late that their month is dropped meanwhile."""
        near = OLDEST if self._chance.random() < 0.01 else NEXT
        created_at = near + timedelta(seconds=self._chance.uniform(-300, 300) if near is NEXT else 1)
        visitor = str(uuid5(NAMESPACE_OID, f"visitor {self._chance.randrange(50)}"))
        session = str(uuid5(NAMESPACE_OID, f"{visitor} {near}"))
        return {
            "kind": "activity",
            "id": str(uuid5(NAMESPACE_OID, name)),
            "created_at": created_at.isoformat(),
            "event_type": "page_view",
            "anonymous_id": visitor,
            "session_id": session,
        }


def test_a_month_comes_and_one_goes_while_consumers_write(url: str) -> None:
    writers = [Writing(url, number) for number in range(WRITERS)]
    done = threading.Event()
    with (
        ThreadPoolExecutor(WRITERS + 2) as pool,
        connect(url) as owner,
        connect(url) as reader,
        connect(url) as watcher,
    ):
        writing = [pool.submit(writer.until, done) for writer in writers]
        watching = pool.submit(queued_behind, watcher, done)
        try:
            until(partial(more_than, owner, 1_000))
            with reader.transaction():
                # A report that reads all months, and takes its time.
                total(reader, "user_activities")
                began = time.monotonic()
                upkeep = pool.submit(maintain, settings(url), NEXT)
                time.sleep(REPORT_SECONDS)
                assert not upkeep.done()
            dropped = upkeep.result()["dropped"]
            took = time.monotonic() - began
            until(partial(more_than, owner, total(owner, "event_ids") + 1_000))
        finally:
            done.set()
        for one in writing:
            one.result()
        assert watching.result() == []
        assert dropped == [f"{table}_{OLDEST:%Y_%m}" for table in TABLES]
        assert_nothing_lost(owner, {name: at for writer in writers for name, at in writer.created.items()})
    for writer in writers:
        writer.close()
    writes = [write for writer in writers for write in writer.writes]
    during = [seconds for at, seconds in writes if began <= at + seconds and at <= began + took]
    before = [seconds for at, seconds in writes if at + seconds < began]
    print(f"maintain took {took:.2f} s beside a report of {REPORT_SECONDS} s; the longest write meanwhile")
    print(
        f"took {max(during):.3f} s ({len(during)} writes), and before it {max(before):.3f} s ({len(before)})"
    )


def queued_behind(watcher: Connection, done: threading.Event) -> list[str]:
    """The tables that a writer had to wait for, as seen every few milliseconds."""
    found: set[str] = set()
    while not done.wait(0.005):
        found |= {row["name"] for row in watcher.execute(WAITING)}
    return sorted(found)


def assert_nothing_lost(owner: Connection, created: dict[str, datetime]) -> None:
    kept = {name for name, created_at in created.items() if created_at >= month(OLDEST, 1)}
    late = created.keys() - kept
    assert ids(owner, "user_activities") == ids(owner, "event_ids") == kept
    # What came before its month was dropped went with it.
    refused = {str(row["id"]): row["reason"] for row in owner.execute("SELECT id, reason FROM quarantine")}
    assert 0 < len(refused) < len(late)
    assert refused.keys() <= late
    assert all("no partition of relation" in reason for reason in refused.values())
    for query in ("sum(page_views) AS rows FROM user_sessions", "sum(events) AS rows FROM live_counts"):
        assert one(owner, f"SELECT {query}") == len(kept)


def ids(owner: Connection, table: str) -> set[str]:
    return {str(row["id"]) for row in owner.execute(f"SELECT id FROM {table}".encode())}


def more_than(owner: Connection, events: int) -> bool:
    return total(owner, "event_ids") > events


def total(connection: Connection, table: str) -> int:
    return one(connection, f"SELECT count(*) AS rows FROM {table}")


def one(connection: Connection, query: str) -> int:
    [row] = connection.execute(query.encode())
    return int(row["rows"])
