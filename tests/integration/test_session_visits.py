"""What the consumer concludes: sessions, dwell, devices, bots, time zones and engagement."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.writing import (
    CHROME,
    SESSION,
    VISITOR,
    Writer,
    at,
    identify,
    message,
    record,
    user,
    writer_of,
)

STRANGER = "0d9c5a7e-2f4b-4c3d-9e8f-7a6b5c4d3e02"
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " Version/18.5 Mobile/15E148 Safari/604.1"
)
BOTS = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "curl/8.11.0",
    "python-requests/2.32.5",
    f"{CHROME.replace('Chrome', 'HeadlessChrome')}",
)


@pytest.fixture
def writer(database_url: str) -> Iterator[Writer]:
    with writer_of(database_url) as opened:
        yield opened


@pytest.mark.parametrize("agent", BOTS)
def test_a_bot_is_stored_and_not_counted(writer: Writer, agent: str) -> None:
    writer.write(message(identify("ada"), record(), agent=CHROME))
    writer.write(message(record(session_id=VISITOR), record("interaction", session_id=VISITOR), agent=agent))
    assert writer.rows("SELECT count(*) FROM user_activities GROUP BY is_bot ORDER BY is_bot") == [(1,), (2,)]
    assert writer.one("SELECT is_bot FROM content_interactions") == (True,)
    assert writer.one("SELECT activity_count FROM profiles") == (1,)
    assert writer.rows("SELECT id, is_bot FROM user_sessions ORDER BY is_bot") == [
        (SESSION, False),
        (VISITOR, True),
    ]
    assert writer.rows("SELECT event_type, is_bot FROM live_counts ORDER BY is_bot, event_type") == [
        ("page_view", False),
        ("content_interaction", True),
        ("page_view", True),
    ]


def test_a_bots_history_is_not_counted_when_it_turns_out_to_be_a_users(writer: Writer) -> None:
    writer.write(message(record(), agent="curl/8.11.0"), message(record()))
    writer.write(message(identify("ada")))
    assert writer.one("SELECT activity_count FROM profiles") == (1,)


def test_a_dwell_only_grows(writer: Writer) -> None:
    view = record("interaction", duration_seconds=40)
    for said, kept, score in ((40, 40, 0.8), (10, 40, 0.8), (70, 70, 1.0), (None, 70, 1.0), (69, 70, 1.0)):
        writer.write(message({**view, "duration_seconds": said}))
        assert writer.one("SELECT duration_seconds, engagement_score::float8 FROM content_interactions") == (
            *(kept, score),
        )
    assert writer.one("SELECT count(*) FROM user_activities") == (1,)
    assert writer.one("SELECT actions_count FROM user_sessions") == (1,)


def test_a_dwell_grows_within_a_batch(writer: Writer) -> None:
    view = record("interaction")
    copies = [{**view, "duration_seconds": seconds} for seconds in (5, 31, 12)]
    assert writer.write(message(copies[0]), message(copies[1], copies[2])) == 1
    assert writer.one("SELECT duration_seconds FROM content_interactions") == (31,)


def test_a_dwell_grows_by_its_own_visitor_alone(writer: Writer) -> None:
    view = record("interaction", duration_seconds=5)
    writer.write(message(view))
    writer.write(message({**view, "anonymous_id": STRANGER, "duration_seconds": 900}))
    writer.write(message({**view, "anonymous_id": None, "user_id": user("ada"), "duration_seconds": 900}))
    assert writer.one("SELECT duration_seconds FROM content_interactions") == (5,)
    writer.write(
        message({**view, "duration_seconds": 20}),
        message({**view, "duration_seconds": 30, "user_id": user("ada"), "verified": True}),
    )
    assert writer.one("SELECT duration_seconds FROM content_interactions") == (30,)


def test_a_dwell_that_a_user_named_grows_in_no_other_users_name(writer: Writer) -> None:
    view = record("interaction", user_id=user("ada"), verified=True, duration_seconds=5)
    writer.write(message(view))
    writer.write(message({**view, "user_id": user("grace"), "duration_seconds": 900}))
    assert writer.one("SELECT duration_seconds FROM content_interactions") == (5,)
    # The last beacon of a closing page has no token.
    writer.write(message({**view, "user_id": None, "verified": None, "duration_seconds": 20}))
    assert writer.one("SELECT duration_seconds FROM content_interactions") == (20,)


def test_a_dwell_of_a_user_without_visitor_grows_by_that_user_alone(writer: Writer) -> None:
    view = record("interaction", anonymous_id=None, user_id=user("ada"))
    writer.write(message(view))
    writer.write(message({**view, "user_id": user("grace"), "duration_seconds": 900}))
    writer.write(message({**view, "duration_seconds": 7}))
    assert writer.one("SELECT duration_seconds FROM content_interactions") == (7,)


def test_a_grown_dwell_makes_its_user_new_to_analyze(writer: Writer) -> None:
    view = record("interaction", user_id=user("ada"), verified=True)
    writer.write(message(view))
    touched = writer.one("SELECT touched_by FROM profiles")
    writer.write(message({**view, "duration_seconds": 7}))
    assert writer.one("SELECT touched_by FROM profiles") != touched


def test_a_session_is_its_visitors_own(writer: Writer) -> None:
    writer.write(message(record(page_path="/mine")))
    mine = writer.one(f"SELECT * FROM user_sessions WHERE visitor_id = '{VISITOR}'")
    guessed = {"session_id": SESSION, "page_path": "/theirs", "created_at": at(-500)}
    writer.write(message(record(**guessed, anonymous_id=STRANGER)))
    writer.write(message(record(**guessed, anonymous_id=None, user_id=user("ada"))))
    assert writer.one(f"SELECT * FROM user_sessions WHERE visitor_id = '{VISITOR}'") == mine
    assert writer.one("SELECT count(*) FROM user_sessions") == (3,)


def test_late_events_move_landing_and_exit(writer: Writer) -> None:
    session = "SELECT landing_page, exit_page, duration_seconds, bounce, device_type FROM user_sessions"
    writer.write(message(record(page_path="/second", created_at=at(5))))
    assert writer.one(session) == ("/second", "/second", 0, True, "desktop")
    writer.write(message(record(page_path="/first", created_at=at(1)), agent=PHONE))
    assert writer.one(session) == ("/first", "/second", 4, False, "mobile")
    writer.write(
        message(record(page_path="/last", created_at=at(90)), record("interaction", created_at=at(99)))
    )
    assert writer.one(session) == ("/first", "/last", 98, False, "mobile")
    writer.write(message(record(event_type="search", page_path="/earliest", created_at=at(-9)), agent=""))
    assert writer.one(session) == ("/first", "/last", 108, False, None)


@pytest.mark.parametrize(
    ("second", "bounce"),
    [
        (None, True),
        ({"event_type": "user_action", "created_at": at(1)}, False),
        ({"created_at": at(1)}, False),
    ],
)
def test_a_bounce_is_one_page_view_and_no_action(
    writer: Writer, second: dict[str, Any] | None, bounce: bool
) -> None:
    writer.write(message(record()), *([message(record(**second))] if second else []))
    assert writer.one("SELECT bounce FROM user_sessions") == (bounce,)


def test_an_anonymous_session_goes_on_for_many_batches(writer: Writer) -> None:
    for number in range(5):
        writer.write(message(record(created_at=at(number))))
    assert writer.one("SELECT page_views, user_id, is_linked FROM user_sessions") == (5, None, False)
    assert writer.rows("SELECT * FROM quarantine") == []


def test_the_latest_known_time_zone_wins(writer: Writer) -> None:
    for seconds, zone in (
        (10, "Europe/Berlin"),
        (5, "Asia/Tokyo"),
        (20, "Mars/Olympus"),
        (30, "'; DROP TABLE x"),
    ):
        writer.write(message(record(user_id=user("ada"), created_at=at(seconds), time_zone=zone)))
    assert writer.one("SELECT time_zone, time_zone_set_at FROM profiles") == ("Europe/Berlin", at(10))
    writer.write(message(identify("ada", created_at=at(40), time_zone="America/New_York")))
    assert writer.one("SELECT time_zone FROM profiles") == ("America/New_York",)


def test_the_time_zone_of_history_becomes_the_users(writer: Writer) -> None:
    unknown = record(created_at=at(1), time_zone="Mars/Olympus")
    writer.write(message(record(time_zone="Asia/Tokyo"), unknown, received=10))
    writer.write(message(identify("ada", created_at=at(9)), received=20))
    assert writer.one("SELECT time_zone, time_zone_set_at FROM profiles") == ("Asia/Tokyo", at())


def original_engagement(duration: int | None, interaction_type: str) -> float:
    """The request's `calculateEngagement`, line by line."""
    score = 0.5
    if duration:
        score += 0.2 if duration > 30 else 0
        score += 0.2 if duration > 60 else 0
        score += 0.1 if duration > 120 else 0
    weights = {
        "view": 0.1,
        "click": 0.2,
        "like": 0.3,
        "share": 0.4,
        "save": 0.4,
        "apply": 0.5,
        "endorse": 0.5,
    }
    return min(score + weights.get(interaction_type, 0), 1.0)


def test_engagement_is_scored_as_the_original_does(writer: Writer) -> None:
    types = ["view", "click", "like", "share", "save", "apply", "endorse", "comment", "View", ""]
    durations = [None, 0, 1, 29, 30, 31, 60, 61, 120, 121, 2**31 - 1]
    for interaction_type in types:
        for duration in durations:
            said = "NULL" if duration is None else str(duration)
            [score] = writer.one(f"SELECT engagement_score('{interaction_type}', {said})::float8")
            assert score == pytest.approx(original_engagement(duration, interaction_type)), (
                interaction_type,
                duration,
            )
