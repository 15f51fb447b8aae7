"""Sessions that the server makes: a function of the set of events, whatever their way into the tables."""

import json
import os
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from threading import Event
from typing import Any, TypeVar
from uuid import NAMESPACE_OID, RFC_4122, UUID, uuid5

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from footfall.database import Database, Row, Transaction, connect
from footfall.errors import DatabaseUnavailableError
from functions.session import relinking, visits, writing
from functions.session.relinking import work_off
from functions.session.writing import QUERIES, write
from local.postgres.roles import let_in
from tests.integration import expectation
from tests.integration.deliveries import AGENTS, BASE, Choose, Record, prepared
from tests.integration.waiting import until
from tests.integration.writing import VISITOR, Writer, at, identify, message, record, user, writer_of
from tests.tables import clear, table_names

T = TypeVar("T")
THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
CONSUMERS = 4
PATIENCE = 60.0
MINUTE = timedelta(minutes=1)
OWN = str(uuid5(NAMESPACE_OID, "own"))
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
    {"anonymous_id": DEVICES[0], "session_id": OWN},
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
    records: list[Record] = []
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
        if data.draw(st.booleans()):
            kill_while_writing(store.database, order[start:end])
        write(store.database, order[start:end], patience=0)
    store.assert_made_of(records)


def kill_while_writing(database: Database, records: Sequence[Record]) -> None:
    """In the last moment before the commit."""

    def killed(transaction: Transaction) -> None:
        writing._write(transaction, records)
        raise DatabaseUnavailableError("killed")

    with pytest.raises(DatabaseUnavailableError, match="killed"):
        database.run(killed)


@pytest.mark.parametrize("most", [visits.MOST_DEVICES, 1])
@pytest.mark.parametrize("seed", range(20 if THOROUGH else 2))
def test_consumers_at_once_make_the_same_and_never_deadlock(
    store: Store, seed: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visits, "MOST_DEVICES", most)
    chance = random.Random(seed)
    records = runs(chance.choice, 25)
    shares = [chance.sample(records, len(records)) for _ in range(CONSUMERS)]
    with ThreadPoolExecutor(CONSUMERS) as consumers:
        undone = sum(consumers.map(lambda share: consume(store.url, share), shares))
    store.assert_made_of(records)
    assert (
        undone,
        store.rows("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"),
    ) == (
        0,
        [{"deadlocks": 0}],
    )


def consume(url: str, records: Sequence[Record]) -> int:
    """In small batches, again where the database undid one; how often it did."""
    database = Database(let_in(url, "footfall_session"), QUERIES)
    batches = [records[start : start + 9] for start in range(0, len(records), 9)]
    undone = 0
    while batches:
        try:
            write(database, batches[0], patience=0)
            batches.pop(0)
        except DatabaseUnavailableError:
            undone += 1
    database.close()
    return undone


