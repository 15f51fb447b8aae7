"""A long history changes hands: at once in what decides, in bounded steps in what is stored."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from threading import Event
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import psycopg
import pytest

from footfall.database import Database, Row, Transaction, connect
from footfall.errors import DatabaseUnavailableError
from functions.session import handler, relinking, writing
from functions.session.writing import QUERIES
from local.postgres.roles import let_in
from tests.integration.deliveries import BASE, Record, prepared
from tests.integration.waiting import until
from tests.integration.writing import VISITOR, Writer, at, identify, message, record, step, user, writer_of

Connection = psycopg.Connection[Row]
ADA, GRACE = user("ada"), user("grace")
MOST = relinking.WHOLE.activities
LONG = 2 * MOST + 2_000
# Two activities at each moment, a tenth of them interactions, in sessions of ten.
HISTORY = """
WITH act AS (
    SELECT n, md5('act ' || n)::uuid AS id, %(base)s::timestamptz - n / 2 * interval '1 minute' AS at,
           md5('visit ' || n / 10)::uuid AS session_id, n %% 10 = 0 AS is_interaction
    FROM generate_series(1, %(rows)s) AS n
), done AS (
    INSERT INTO user_activities (id, anonymous_id, event_type, session_id, created_at, received_at, time_zone)
    SELECT id, %(visitor)s, CASE WHEN is_interaction THEN 'content_interaction' ELSE 'page_view' END,
           session_id, at, at, 'Asia/Tokyo'
    FROM act
), met AS (
    INSERT INTO content_interactions
        (id, anonymous_id, content_type, content_id, interaction_type, engagement_score, created_at,
         received_at)
    SELECT id, %(visitor)s, 'project', id, 'view', 0.6, at, at FROM act WHERE is_interaction
)
INSERT INTO user_sessions
    (id, visitor_id, visitor_is_user, started_at, ended_at, first_event_id, created_at, updated_at,
     unnamed_at)
SELECT session_id, %(visitor)s, false, min(at), max(at), (array_agg(id))[1], min(at), max(at), min(at)
FROM act GROUP BY session_id
"""
OTHERS = """
INSERT INTO user_activities (id, anonymous_id, event_type, created_at, received_at)
SELECT gen_random_uuid(), md5('other ' || n %% 5000)::uuid, 'page_view', at, at
FROM generate_series(1, %(rows)s) AS n
CROSS JOIN LATERAL (SELECT %(base)s::timestamptz - n * interval '1 minute') AS act (at)
"""
LINKED = "SELECT count(*) FROM {} WHERE is_linked AND user_id = '" + ADA + "'"


class Context:
    """Lambda gives no time beyond one step."""

    def get_remaining_time_in_millis(self) -> int:
        return int(handler.RESERVE_SECONDS * 1000)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(let_in(database_url, "footfall_session"), QUERIES)
    yield opened
    opened.close()


@pytest.fixture
def writer(database_url: str) -> Iterator[Writer]:
    with writer_of(database_url) as opened:
        yield opened


@pytest.fixture
def long_history(database_url: str, writer: Writer) -> None:
    with connect(database_url) as owner:
        owner.execute(HISTORY, {"base": BASE, "rows": LONG, "visitor": VISITOR})
        owner.execute("ANALYZE user_activities, content_interactions, user_sessions")


def linked(writer: Writer) -> tuple[int, int, int, int]:
    """How many activities, interactions and sessions are Ada's, and what her profile counts."""
    tables = ("user_activities", "content_interactions", "user_sessions")
    counts = [writer.one(LINKED.format(table))[0] for table in tables]
    return *counts, sum(
        count for (count,) in writer.rows(f"SELECT activity_count FROM profiles WHERE id = '{ADA}'")
    )


@pytest.mark.usefixtures("long_history")
def test_a_tie_holds_at_once_and_a_long_history_follows_in_steps(writer: Writer, database: Database) -> None:
    writer.write(message(identify("ada"), received=10))
    activities, interactions, _, counted = linked(writer)
    assert MOST <= activities <= MOST + 1
    assert counted == activities
    assert abs(interactions - activities / 10) <= 1

    late = record(created_at=at(-LONG * 30 + 1), received=20)
    writer.write(message(record(created_at=at(20)), late, received=20))
    assert linked(writer)[0] == activities + 2

    steps: list[int] = []
    while database.run(step):
        steps.append(linked(writer)[0] - activities - sum(steps) - 2)
    assert [0 < step <= MOST + 1 for step in steps] == [True, True]
    assert linked(writer) == (LONG + 2, LONG / 10, LONG / 10 + 2, LONG + 2)
    assert writer.rows("SELECT * FROM relinks") == []
    assert writer.one("SELECT time_zone FROM profiles") == ("Asia/Tokyo",)


