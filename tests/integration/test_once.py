"""Promise 1, proven on a real Postgres: however events are delivered, the tables hold the same."""

import os
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal, LiteralString
from uuid import NAMESPACE_OID, uuid5

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg.sql import SQL, Identifier

from footfall.database import Database, Row, Transaction, connect
from footfall.errors import DatabaseUnavailableError
from functions.session import consuming, relinking
from functions.session.relinking import work_off
from functions.session.writing import QUERIES, write
from local.postgres.roles import let_in
from tests.integration import expectation
from tests.integration.deliveries import (
    BASE,
    Population,
    Record,
    deliveries,
    event,
    messages,
    prepared,
    repeated_requests,
    winners,
)
from tests.integration.writing import identify
from tests.tables import Tables, clear, dump, table_names

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
CONSUMERS = 4
EVENTS = 280
BATCH = 20
# What several batches may write at once.
KEYS = {
    "event_ids": ("id",),
    "identities": ("anonymous_id", "user_id"),
    "external_ids": ("id",),
    "content": ("content_type", "content_id"),
    "user_sessions": ("visitor_id", "visitor_is_user", "id"),
    "traits": ("owner_id", "owner_is_user", "key"),
    "profiles": ("id",),
    "live_counts": ("minute", "event_type", "is_bot"),
    "quarantine": ("id",),
}
# Everything; two people on one device, whose history changes hands often; few things that are much described.
POPULATIONS = {
    "everybody": Population(),
    "one device": Population(
        anonymous=("device",),
        users=("ada", "grace"),
        kinds=("activity", "identify", "identify", "interaction", "unlink"),
        speakers=("page", "token", "token"),
    ),
    "catalogue": Population(contents=("one",), kinds=("content", "interaction")),
}
# Of what is refused, any copy may be kept; what no month is there for is another test's.
REPEATING = {
    name: replace(
        population, kinds=tuple(kind for kind in population.kinds if kind != "rejected"), lost=False
    )
    for name, population in POPULATIONS.items()
}
# Without unlinks: where one undoes what another consumer knows, that one has to begin anew.
PATIENT = tuple(kind for kind in Population().kinds if kind != "unlink")
# As UUIDs: names that are met for the first time would make consumers take turns.
CROWD = Population(
    anonymous=tuple(str(uuid5(NAMESPACE_OID, f"visitor {number}")) for number in range(40)),
    users=tuple(str(uuid5(NAMESPACE_OID, f"user {number}")) for number in range(20)),
    sessions=(*(str(uuid5(NAMESPACE_OID, f"session {number}")) for number in range(2)), None),
    contents=tuple(str(uuid5(NAMESPACE_OID, f"content {number}")) for number in range(200)),
    kinds=PATIENT,
)
# Without claims, which do so too, they meet in all tables.
CROWDS = {
    "with claims": CROWD,
    "busy": replace(CROWD, kinds=("activity", "activity", "interaction")),
}


Lane = Literal["records", "bundles"]
# The two ways into the tables: record by record, and as ingest bundles what is usual.
LANES: dict[Lane, Callable[[Database, Sequence[Record]], int]] = {
    "records": lambda database, batch: write(database, batch, patience=0),
    "bundles": lambda database, batch: consuming.consume(database, messages(batch), patience=0),
}


@dataclass
class Store:
    """A database whose tables can be emptied and read."""

    url: str
    database: Database
    connection: psycopg.Connection[Row]
    tables: list[str]

    def deliver(self, batches: Sequence[Sequence[Record]], lane: Lane = "bundles") -> Tables:
        """What the emptied tables hold after these batches, one after the other."""
        clear(self.connection, self.tables)
        for batch in batches:
            LANES[lane](self.database, batch)
        assert work_off(self.database, patience=60)
        return self.dump()

    def dump(self) -> Tables:
        return dump(self.connection, self.tables)

    def rows(self, query: str) -> list[Row]:
        """With ids as text."""
        return [
            {key: str(value) if key.endswith("id") and value else value for key, value in row.items()}
            for row in self.connection.execute(query.encode())
        ]


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    database = Database(let_in(database_url, "footfall_session"), QUERIES)
    with connect(database_url) as connection:
        yield Store(database_url, database, connection, table_names(connection))
    database.close()