@pytest.mark.parametrize("most", [(9, 9), (0, 9), (9, 0)])
def test_who_comes_second_sees_what_the_first_one_does(
    store: Store, most: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few devices or many in each."""
    monkeypatch.setattr(visits, "MOST_DEVICES", most[0])
    first, second = (prepared(page_view(minutes=minutes), BASE) for minutes in (0, 20))
    with beside(store, [first]) as wait_for:
        monkeypatch.setattr(visits, "MOST_DEVICES", most[1])
        assert wait_for(lambda: write(store.database, [second], patience=0)) == 1
    store.assert_made_of([first, second])


def test_a_history_waits_for_who_moves_the_visits_in_it(store: Store) -> None:
    """Both lock activities, sessions and interactions, and each in its own order."""
    with connect(store.url) as owner:
        owner.execute("INSERT INTO relinks VALUES (%s, %s)", [VISITOR, at(3_600)])
    step = partial(relinking._step, waiting=[VISITOR], most=10)
    with beside(store, [prepared(page_view(), BASE)]) as wait_for:
        assert wait_for(lambda: store.database.run(step))


@contextmanager
def beside(store: Store, records: Sequence[Record]) -> Iterator[Callable[[Callable[[], T]], T]]:
    """A batch that is written and not committed, until what is called then waits for it."""
    written, go_on = Event(), Event()

    def write_slowly(transaction: Transaction) -> None:
        writing._write(transaction, records)
        written.set()
        go_on.wait(PATIENCE)

    def wait_for(work: Callable[[], T]) -> T:
        waiting = threads.submit(work)
        until(lambda: waits(store) or waiting.done())
        assert not waiting.done(), "it didn't wait"
        go_on.set()
        return waiting.result()

    other = Database(let_in(store.url, "footfall_session"), QUERIES)
    with closing(other), ThreadPoolExecutor() as threads:
        writing_slowly = threads.submit(other.run, write_slowly)
        try:
            assert written.wait(PATIENCE)
            yield wait_for
        finally:
            go_on.set()
        writing_slowly.result()


def waits(store: Store) -> bool:
    return bool(
        store.rows(
            "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
    )


VISITS = "SELECT started_at, ended_at, page_views FROM user_sessions ORDER BY started_at"
SESSION = (
    "SELECT id, user_id, is_linked, page_views, actions_count, landing_page, exit_page FROM user_sessions"
)


def page_view(minutes: float = 0, **fields: Any) -> Record:
    """Without a session."""
    return record(**{"session_id": None, "created_at": at(minutes * 60)} | fields)


def send(writer: Writer, *records: Record, speaker: str = "browser", received: float = 60) -> None:
    writer.write(message(*records, speaker=speaker, received=received))


def spans(writer: Writer) -> list[tuple[float, float, int]]:
    """Of each visit: minutes of its beginning and its end, and how many pages were viewed."""
    return [
        ((begun - BASE) / MINUTE, (ended - BASE) / MINUTE, views)
        for begun, ended, views in (
            (datetime.fromisoformat(row[0]), datetime.fromisoformat(row[1]), row[2])
            for row in writer.rows(VISITS)
        )
    ]


def test_half_an_hour_without_an_event_ends_a_visit(writer: Writer) -> None:
    send(writer, page_view(0), page_view(29.999), page_view(60))
    assert spans(writer) == [(0, 29.999, 2), (60, 60, 1)]
    send(writer, page_view(30.001))
    assert spans(writer) == [(0, 60, 4)]


def test_a_late_event_makes_two_visits_one(writer: Writer) -> None:
    like = record("interaction", session_id=None, created_at=at(50 * 60), duration_seconds=5)
    send(writer, page_view(0, page_path="/first"), page_view(45, page_path="/last"), like)
    before = dict(writer.rows("SELECT started_at, id FROM user_sessions"))
    send(writer, page_view(20))
    assert writer.rows(SESSION) == [(before[at()], None, False, 3, 1, "/first", "/last")]
    assert writer.rows("SELECT DISTINCT session_id FROM user_activities") == [(before[at()],)]
    assert writer.rows("SELECT session_id FROM content_interactions") == [(before[at()],)]
    send(writer, {**like, "duration_seconds": 90})
    assert writer.rows("SELECT session_id, duration_seconds FROM content_interactions") == [
        (before[at()], 90)
    ]


def test_a_visit_has_the_id_of_its_earliest_event(writer: Writer) -> None:
    send(writer, page_view(10, page_path="/second"))
    [(later,)] = writer.rows("SELECT id FROM user_sessions")
    send(writer, page_view(0, page_path="/first"))
    [(earlier, *session)] = writer.rows(SESSION)
    assert session == [None, False, 2, 0, "/first", "/second"]
    assert earlier != later
    assert UUID(earlier).variant == RFC_4122
    assert UUID(earlier).version == 8
    assert writer.rows("SELECT DISTINCT session_id FROM user_activities") == [(earlier,)]


def test_what_would_last_a_day_is_cut_at_midnight(writer: Writer) -> None:
    """Also what is stored as one visit already; and what comes later is of a day too."""
    noon = (MIDNIGHT - BASE) / MINUTE - 12 * 60 + 10
    send(writer, *[page_view(noon + 20 * number) for number in range(72)])
    assert spans(writer) == [(noon, noon + 71 * 20, 72)]
    send(writer, identify("ada"), speaker="user")
    send(writer, page_view(noon + 24 * 60))
    assert (
        writer.rows("SELECT user_id, is_linked, is_made FROM user_sessions")
        == [(user("ada"), True, True)] * 2
    )
    assert spans(writer) == [(noon, noon + 35 * 20, 36), (noon + 36 * 20, noon + 72 * 20, 37)]
    send(writer, page_view(noon - 20), page_view(noon + 24 * 60 + 20))
    assert [views for *_, views in spans(writer)] == [37, 38]
    send(writer, *[page_view(noon + 24 * 60 + 20 * number) for number in range(2, 36)])
    assert [views for *_, views in spans(writer)] == [37, 72]
    # Its second day alone is none, and goes on less than a day after it began.
    send(writer, page_view(noon + 24 * 60 + 20 * 35 + 15))
    assert [views for *_, views in spans(writer)] == [37, 72, 1]


@pytest.mark.parametrize("who", [{}, {"anonymous_id": None, "user_id": user("ada")}])
def test_what_a_server_sends_is_of_no_visit_unless_it_says_so(writer: Writer, who: Record) -> None:
    send(writer, page_view(**who), record("interaction", session_id=None, **who), speaker="server")
    assert writer.rows("SELECT * FROM user_sessions") == []
    assert writer.rows("SELECT DISTINCT session_id FROM user_activities") == [(None,)]
    send(writer, page_view(**who, session_id=OWN), speaker="server")
    assert writer.rows("SELECT id, is_made FROM user_sessions") == [(OWN, False)]


def test_messages_that_do_not_say_who_sent_them_are_of_no_visit(writer: Writer) -> None:
    writer.write(message(page_view()))
    assert writer.rows("SELECT * FROM user_sessions") == []


def test_a_user_without_a_device_has_visits_of_its_own(writer: Writer) -> None:
    ada: Record = {"user_id": user("ada"), "verified": True}
    send(writer, page_view(**ada, anonymous_id=None), speaker="user")
    # A page may call itself by a user's id.
    send(writer, page_view(1, anonymous_id=user("ada")))
    sessions = (
        "SELECT visitor_id, visitor_is_user, user_id, page_views FROM user_sessions ORDER BY started_at"
    )
    assert writer.rows(sessions) == [(user("ada"), True, user("ada"), 1), (user("ada"), False, None, 1)]


def test_sessions_of_the_devices_own_and_those_that_are_made_do_not_mix(writer: Writer) -> None:
    send(writer, page_view(0), page_view(10, session_id=OWN), page_view(20), page_view(31, session_id=OWN))
    assert spans(writer) == [(0, 20, 2), (10, 31, 2)]
    assert writer.rows(f"SELECT id = '{OWN}', is_made FROM user_sessions ORDER BY 1") == [
        (False, True),
        (True, False),
    ]


def test_a_tie_moves_no_visit_and_its_undoing_restores_all(writer: Writer, store: Store) -> None:
    send(writer, page_view(0), page_view(20), page_view(60), received=10)
    before = writer.rows("SELECT * FROM user_sessions ORDER BY id")
    send(writer, identify("ada"), speaker="user", received=20)
    tied = writer.rows("SELECT id, user_id, is_linked FROM user_sessions ORDER BY id")
    assert tied == [(row[0], user("ada"), True) for row in before]
    send(writer, page_view(40), received=30)
    assert writer.rows(SESSION) == [
        (*writer.one("SELECT id FROM user_sessions"), user("ada"), True, 4, 0, "/", "/")
    ]
    writer.write(
        message(record("unlink", session_id=None, user_id=user("ada")), speaker="server", received=40)
    )
    assert work_off(store.database, PATIENCE)
    assert writer.rows("SELECT user_id, is_linked FROM user_sessions") == [(None, False)]


def test_a_bots_visit_is_a_bots(writer: Writer) -> None:
    writer.write(message(page_view(), speaker="browser", agent="curl/8.11.0"))
    assert writer.rows("SELECT is_bot, is_made FROM user_sessions") == [(True, True)]


def test_what_names_no_device_keeps_no_neighbour_out(writer: Writer) -> None:
    send(writer, page_view(anonymous_id=None), page_view())
    assert spans(writer) == [(0, 0, 1)]
    assert len(writer.rows("SELECT FROM quarantine")) == 1


# Visits of ten events, a minute apart, every two hours: of one device, and of many others.
HISTORY = """
WITH act AS (
    SELECT device, md5(device || ' act ' || visit || ' ' || n)::uuid AS id, visit,
           %(base)s::timestamptz - visit * interval '2 hours' + n * interval '1 minute' AS at
    FROM (
        SELECT %(device)s::uuid AS device, visit FROM generate_series(1, %(visits)s) AS visit
        UNION ALL
        SELECT md5('other ' || other)::uuid, other %% 300 FROM generate_series(1, %(others)s) AS other
    ) AS visits
    CROSS JOIN generate_series(0, 9) AS n
), named AS (
    SELECT *, visit_id(device, false, md5(device || ' act ' || visit || ' 0')::uuid) AS session_id FROM act
), done AS (
    INSERT INTO user_activities
        (id, anonymous_id, event_type, session_id, session_is_made, created_at, received_at)
    SELECT id, device, 'page_view', session_id, true, at, at FROM named
)
INSERT INTO user_sessions
    (id, is_made, visitor_id, visitor_is_user, started_at, ended_at, first_event_id, created_at, updated_at)
SELECT session_id, true, device, false, min(at), max(at), (array_agg(id ORDER BY at))[1], min(at), max(at)
FROM named GROUP BY device, visit, session_id
"""


class Explaining(Transaction):
    """Notes how many rows its queries take from tables and their indexes, those that they throw away too."""

    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        super().__init__(connection, QUERIES)
        self.connection = connection
        self.read = 0

    def all(self, query: str, /, **parameters: Any) -> list[Row]:
        self.run(query, **parameters)
        return super().all(query, **parameters)

    def run(self, query: str, /, **parameters: Any) -> int:
        text = f"EXPLAIN (ANALYZE, FORMAT JSON) {QUERIES[query]}".encode()
        [row] = self.connection.execute(text, parameters).fetchall()
        nodes = [row["QUERY PLAN"][0]["Plan"]]
        for node in nodes:
            nodes.extend(node.get("Plans", []))
            if node.get("Relation Name", "").startswith("user_") and node["Node Type"] != "ModifyTable":
                thrown = sum(value for key, value in node.items() if key.startswith("Rows Removed by"))
                self.read += int((node["Actual Rows"] + thrown) * node["Actual Loops"])
        return 0


def test_what_is_read_is_bounded_by_the_visits_that_are_touched(store: Store) -> None:
    with connect(store.url) as owner:
        owner.execute(HISTORY, {"base": BASE, "device": DEVICES[0], "visits": 300, "others": 3_000})
        owner.execute("ANALYZE user_activities, user_sessions")
        read = partial(rows_read, owner, DEVICES[0])
        # A visit of the last day may reach so far, or be one of two days of the same.
        assert read(120) < 15
        assert read(-110) < 30
        # Two visits of ten become one: found, moved, forgotten, and reckoned anew.
        assert 30 < read(-205, -180, -155, -130) < 120
        assert rows_read(owner, DEVICES[1], 120) == 0
        owner.execute("DROP INDEX user_sessions_by_visit")
        assert read(120) > 300, "a scan would not be noticed"


def test_what_is_read_of_a_device_that_never_stops_is_bounded_by_a_day(store: Store, writer: Writer) -> None:
    with connect(store.url) as owner:
        owner.execute(HISTORY, {"base": BASE, "device": DEVICES[1], "visits": 1, "others": 3_000})
        events = [prepared(page_view(20 * (36 + number)), BASE) for number in range(4 * 72)]
        write(store.database, events[:71], PATIENCE)
        write(store.database, events[72:], PATIENCE)
        owner.execute("ANALYZE user_activities, user_sessions")
        read = partial(rows_read, owner, VISITOR)
        noon = 12 * 60
        assert read(noon + 4 * 24 * 60) < 10
        # What lasted less than a day becomes part of what lasts for days.
        assert 71 < read(noon + 71 * 20) < 6 * 72
        write(store.database, events[71:72], PATIENCE)
        assert read(noon + 71 * 20 + 1) < 10
        assert [views for *_, views in spans(writer)][-5:] == [36, 72, 72, 72, 36]


def rows_read(owner: psycopg.Connection[Row], device: str, *minutes: float) -> int:
    """For a batch of page views of a device, which is undone."""
    records = [prepared(page_view(minute, anonymous_id=device), BASE) for minute in minutes]
    with owner.transaction(force_rollback=True):
        explaining = Explaining(owner)
        numbered = [{**said, "ordinal": ordinal} for ordinal, said in enumerate(records)]
        Transaction.run(explaining, "create_incoming")
        Transaction.run(explaining, "receive", records=json.dumps(numbered))
        Transaction.run(explaining, "remember_events")
        visits.place(explaining)
    return explaining.read
