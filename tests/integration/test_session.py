"""The session function as Lambda calls it: what it stores, quarantines, and leaves to the queue."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from footfall.database import Database, connect
from footfall.errors import DatabaseUnavailableError, TooSlowError
from functions.session import handler
from functions.session.consuming import consume
from functions.session.writing import QUERIES
from local.postgres.roles import let_in
from tests.cities import BERLIN, write_cities
from tests.integration.deliveries import BASE
from tests.integration.writing import Writer, identify, message, record, user, writer_of
from tests.metrics import Measured, measured
from tests.samples import load

SAMPLE_DAY = "2026-11-22"


class Context:
    """What the function asks of Lambda."""

    def get_remaining_time_in_millis(self) -> int:
        return int(handler.RESERVE_SECONDS * 1000)


@pytest.fixture
def writer(database_url: str) -> Iterator[Writer]:
    with writer_of(database_url) as opened:
        yield opened


@pytest.fixture(autouse=True)
def environment(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("DATABASE_URL", let_in(database_url, "footfall_session"))
    handler._database.cache_clear()
    handler._origins.cache_clear()
    yield
    handler._database().close()
    handler._database.cache_clear()
    handler._origins.cache_clear()


def handle(*bodies: str) -> list[str]:
    """The ids of the messages that the queue is to deliver again."""
    records = [{"messageId": f"message {number}", "body": body} for number, body in enumerate(bodies)]
    answer = handler.lambda_handler({"Records": records}, Context())
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def sample() -> dict[str, Any]:
    """events/session_batch.json, in a month that exists."""
    moved: dict[str, Any] = json.loads(
        json.dumps(load("session_batch")).replace(SAMPLE_DAY, f"{BASE:%Y-%m-%d}")
    )
    return moved


def test_the_sample_batch_is_stored(writer: Writer) -> None:
    assert handler.lambda_handler(sample(), Context()) == {"batchItemFailures": []}
    assert writer.rows("SELECT event_type, user_id, is_linked FROM user_activities ORDER BY created_at") == [
        ("page_view", user("ada"), True),
        ("content_interaction", user("ada"), True),
    ]
    assert writer.one("SELECT engagement_score::float8, duration_seconds FROM content_interactions") == (
        0.8,
        45,
    )
    assert writer.one("SELECT page_views, actions_count, country, city, browser FROM user_sessions") == (
        *(1, 1, "DE", "Berlin", "Chrome"),
    )
    assert writer.one("SELECT profile_completeness::float8, time_zone, activity_count FROM profiles") == (
        *(40.0, "Europe/Berlin", 2),
    )
    assert writer.one("SELECT external_id FROM external_ids") == ("ada",)
    assert writer.one("SELECT stage, reason FROM quarantine") == ("ingest", "event_type: is required")


ROOM = (("function_name", "none"), ("service", "session"))


def test_what_is_quarantined_is_counted_once(writer: Writer, capsys: pytest.CaptureFixture[str]) -> None:
    """What ingest refused, what Postgres refuses, and what is no message."""
    bodies = [
        *(one["body"] for one in sample()["Records"]),
        message(record(metadata={"title": "\x00"}), record(event_type="x" * 101), record()),
        "hello",
    ]
    handle(*bodies)
    counted = Measured("Footfall", "Quarantined", "Count", ROOM, 4)
    assert measured(capsys.readouterr().out) == {counted}
    assert writer.one("SELECT count(*) FROM quarantine") == (4,)
    handle(*bodies)
    assert measured(capsys.readouterr().out) == set()


def test_the_sample_batch_delivered_again_changes_nothing(writer: Writer) -> None:
    handler.lambda_handler(sample(), Context())
    touched = (
        writer.rows("SELECT xmin, touched_by FROM profiles"),
        writer.rows("SELECT xmin FROM user_sessions"),
    )
    handler.lambda_handler(sample(), Context())
    again = (
        writer.rows("SELECT xmin, touched_by FROM profiles"),
        writer.rows("SELECT xmin FROM user_sessions"),
    )
    assert again == touched


def test_all_messages_stay_in_the_queue_while_the_database_is_away(
    monkeypatch: pytest.MonkeyPatch, writer: Writer, database_url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/nothing")
    body = message(record())
    assert handle(body, message(record())) == ["message 0", "message 1"]
    monkeypatch.setenv("DATABASE_URL", let_in(database_url, "footfall_session"))
    handler._database.cache_clear()
    assert handle(body) == []
    assert writer.one("SELECT count(*) FROM user_activities") == (1,)


def test_a_connection_that_was_cut_is_opened_again(writer: Writer) -> None:
    assert handle(message(record())) == []
    writer.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    body = message(record())
    # Whether the cut is noticed in time to try again is the machine's affair; the event is stored once.
    while handle(body):
        pass
    assert writer.one("SELECT count(*) FROM user_activities") == (2,)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "hello",
        "[]",
        '{"version": 2, "events": []}',
        '{"version": 1}',
        '{"version": 1, "received_at": "soon", "events": []}',
        '{"version": 1, "received_at": "2026-11-22T10:00:00+00:00", "events": [7]}',
        "[" * 100_000,
        '{"a": "\x00\ud800"}',
    ],
)
def test_a_message_that_is_not_ours_is_quarantined_and_acknowledged(writer: Writer, body: str) -> None:
    assert handle(message(record()), body, message(record())) == []
    assert writer.one("SELECT count(*) FROM user_activities") == (2,)
    stage, reason, raw = writer.one("SELECT stage, reason, raw FROM quarantine")
    assert stage == "session"
    assert reason.startswith("not a message: ")
    assert raw == body.replace("\x00", "\ufffd").replace("\ud800", "?")


POISON: dict[str, tuple[dict[str, Any], str]] = {
    "before all months": (record(created_at="1999-01-01T00:00:00+00:00"), "no partition of relation"),
    "NUL in metadata": (record(metadata={"title": "a\x00b"}), "unsupported Unicode escape sequence"),
    "half a surrogate pair": (record(metadata={"title": "\ud800"}), "invalid input syntax for type json"),
    "not a number": (record(metadata={"n": float("nan")}), "invalid input syntax for type json"),
    "no UUID as its id": (record(id="seven"), "invalid input syntax for type uuid"),
    "no id": (record(id=None), "null value in column"),
    "no UUID as its session": (record(session_id="mine"), "invalid input syntax for type uuid"),
    "nobody's": (record(anonymous_id=None), "violates check constraint"),
    "too long": (record(event_type="x" * 101), "value too long for type"),
    "too large a number": (record("interaction", duration_seconds=2**31), "out of range"),
    "no time": (record(created_at="yesterday, noon"), "invalid input syntax for type timestamp"),
    "no percentage": (identify("ada", traits={"profile_completeness": 1e9}), "numeric field overflow"),
    "no sign-up": (
        identify("ada", traits={"created_at": "long ago"}),
        "invalid input syntax for type timestamp",
    ),
    "traits that are none": (identify("ada", traits=["a"]), "cannot call jsonb_each on a non-object"),
    "content without a type": (record("content", content_id=user("ada")), "null value in column"),
}


@pytest.mark.parametrize("name", POISON)
def test_a_record_that_postgres_refuses_is_isolated(writer: Writer, name: str) -> None:
    poison, reason = POISON[name]
    before, after = record(), record()
    body = message(before, poison, after)
    assert handle(message(record()), body, message(record())) == []
    assert handle(body) == []
    assert writer.one("SELECT count(*) FROM user_activities") == (4,)
    assert writer.one("SELECT page_views FROM user_sessions") == (4,)
    assert writer.rows("SELECT * FROM profiles") == []
    stage, said, raw, received_at = writer.one("SELECT stage, reason, raw, received_at FROM quarantine")
    assert (stage, received_at) == ("session", json.loads(body)["received_at"])
    assert reason in said
    assert poison.items() <= json.loads(raw).items() or "NaN" in raw


def test_an_address_that_is_none_is_not_stored(writer: Writer) -> None:
    assert handle(message(record(), ip="somewhere")) == []
    assert writer.one("SELECT ip_address FROM user_activities") == (None,)


@pytest.mark.parametrize(
    ("kept", "stored"), [("whole", "203.0.113.7"), ("truncated", "203.0.113.0"), ("none", None)]
)
def test_no_table_holds_more_of_an_address_than_it_may(
    writer: Writer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kept: str, stored: str | None
) -> None:
    cities = write_cities(tmp_path / "cities.mmdb", {"203.0.113.0/24": BERLIN})
    monkeypatch.setenv("IP_ADDRESSES", kept)
    monkeypatch.setenv("GEOIP_DATABASE", str(cities))
    refused = {**record("rejected"), "reason": "no", "raw": '{"context":{"ip":"203.0.113.7"}}'}
    poison = record(metadata={"title": "\x00"})
    theirs = record(user_id=user("ada"), anonymous_id=None, ip="203.0.113.7")
    unreadable = message(record()).replace('"version": 1', '"version": 0')
    assert handle(message(record(), refused, poison), message(theirs, ip=""), unreadable) == []
    for table in ("user_activities", "user_sessions"):
        rows = writer.rows(f"SELECT DISTINCT host(ip_address), country, city FROM {table}")
        assert rows == [(stored, "DE", "Berlin")]
    kept_raw = [raw for (raw,) in writer.rows("SELECT raw FROM quarantine")]
    assert [raw.count("203.0.113.7") for raw in kept_raw] == [int(kept == "whole")] * 3


def test_many_poisoned_records_leave_all_their_neighbours(writer: Writer) -> None:
    records = [record(metadata={"n": number} if number % 7 else {"title": "\x00"}) for number in range(50)]
    assert handle(message(*records[:20]), message(*records[20:])) == []
    assert writer.one("SELECT count(*) FROM user_activities") == (42,)
    assert writer.one("SELECT count(*) FROM quarantine") == (8,)
    assert writer.one("SELECT page_views FROM user_sessions") == (42,)
    assert writer.one("SELECT sum(events)::integer FROM live_counts") == (42,)


def test_what_is_too_slow_does_not_keep_its_neighbours_out(database_url: str) -> None:
    database = Database(let_in(database_url, "footfall_session"), QUERIES, statement_seconds=1)
    slow = record(anonymous_id=None, user_id=user("slow"))
    fast = [record(anonymous_id=None, user_id=user(f"fast {number}")) for number in range(7)]
    with connect(database_url) as holder, connect(database_url) as reader:
        consume(database, {"first": message(slow)}, patience=5)
        with holder.transaction():
            holder.execute("SELECT FROM profiles FOR UPDATE")
            again = {**slow, "id": record()["id"]}
            with pytest.raises(TooSlowError):
                consume(database, {"batch": message(again, *fast)}, patience=30)
            stored = reader.execute("SELECT count(*) AS count FROM user_activities").fetchone()
            assert stored == {"count": 8}
        consume(database, {"batch": message(again, *fast)}, patience=5)
        stored = reader.execute("SELECT count(*) AS count FROM user_activities").fetchone()
        assert stored == {"count": 9}
        assert reader.execute("SELECT count(*) AS count FROM quarantine").fetchone() == {"count": 0}
    database.close()


def test_a_server_that_became_read_only_is_left(database_url: str) -> None:
    database = Database(let_in(database_url, "footfall_session"), QUERIES)
    consume(database, {"one": message(record())}, patience=0)
    with connect(database_url) as owner:
        name = owner.info.dbname
        owner.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'.encode())
        database.close()
        with pytest.raises(DatabaseUnavailableError):
            consume(database, {"two": message(record())}, patience=0)
        owner.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = off'.encode())
    assert consume(database, {"two": message(record())}, patience=0) == 1, "with a new connection"
    database.close()
