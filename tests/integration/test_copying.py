"""Bundles: what is usual is copied whole, and what isn't is left to the way that looks at each event."""

from collections.abc import Iterator
from typing import Any

import pytest

from footfall import ids
from footfall.database import Database, connect
from footfall.errors import TooSlowError
from functions.session.changes import Ready
from functions.session.consuming import consume
from functions.session.copying import copy
from functions.session.origins import Origins
from functions.session.preparing import prepare
from functions.session.writing import QUERIES
from local.postgres.roles import let_in
from tests.integration.deliveries import BASE, messages, prepared
from tests.integration.writing import CHROME, Writer, at, identify, record, writer_of

OTHER = ids.to_uuid("session", "other")


@pytest.fixture
def writer(database_url: str) -> Iterator[Writer]:
    with writer_of(database_url) as found:
        yield found


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    found = Database(let_in(database_url, "footfall_session"), QUERIES)
    yield found
    found.close()


def bundled(*records: dict[str, Any]) -> list[Ready]:
    """Of one request."""
    queued = messages([prepared(one, BASE, CHROME) for one in records])
    return [ready for body in queued.values() for ready in prepare(body, Origins())[1]]


def test_what_is_usual_is_copied_whole(database: Database, writer: Writer) -> None:
    odd = 'tab\t, line\n, back\\slash, \\N, "quoted", \x01 and ü\u2028'
    first = record(page_path=odd, metadata={odd: [odd, 1.5, None]}, time_zone="Europe/Berlin", sequence=3)
    second = record("interaction", created_at=at(5), duration_seconds=31, session_id=OTHER)
    assert copy(database, bundled(first, second), patience=0) == (2, [])
    assert writer.rows(
        "SELECT page_path, metadata, sequence, time_zone FROM user_activities ORDER BY created_at"
    ) == [
        (odd, {odd: [odd, 1.5, None]}, 3, "Europe/Berlin"),
        (None, None, None, None),
    ]
    assert writer.rows(
        "SELECT id, landing_page, page_views, actions_count FROM user_sessions ORDER BY started_at"
    ) == [
        (first["session_id"], odd, 1, 0),
        (OTHER, None, 0, 1),
    ]
    assert writer.one("SELECT duration_seconds, engagement_score::float8 FROM content_interactions") == (
        31,
        0.8,
    )


@pytest.mark.parametrize(
    "said",
    [
        {"time_zone": "Nowhere/Land"},
        {"time_zone": '{"},'},
        {"created_at": "1999-01-01T00:00:00+00:00"},
        {"page_path": "\x00"},
    ],
)
def test_what_is_unusual_is_left_and_takes_no_other_session_with_it(
    database: Database, writer: Writer, said: dict[str, Any]
) -> None:
    usual, unusual = bundled(record(session_id=OTHER)), bundled(record(**said))
    new, rest = copy(database, usual + unusual, patience=0)
    assert new + len(rest) >= 2
    assert unusual[0] in rest
    assert writer.one("SELECT count(*) FROM user_activities") == (new,)


def test_an_event_counts_once_in_whatever_bundles_it_comes(database: Database, writer: Writer) -> None:
    one, two, three = record(), record(created_at=at(1)), record(created_at=at(2))
    assert copy(database, bundled(one, two), patience=0) == (2, [])
    assert copy(database, bundled(one, two), patience=0) == (0, [])
    again = bundled(two, three)
    assert copy(database, again, patience=0) == (0, again)
    repeated = [*bundled(three), *bundled(three)]
    assert copy(database, repeated, patience=0) == (1, [])
    queued = messages([prepared(event, BASE, CHROME) for event in (one, two, three)])
    assert consume(database, queued, patience=0) == 0
    assert writer.one("SELECT page_views FROM user_sessions") == (3,)


def test_what_is_stored_is_left_only_where_a_dwell_grows(database: Database, writer: Writer) -> None:
    def view(**dwell: int) -> list[Ready]:
        return bundled(record(id=one["id"]), record("interaction", id=two["id"], created_at=at(1), **dwell))

    one, two = record(), record()
    assert copy(database, view(), patience=0) == (2, [])
    longer = view(duration_seconds=0)
    assert copy(database, [*view(), *longer], patience=0) == (0, longer)
    # As the other way would.
    writer.execute("UPDATE content_interactions SET duration_seconds = 7")
    longer = view(duration_seconds=8)
    assert copy(database, [*view(duration_seconds=7), *longer, *view()], patience=0) == (0, longer)
    assert writer.one("SELECT page_views, actions_count FROM user_sessions") == (1, 1)


def test_a_stored_event_is_seen_by_its_key_when_nobody_looked(database: Database, writer: Writer) -> None:
    """Two consumers look at the same time: the second may not write what the first does meanwhile."""
    [ready] = bundled(record())
    look_up = QUERIES["look_up"].replace("WHERE event_ids.id", "WHERE false AND event_ids.id")
    blind = Database(database._url, {**QUERIES, "look_up": look_up})
    assert copy(database, [ready], patience=0) == (1, [])
    assert copy(blind, [ready], patience=0) == (0, [ready])
    blind.close()
    assert writer.one("SELECT page_views FROM user_sessions") == (1,)


def test_a_record_that_is_too_slow_keeps_no_bundle_out(
    database: Database, database_url: str, writer: Writer
) -> None:
    told, view = identify("ada"), record(anonymous_id=OTHER)
    consume(database, messages([prepared(identify("ada"), BASE, CHROME)]), patience=0)
    hasty = Database(database._url, QUERIES, statement_seconds=1)
    with connect(database_url) as other, other.transaction():
        other.execute("SELECT FROM profiles FOR UPDATE")
        with pytest.raises(TooSlowError):
            consume(hasty, messages([prepared(one, BASE, CHROME) for one in (told, view)]), patience=0)
    hasty.close()
    assert writer.one("SELECT id FROM user_activities") == (view["id"],)
