"""Promise 3, with a household's reckoning as second opinion: each row belongs to whom it should."""

import os
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from footfall.database import Database, Row, connect
from functions.session import relinking
from functions.session.consuming import consume
from functions.session.writing import QUERIES
from local.postgres.roles import let_in
from tests.integration import household
from tests.integration.deliveries import Record, messages
from tests.integration.household import DEVICES, PEOPLE, Household
from tests.integration.writing import step
from tests.tables import clear, table_names

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
CONSUMERS = 3
PATIENCE = 60.0
lives = settings(
    max_examples=2_000 if THOROUGH else 40,
    deadline=None,
    phases=[phase for phase in Phase if phase is not Phase.explain],
    # Each example begins by emptying the tables.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Home:
    """A database, and what it says whose everything is."""

    def __init__(self, url: str, database: Database, connection: psycopg.Connection[Row]) -> None:
        self.url = url
        self.database = database
        self._connection = connection
        self._tables = table_names(connection)

    def empty(self) -> None:
        clear(self._connection, self._tables)

    def write(self, records: Sequence[Record]) -> None:
        consume(self.database, messages(records), PATIENCE)

    def work_off(self) -> None:
        assert relinking.work_off(self.database, PATIENCE)
        assert self._rows("SELECT * FROM relinks") == []

    def whose(self) -> dict[str, dict[Any, Any]]:
        who = "user_id::text, is_linked"
        return {
            "activities": self._by(1, f"SELECT id::text, {who} FROM user_activities"),
            "interactions": self._by(1, f"SELECT id::text, {who} FROM content_interactions"),
            "sessions": self._by(2, f"SELECT visitor_id::text, id::text, {who} FROM user_sessions"),
            "profiles": self._by(
                1, "SELECT id::text, activity_count, first_seen_at, last_seen_at, time_zone FROM profiles"
            ),
        }

    def _by(self, key: int, query: str) -> dict[Any, Any]:
        return {row[0] if key == 1 else row[:key]: row[key:] for row in self._rows(query)}

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        found = self._connection.execute(query.encode()).fetchall()
        return [
            tuple(getattr(value, "isoformat", lambda value=value: value)() for value in row.values())
            for row in found
        ]


@pytest.fixture
def home(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    # A history of three activities is long.
    monkeypatch.setattr(relinking, "WHOLE", relinking.Size(100, 2))
    database = Database(let_in(database_url, "footfall_session"), QUERIES)
    with connect(database_url) as connection:
        yield Home(database_url, database, connection)
    database.close()


def reckoned(lived: Household) -> dict[str, dict[Any, Any]]:
    rows = lived.rows()
    return {
        "activities": household.activities(rows),
        "interactions": household.interactions(rows),
        "sessions": household.sessions(rows),
        "profiles": household.profiles(lived),
    }


def live(chance: random.Random | st.DataObject, acts: int) -> Household:
    lived = Household()
    for _ in range(acts):
        lived.act(chance.choice if isinstance(chance, random.Random) else _drawing(chance))
    return lived


def _drawing(data: st.DataObject) -> Any:
    return lambda options: data.draw(st.sampled_from(options))


@lives
@given(data=st.data())
def test_everything_belongs_to_whom_it_should(home: Home, data: st.DataObject) -> None:
    lived = live(data, data.draw(st.integers(1, 14)))
    again = data.draw(st.lists(st.sampled_from(lived.records), max_size=4)) if lived.records else []
    order = data.draw(st.permutations([*lived.records, *again]))
    cuts = sorted(data.draw(st.sets(st.integers(1, max(len(order), 1)), max_size=7)) | {0, len(order)})
    home.empty()
    for start, end in pairwise(cuts):
        home.write(order[start:end])
        # A consumer may be killed after any of its steps.
        for _ in range(data.draw(st.integers(0, 2))):
            home.database.run(step)
    home.work_off()
    assert home.whose() == reckoned(lived)


@lives
@given(data=st.data())
def test_undoing_a_tie_restores_the_state_and_so_does_tying_again(home: Home, data: st.DataObject) -> None:
    lived = live(data, data.draw(st.integers(1, 10)))
    visitor, user = lived.visitor(data.draw(st.sampled_from(DEVICES))), data.draw(st.sampled_from(PEOPLE))
    ties = lived.ties[visitor]
    if user in ties.since and user not in ties.undone:
        lived.unlink(visitor, user)
    home.empty()
    home.write(lived.records)
    home.work_off()
    states = [home.whose()]
    for act in (lived.tie, lived.unlink) * 2:
        told = len(lived.records)
        act(visitor, user)
        home.write(lived.records[told:])
        home.work_off()
        states.append(home.whose())
        assert states[-1] == reckoned(lived)
    # An identify event says by itself that its user was there, so of a profile only the count goes back.
    for state in states:
        state["profiles"] = {user: profile[0] for user, profile in state["profiles"].items() if profile[0]}
    before, tied, undone, tied_again, undone_again = states
    assert (undone, undone_again, tied_again) == (before, before, tied)


@pytest.mark.parametrize("seed", range(60 if THOROUGH else 6))
def test_consumers_at_once_leave_everything_with_whom_it_should_be(home: Home, seed: int) -> None:
    chance = random.Random(seed)
    lived = live(chance, 150)
    shares = [chance.sample(lived.records, len(lived.records)) for _ in range(CONSUMERS)]
    with ThreadPoolExecutor(CONSUMERS) as consumers:
        list(consumers.map(lambda share: work(home.url, share), shares))
    home.work_off()
    assert home.whose() == reckoned(lived)


def work(url: str, records: Sequence[Record]) -> None:
    database = Database(let_in(url, "footfall_session"), QUERIES)
    for start in range(0, len(records), 7):
        consume(database, messages(records[start : start + 7]), PATIENCE)
        relinking.work_off(database, patience=0)
    database.close()