@pytest.mark.usefixtures("long_history")
def test_undoing_takes_a_long_history_back_in_steps(writer: Writer, database: Database) -> None:
    writer.write(message(identify("ada"), received=10))
    assert relinking.work_off(database, patience=60)
    writer.write(message(record("unlink", user_id=ADA, session_id=None), received=20))
    assert LONG - MOST - 1 <= linked(writer)[0] <= LONG - MOST
    assert relinking.work_off(database, patience=60)
    assert linked(writer) == (0, 0, 0, 0)
    assert writer.rows("SELECT first_seen_at, last_seen_at, time_zone FROM profiles") == [(at(), at(), None)]


@pytest.mark.usefixtures("long_history")
def test_a_step_that_is_killed_left_nothing_and_is_done_again(writer: Writer, database: Database) -> None:
    writer.write(message(identify("ada"), received=10))
    before = linked(writer)

    def killed(transaction: Transaction) -> None:
        assert step(transaction)
        transaction._connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    for _ in range(3):
        with pytest.raises(DatabaseUnavailableError):
            database.run(killed)
        assert linked(writer) == before
    assert relinking.work_off(database, patience=60)
    assert linked(writer)[0] == LONG


@pytest.mark.usefixtures("long_history")
def test_a_history_that_changes_hands_on_its_way_begins_anew(writer: Writer, database: Database) -> None:
    writer.write(message(identify("grace"), received=20))
    assert database.run(step)
    writer.write(message(identify("ada"), received=10))
    assert relinking.work_off(database, patience=60)
    assert linked(writer) == (LONG, LONG / 10, LONG / 10 + 1, LONG)
    assert writer.one(f"SELECT activity_count FROM profiles WHERE id = '{GRACE}'") == (0,)


