"""Sessions that the server makes: a function of the set of events, whatever their way into the tables."""

import os
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from footfall.database import Database, Row, Transaction, connect
from footfall.errors import DatabaseUnavailableError
from functions.session import visits, writing
from functions.session.relinking import work_off
from functions.session.writing import QUERIES, write
from local.postgres.roles import let_in
from tests.integration import expectation
from tests.integration.deliveries import AGENTS, BASE, Choose, Record, prepared
from tests.integration.writing import Writer, at, identify, message, record, user, writer_of
from tests.tables import clear, table_names

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
CONSUMERS = 4
PATIENCE = 60.0
DEVICES = tuple(str(uuid5(NAMESPACE_OID, f"device {number}")) for number in range(2))
# One of them is called as a device is.
USERS = (DEVICES[0], str(uuid5(NAMESPACE_OID, "somebody")))
# How many events, and how many minutes apart: moments, visits, and days without a pause.
RUNS = ((1, 1), (1, 1), (2, 29.9), (3, 30), (4, 10), (5, 25), (49, 29.4), (50, 29.4), (75, 29))
# Minutes before or after a midnight.
STARTS = (0, 0, 0, 10, 29.9, 30, 31, 55, 60, 90, -1, -15, -29, -31, -12 * 60, 12 * 60, 23 * 60 + 45, 25 * 60)
MIDNIGHT = BASE.replace(second=0) + timedelta(days=3)
WHO: tuple[Record, ...] = (
    {"anonymous_id": DEVICES[0]},
    {"anonymous_id": DEVICES[0]},
    {"anonymous_id": DEVICES[0], "user_id": USERS[1], "verified": True},
    {"anonymous_id": DEVICES[0], "session_id": str(uuid5(NAMESPACE_OID, "own"))},
    {"anonymous_id": DEVICES[1]},
    {"user_id": USERS[0], "verified": True},
    {"user_id": USERS[0]},
)
DID: tuple[Record, ...] = (
    {"kind": "activity", "event_type": "page_view", "page_path": "/"},
    {"kind": "activity", "event_type": "page_view", "page_path": "/a"},
    {"kind": "activity", "event_type": "search"},
    {
        "kind": "interaction",
        "event_type": "content_interaction",
        "content_type": "project",
        "content_id": DEVICES[1],
        "interaction_type": "view",
        "duration_seconds": 5,
    },
)


class Store:
    """A database that is read as the reckoning speaks of it."""

    def __init__(self, url: str, database: Database, connection: psycopg.Connection[Row]) -> None:
        self.url = url
        self.database = database
        self._connection = connection
        self._tables = table_names(connection)

    def empty(self) -> None:
        clear(self._connection, self._tables)

    def rows(self, query: str) -> list[Row]:
        """With ids as text."""
        return [
            {key: str(value) if key.endswith("id") and value else value for key, value in row.items()}
            for row in self._connection.execute(query.encode())
        ]

    def assert_made_of(self, records: Sequence[Record]) -> None:
        events = expectation.events_of(records)
        for table, kinds in {
            "user_activities": expectation.STORED,
            "content_interactions": ["interaction"],
        }.items():
            stored = self.rows(f"SELECT id, user_id, is_linked, session_id FROM {table}")
            assert {tuple(row.values()) for row in stored} == expectation.activities(events, kinds)
        found = {(row["visitor_id"], row["id"]): row for row in self.rows("SELECT * FROM user_sessions")}
        expected = expectation.sessions(events)
        shown = {key: {column: row[column] for column in expected.get(key, ())} for key, row in found.items()}
        assert shown == expected


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    database = Database(let_in(database_url, "footfall_session"), QUERIES)
    with connect(database_url) as connection:
        yield Store(database_url, database, connection)
    database.close()


@pytest.fixture
def writer(database_url: str) -> Iterator[Writer]:
    with writer_of(database_url) as opened:
        yield opened


def runs(choose: Choose, count: int) -> list[Record]:
    """The events of devices that come and go, as the consumer sees them."""
    records = []
    for run in range(count):
        who, (events, minutes), start = choose(WHO), choose(RUNS), choose(STARTS)
        for number in range(events):
            happened = MIDNIGHT + timedelta(minutes=start + number * minutes)
            said = {
                **choose(DID),
                **who,
                "id": str(uuid5(NAMESPACE_OID, f"{run} {number}")),
                "created_at": happened.isoformat(),
            }
            records.append(
                prepared(said, happened + timedelta(seconds=choose((0, 3, 4_000))), choose(AGENTS))
            )
    return records


@settings(
    max_examples=1_000 if THOROUGH else 40,
    deadline=None,
    phases=[phase for phase in Phase if phase is not Phase.explain],
    # Each example begins by emptying the tables.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_any_delivery_makes_the_visits_of_the_set_of_events(store: Store, data: st.DataObject) -> None:
    chance = data.draw(st.randoms(use_true_random=False))
    records = runs(lambda options: data.draw(st.sampled_from(options)), data.draw(st.integers(1, 4)))
    order = [*records, *chance.sample(records, len(records) // 3)]
    if data.draw(st.booleans()):
        chance.shuffle(order)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(order)), max_size=9)) | {0, len(order)})
    store.empty()
    for start, end in pairwise(cuts):
        write(store.database, order[start:end], patience=0)
    store.assert_made_of(records)