@pytest.fixture(autouse=True)
def short_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A history of three activities is long."""
    monkeypatch.setattr(relinking, "WHOLE", relinking.Size(100, 2))


@pytest.mark.parametrize("population", POPULATIONS)
@settings(
    max_examples=2_000 if THOROUGH else 50,
    deadline=None,
    phases=[phase for phase in Phase if phase is not Phase.explain],
    # Each example begins by emptying the tables.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_any_delivery_leaves_what_one_in_order_leaves(
    store: Store, population: str, data: st.DataObject
) -> None:
    delivery = data.draw(deliveries(POPULATIONS[population]))
    once = store.deliver([delivery.records], "records")
    assert_expected(store, delivery.records)
    assert store.deliver([delivery.records]) == once
    assert store.deliver(delivery.batches) == once


@pytest.mark.parametrize("population", REPEATING)
@settings(
    max_examples=2_000 if THOROUGH else 50,
    deadline=None,
    phases=[phase for phase in Phase if phase is not Phase.explain],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_of_a_request_that_was_sent_again_the_first_copy_wins_whole(
    store: Store, population: str, data: st.DataObject
) -> None:
    delivery = data.draw(repeated_requests(REPEATING[population]))
    won = winners(delivery.batches)
    after_all = store.deliver(delivery.batches, "records")
    assert_expected(store, won)
    assert store.deliver([won], "records") == after_all


@pytest.mark.parametrize("seed", range(10 if THOROUGH else 2))
@pytest.mark.parametrize("crowd", CROWDS)
def test_consumers_at_once_leave_the_same_and_never_deadlock(store: Store, crowd: str, seed: int) -> None:
    chance = random.Random(seed)
    events = [event(chance.choice, number, CROWDS[crowd]) for number in range(EVENTS)]
    records = [copy for copies in events for copy in copies]
    expected = store.deliver([records])
    assert_expected(store, records)
    clear(store.connection, store.tables)
    slow_down(store)
    orders = [order(chance, records, consumer) for consumer in range(CONSUMERS)]
    with ThreadPoolExecutor(CONSUMERS) as consumers:
        undone = sum(consumers.map(lambda records: consume(store.url, records), orders))
    assert work_off(store.database, patience=60)
    assert store.dump() == expected
    assert (undone, deadlocks(store)) == (0, 0)


def slow_down(store: Store) -> None:
    """Each row that batches share takes a moment, so that they overlap on any machine."""
    before_each_row(
        store, ("content", "user_sessions", "traits", "profiles", "live_counts"), "PERFORM pg_sleep(0.001);"
    )


def before_each_row(store: Store, tables: Sequence[str], statement: LiteralString) -> None:
    function = (
        "CREATE FUNCTION observe() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
        " AS $$BEGIN {} RETURN NEW; END$$"
    )
    trigger = "CREATE TRIGGER observe BEFORE INSERT ON {} FOR EACH ROW EXECUTE FUNCTION observe()"
    store.connection.execute(SQL(function).format(SQL(statement)))
    for table in tables:
        store.connection.execute(SQL(trigger).format(Identifier(table)))


@pytest.mark.parametrize("lane", LANES)
def test_each_table_is_locked_in_the_order_of_its_keys(store: Store, lane: Lane) -> None:
    chance = random.Random(0)
    records = [copy for number in range(200) for copy in event(chance.choice, number, Population())]
    store.connection.execute(
        "CREATE TABLE locked (number serial, name text, line jsonb, transaction xid8, statement text)"
    )
    before_each_row(
        store,
        tuple(KEYS),
        # Profiles are made before the first one is locked.
        "INSERT INTO locked (name, line, transaction, statement) VALUES (TG_TABLE_NAME, to_jsonb(NEW),"
        " pg_current_xact_id(), CASE TG_TABLE_NAME WHEN 'profiles' THEN statement_timestamp()::text END);",
    )
    good = [record for record in records if not record.get("created_at", "").startswith("1999")]
    LANES[lane](store.database, good)
    for table, key in KEYS.items():
        lines = store.connection.execute(
            "SELECT transaction::text, statement, line FROM locked WHERE name = %s ORDER BY number", [table]
        )
        keys = [
            (int(row["transaction"]), row["statement"] or "", *(row["line"][column] for column in key))
            for row in lines.fetchall()
        ]
        assert len(keys) > 1, table
        assert keys == sorted(keys), table


def test_profiles_are_locked_in_the_order_of_their_keys(store: Store) -> None:
    users = [uuid5(NAMESPACE_OID, str(number)) for number in range(50)]
    records = [identify(str(user)) for user in users]
    write(store.database, [prepared(record, BASE) for record in records], patience=0)

    def lock(transaction: Transaction) -> list[Row]:
        transaction.run("create_incoming")
        return transaction.all("lock_profiles", user_ids=users)

    assert [row["id"] for row in store.database.run(lock)] == sorted(users)


def order(chance: random.Random, records: Sequence[Record], consumer: int) -> list[Record]:
    """First a consumer's own share, so that all are busy at once; then everybody's once more."""
    own = records[consumer::CONSUMERS]
    return [*chance.sample(own, len(own)), *chance.sample(records, len(records))]


def consume(url: str, records: Sequence[Record]) -> int:
    """Delivers batches as the queue would, again where the database undid one; how often it did."""
    database = Database(let_in(url, "footfall_session"), QUERIES)
    batches = [records[start : start + BATCH] for start in range(0, len(records), BATCH)]
    undone = 0
    while batches:
        try:
            LANES["bundles"](database, batches[0])
            work_off(database, patience=0)
            batches.pop(0)
        except DatabaseUnavailableError:
            undone += 1
    database.close()
    return undone


def deadlocks(store: Store) -> int:
    """Those that Postgres counted; consumers that have closed have reported theirs."""
    [row] = store.rows("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    return int(row["deadlocks"])


def assert_expected(store: Store, records: Sequence[Record]) -> None:
    """The tables against what Python reckons from the events."""
    events = expectation.events_of(records)
    for table, kinds in {
        "user_activities": expectation.STORED,
        "content_interactions": ["interaction"],
    }.items():
        stored = store.rows(f"SELECT id, user_id, is_linked, session_id FROM {table}")
        assert {tuple(row.values()) for row in stored} == expectation.activities(events, kinds)
    assert_same(store.rows("SELECT * FROM user_sessions"), ("visitor_id", "id"), expectation.sessions(events))
    assert_same(store.rows("SELECT * FROM profiles"), ("id",), expectation.profiles(events))
    counts = store.rows("SELECT * FROM live_counts")
    assert {(row["minute"], row["event_type"], row["is_bot"]): row["events"] for row in counts} == (
        expectation.live_counts(events)
    )


def assert_same(rows: list[Row], key: tuple[str, ...], expected: dict[tuple[str, ...], Row]) -> None:
    """Each expected column of each expected row, and no other rows."""
    found = {tuple(row[column] for column in key): row for row in rows}
    assert found.keys() == expected.keys()
    for name, columns in expected.items():
        assert {column: found[name][column] for column in columns} == columns