@pytest.mark.usefixtures("long_history")
def test_the_queue_wakes_the_function_until_a_history_has_followed(
    writer: Writer, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", let_in(database_url, "footfall_session"))
    handler._database.cache_clear()
    bodies = [message(record(), received=5), message(identify("ada"), received=10)]
    event = {"Records": [{"messageId": str(number), "body": body} for number, body in enumerate(bodies)]}
    calls = 0
    while failures := handler.lambda_handler(event, Context())["batchItemFailures"]:
        assert failures == [{"itemIdentifier": event["Records"][-1]["messageId"]}]
        event["Records"] = event["Records"][-1:]
        calls += 1
    assert calls == 2
    assert linked(writer)[0] == LONG + 1
    handler._database().close()
    handler._database.cache_clear()


@pytest.mark.usefixtures("long_history")
def test_one_consumer_works_off_what_waits_and_the_others_go_on(
    writer: Writer, database: Database, database_url: str
) -> None:
    writer.write(message(identify("ada"), received=10))
    before = linked(writer)
    with connect(database_url) as other, other.transaction():
        other.execute("SELECT pg_advisory_xact_lock(%s, -1)", [relinking.LOCK_SPACE])
        assert relinking.work_off(database, patience=60)
        assert linked(writer) == before
    assert relinking.work_off(database, patience=60)
    assert linked(writer)[0] == LONG


def test_many_histories_at_once_are_bounded_together(
    writer: Writer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relinking, "WHOLE", relinking.Size(100, 40))
    visitors = [str(uuid5(NAMESPACE_OID, str(number))) for number in range(20)]
    views = [record(anonymous_id=visitor, created_at=at(n)) for visitor in visitors for n in range(10)]
    writer.write(message(*views, received=10))
    writer.write(message(*[identify("ada", anonymous_id=visitor) for visitor in visitors], received=20))
    assert linked(writer)[0] == 40
    assert relinking.work_off(database, patience=60)
    assert linked(writer)[0] == 200


def test_a_history_that_cannot_be_moved_holds_up_no_other(
    writer: Writer, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relinking, "WHOLE", relinking.Size(100, 4))
    visitors = [str(uuid5(NAMESPACE_OID, f"slow {number}")) for number in range(4)]
    views = [record(anonymous_id=visitor, created_at=at(n)) for visitor in visitors for n in range(10)]
    writer.write(message(*views, received=10))
    writer.write(message(*[identify("ada", anonymous_id=visitor) for visitor in visitors], received=20))
    hasty = Database(let_in(database_url, "footfall_session"), QUERIES, statement_seconds=1)
    with connect(database_url) as other, other.transaction():
        other.execute(
            "SELECT FROM user_activities WHERE anonymous_id = %s AND created_at = %s FOR UPDATE",
            [visitors[0], at(8)],
        )
        assert relinking.work_off(hasty, patience=60)
        assert writer.rows("SELECT anonymous_id::text FROM relinks") == [(visitors[0],)]
        assert linked(writer)[0] == 31
        assert not relinking.work_off(hasty, patience=0)
    assert relinking.work_off(hasty, patience=60)
    assert linked(writer)[0] == 40
    hasty.close()


def test_a_tie_holds_at_once_also_where_no_history_can_be_moved(writer: Writer, database_url: str) -> None:
    writer.write(message(*[record(created_at=at(n)) for n in range(3)], received=10))
    hasty = Database(let_in(database_url, "footfall_session"), QUERIES, statement_seconds=1)
    with connect(database_url) as other, other.transaction():
        other.execute("SELECT FROM user_activities FOR UPDATE")
        claims = [_prepared(identify("ada"), 20), _prepared(record(created_at=at(30)), 30)]
        assert writing.write(hasty, claims, patience=60) == 2
        assert linked(writer)[0] == 1
    assert relinking.work_off(hasty, patience=60)
    assert linked(writer) == (4, 0, 1, 4)
    hasty.close()


def test_a_claim_begins_anew_that_knew_a_tie_which_is_undone_meanwhile(
    writer: Writer, database: Database, database_url: str
) -> None:
    writer.write(message(identify("ada"), received=10))
    with undoing(database_url, writer) as go_on, ThreadPoolExecutor() as threads:
        claiming = threads.submit(writing.write, database, [_prepared(identify("ada"), 30)], patience=0)
        go_on()
        with pytest.raises(DatabaseUnavailableError, match="meanwhile"):
            claiming.result()
    assert writing.write(database, [_prepared(identify("ada"), 30)], patience=0) == 1
    writer.write(message(record(), received=40))
    assert linked(writer)[0] == 1


@pytest.mark.usefixtures("long_history")
def test_a_step_waits_while_somebody_decides(writer: Writer, database: Database, database_url: str) -> None:
    writer.write(message(identify("ada"), received=10))
    with undoing(database_url, writer) as go_on, ThreadPoolExecutor() as threads:
        stepping = threads.submit(database.run, step)
        go_on()
        assert stepping.result()
    assert relinking.work_off(database, patience=60)
    assert linked(writer) == (0, 0, 0, 0)


@contextmanager
def undoing(database_url: str, writer: Writer) -> Iterator[Callable[[], None]]:
    """An unlink that is written and not committed, until what is called sees somebody wait for it."""
    undone, go_on = Event(), Event()

    def undo(transaction: Transaction) -> None:
        writing._write(transaction, [_prepared(record("unlink", user_id=ADA), 20)])
        undone.set()
        go_on.wait(60)

    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"

    def commit() -> None:
        until(lambda: writer.one(waiting) == (1,))
        go_on.set()
        unlinking.result()

    other = Database(let_in(database_url, "footfall_session"), QUERIES)
    with ThreadPoolExecutor() as threads:
        unlinking = threads.submit(other.run, undo)
        try:
            assert undone.wait(60)
            yield commit
        finally:
            go_on.set()
    other.close()


def _prepared(said: Record, received: float) -> dict[str, Any]:
    return prepared(said, datetime.fromisoformat(at(received)))


@pytest.mark.usefixtures("long_history")
def test_a_step_reads_through_indexes(database_url: str) -> None:
    """Others have histories too: none of them is gone through."""
    span = {"anonymous_ids": [VISITOR], "sinces": [at(-3_600)], "befores": [at()]}
    queries: dict[str, dict[str, Any]] = {
        "relink_span": {"anonymous_ids": [VISITOR], "befores": ["infinity"], "most": MOST},
        **dict.fromkeys(("relink_activities", "relink_sessions", "relink_interactions"), span),
    }
    with connect(database_url) as owner:
        owner.execute(OTHERS, {"base": BASE, "rows": 4 * LONG})
        owner.execute("ANALYZE")
        assert {name: gone_through(owner, name, values) for name, values in queries.items()} == {
            name: set() for name in queries
        }
        owner.execute("DROP INDEX user_activities_by_visitor")
        assert gone_through(owner, "relink_span", queries["relink_span"]), "a scan would not be noticed"


def gone_through(owner: Connection, query: str, values: dict[str, Any]) -> set[str]:
    """The tables of more than a few rows that are read by another key than a visitor's or an event's."""
    [row] = owner.execute(f"EXPLAIN (FORMAT JSON) {QUERIES[query]}".encode(), values)
    nodes = [row["QUERY PLAN"][0]["Plan"]]
    for node in nodes:
        nodes.extend(node.get("Plans", []))
    big = owner.execute("SELECT relname FROM pg_class WHERE relname ~ '_20' AND reltuples > 500").fetchall()
    return {row["relname"] for row in big} & {
        node["Relation Name"]
        for node in nodes
        if "Relation Name" in node
        and node["Node Type"] != "ModifyTable"
        and not re.search(r"\b(anonymous_id|id) = ", str(node.get("Index Cond", node.get("Recheck Cond"))))
    }
