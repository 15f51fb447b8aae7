"""One event, field by field: what is kept, cut, mapped, corrected, or refused by name."""

import uuid
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from footfall import ids
from footfall.events import Record, dumps
from functions.ingest.speaking import Speaker
from functions.ingest.validating import (
    CLOCK_TOLERANCE,
    FUTURE,
    InvalidEventError,
    Reception,
    parse_time,
    to_record,
)

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
MONTH_AGO = NOW - timedelta(days=31)
BROWSER, SERVER, USER = Speaker("browser"), Speaker("server"), Speaker("user", "ada")
A, B = "7d2f8a1e-54c3-4b6f-9a0e-1c2d3e4f5a6b", "0b9c8d7e-6f5a-4b3c-8d1e-2f3a4b5c6d7e"

ACTIVITY = {"event_type": "page_view", "anonymous_id": A}
INTERACTION = {
    "type": "interaction",
    "anonymous_id": A,
    "content_type": "project",
    "content_id": B,
    "interaction_type": "view",
}
IDENTIFY = {"type": "identify", "anonymous_id": A}
CONTENT = {"type": "content", "content_id": B, "content_type": "job"}


def taken(event: Any, speaker: Speaker = BROWSER, sent_at: datetime | None = None) -> Record:
    return to_record(event, Reception(speaker, NOW, MONTH_AGO, sent_at))


def created(event_time: str, **said: Any) -> datetime:
    return datetime.fromisoformat(taken({**ACTIVITY, "created_at": event_time}, **said)["created_at"])


def refusal(event: Any, speaker: Speaker = BROWSER) -> str:
    with pytest.raises(InvalidEventError) as error:
        taken(event, speaker)
    return str(error.value)


# ── The shape ────────────────────────────────────────────────────────────────────────────────────


def test_the_least_event_is_complete() -> None:
    record = taken(ACTIVITY)
    assert ids.is_uuid(record["id"])
    assert {**record, "id": "new"} == {
        "id": "new",
        "kind": "activity",
        "anonymous_id": A,
        "created_at": NOW.isoformat(),
        "event_type": "page_view",
    }


def test_every_field_of_an_activity_is_kept() -> None:
    event: dict[str, Any] = {
        "id": A,
        "type": "activity",
        "created_at": "2026-11-22T09:00:00+00:00",
        "anonymous_id": A,
        "session_id": B,
        "page_path": "/p",
        "referrer": "https://example.com/",
        "time_zone": "Europe/Berlin",
        "sequence": 7,
        "event_type": "user_action",
        "event_category": "engagement",
        "event_action": "click",
        "metadata": {"a": [1, {"b": None}]},
        "context": {"viewport": "1280x720", "touch": False},
    }
    record = taken(event)
    kept = {key: value for key, value in event.items() if key not in {"type", "context"}}
    assert record == {
        **kept,
        "kind": "activity",
        "metadata": {"a": [1, {"b": None}], "context": event["context"]},
    }


def test_null_is_as_good_as_absent() -> None:
    nulls = dict.fromkeys(
        (
            "id",
            "type",
            "created_at",
            "session_id",
            "page_path",
            "metadata",
            "context",
            "sequence",
            "time_zone",
        )
    )
    record = taken({**nulls, **ACTIVITY})
    assert set(record) == {"kind", "id", "anonymous_id", "created_at", "event_type"}


def test_fields_that_nobody_knows_are_left_out() -> None:
    assert "verified" not in taken(
        {**ACTIVITY, "verified": True, "names": {}, "reason": "x", "colour": "red"}
    )
    assert "colour" not in taken({**ACTIVITY, "colour": "red"})


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (None, "null"),
        (True, "true or false"),
        ("text", "text"),
        (1, "a number"),
        (1.5, "a number"),
        ([{}], "a list"),
    ],
)
def test_what_is_no_object_is_no_event(event: Any, kind: str) -> None:
    assert refusal(event) == f"must be an object, not {kind}"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("klick", "'klick'"),
        ("rejected", "'rejected'"),
        (7, "7"),
        ("", "''"),
        ([[]], "a list"),
        ("x" * 99, f"'{'x' * 59}…"),
        ("x" * 58, f"'{'x' * 58}'"),
        ("ünï", "'ünï'"),
        ("é" * 50, f"'{'é' * 11}…"),
    ],
)
def test_an_unknown_type_is_named(said: Any, shown: str) -> None:
    kinds = "activity, interaction, identify, alias, unlink, content"
    assert refusal({**ACTIVITY, "type": said}) == f"type: must be one of {kinds}, not {shown}"


# ── Each field's type ────────────────────────────────────────────────────────────────────────────

WRONG: dict[str, dict[str, Any]] = {
    "text": {"a number": 7, "true or false": True, "a list": [], "an object": {}},
    "id": {"a number": 1.5, "true or false": False, "a list": ["a"], "an object": {"a": 1}},
    "a number": {"text": "7", "true or false": True, "a list": [7], "an object": {}},
    "an object": {"text": "{}", "a number": 0, "true or false": False, "a list": []},
    "an RFC 3339 time": {"a number": 1_795_341_600_000, "true or false": True, "a list": [], "an object": {}},
    "true or false": {"text": "true", "a number": 1, "a list": [], "an object": {}},
}
FIELDS: list[tuple[dict[str, Any], str, str]] = [
    *((ACTIVITY, field, "id") for field in ("id", "anonymous_id", "session_id", "user_id")),
    *((ACTIVITY, field, "text") for field in ("event_type", "event_category", "event_action", "page_path")),
    *((ACTIVITY, field, "text") for field in ("referrer", "time_zone")),
    (ACTIVITY, "sequence", "a number"),
    (ACTIVITY, "created_at", "an RFC 3339 time"),
    (ACTIVITY, "metadata", "an object"),
    (ACTIVITY, "context", "an object"),
    *((INTERACTION, field, "text") for field in ("content_type", "interaction_type")),
    *((INTERACTION, field, "id") for field in ("content_id", "feed_id")),
    *((INTERACTION, field, "a number") for field in ("duration_seconds", "position")),
    (IDENTIFY, "traits", "an object"),
    *((CONTENT, field, "id") for field in ("content_id", "author_id")),
    *((CONTENT, field, "text") for field in ("content_type", "title", "url")),
    (CONTENT, "attributes", "an object"),
    (CONTENT, "published_at", "an RFC 3339 time"),
    (CONTENT, "available", "true or false"),
]


@pytest.mark.parametrize(("event", "field", "expected"), FIELDS)
def test_a_wrong_type_names_the_field_and_what_it_must_be(event: Any, field: str, expected: str) -> None:
    for kind, value in WRONG[expected].items():
        wanted = "text" if expected == "id" else expected
        assert refusal({**event, field: value}, SERVER) == f"{field}: must be {wanted}, not {kind}"


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (ACTIVITY, "event_type"),
        (ACTIVITY, "anonymous_id"),
        (INTERACTION, "anonymous_id"),
        (INTERACTION, "content_type"),
        (INTERACTION, "content_id"),
        (INTERACTION, "interaction_type"),
        (IDENTIFY, "anonymous_id"),
    ],
)
def test_what_is_required_is_named(event: dict[str, Any], field: str) -> None:
    assert refusal({key: value for key, value in event.items() if key != field}) == f"{field}: is required"
    assert refusal({**event, field: None}) == f"{field}: is required"


@pytest.mark.parametrize("field", ["content_type", "content_id"])
def test_content_needs_a_type_and_an_id(field: str) -> None:
    assert refusal({**CONTENT, field: None}, SERVER) == f"{field}: is required"


@pytest.mark.parametrize("field", ["sequence", "duration_seconds", "position"])
def test_numbers_are_whole_positive_and_fit_their_column(field: str) -> None:
    assert refusal({**INTERACTION, field: -1}) == f"{field}: must not be negative"
    for value, kept in [(0, 0), (3.9, 3), (2**31, 2**31 - 1), (10**300, 2**31 - 1), (1e308, 2**31 - 1)]:
        assert taken({**INTERACTION, field: value}).get(field) == kept
    # So many digits with a small exponent that no test of the raw bytes sees it coming.
    assert taken({**INTERACTION, field: float("9" * 280 + "e99")}).get(field) == 2**31 - 1


# ── Text ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("event", "field", "most"),
    [
        (ACTIVITY, "event_type", 100),
        (ACTIVITY, "event_category", 50),
        (ACTIVITY, "event_action", 100),
        (ACTIVITY, "page_path", 255),
        (ACTIVITY, "referrer", 255),
        (ACTIVITY, "time_zone", 64),
        (INTERACTION, "content_type", 50),
        (INTERACTION, "interaction_type", 50),
        (CONTENT, "title", 1000),
        (CONTENT, "url", 2000),
    ],
)
def test_text_too_long_for_its_column_is_cut_and_marked(event: Any, field: str, most: int) -> None:
    fits, long = "\U0001f600" * most, "\U0001f600" * (most + 1)
    assert "metadata" not in taken({**event, field: fits}, SERVER)
    cut = taken({**event, field: long, "metadata": {"kept": 1}}, SERVER)
    assert cut.get(field) == fits
    assert cut["metadata"] == {"kept": 1, "_truncated": [field]}


def test_all_that_was_cut_is_listed() -> None:
    cut = taken({**ACTIVITY, "page_path": "p" * 256, "referrer": "r" * 256, "event_type": "t" * 101})
    assert cut["metadata"] == {"_truncated": ["page_path", "referrer", "event_type"]}


@pytest.mark.parametrize("said", [["x"], "yes", {"deep": []}, None, 7])
def test_a_client_may_use_the_names_of_our_marks(said: Any) -> None:
    metadata = {"_truncated": said, "_cleaned": said, "context": said}
    assert taken({**ACTIVITY, "metadata": metadata})["metadata"] == metadata
    cut = taken({**ACTIVITY, "metadata": metadata, "context": {"touch": True}, "event_type": "t" * 101})
    assert cut["metadata"] == {"_truncated": ["event_type"], "_cleaned": said, "context": {"touch": True}}


def test_the_callers_event_is_left_alone() -> None:
    event = {**ACTIVITY, "metadata": {"a": 1}, "event_type": "t" * 101}
    taken(event)
    assert event == {**ACTIVITY, "metadata": {"a": 1}, "event_type": "t" * 101}


# ── Ids, and who it was ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("event", "field", "kind"),
    [
        (ACTIVITY, "id", "event"),
        (ACTIVITY, "anonymous_id", "anonymous"),
        (ACTIVITY, "session_id", "session"),
        (ACTIVITY, "user_id", "user"),
        (INTERACTION, "content_id", "content"),
        (INTERACTION, "feed_id", "feed"),
        (CONTENT, "author_id", "user"),
    ],
)
def test_an_id_is_kept_or_mapped_and_its_name_kept(event: Any, field: str, kind: ids.Kind) -> None:
    record = taken({**event, field: A}, SERVER)
    assert (record.get(field), record.get("names")) == (A, None)
    upper = taken({**event, field: A.upper()}, SERVER)
    assert (upper.get(field), upper.get("names")) == (A, None)
    for said, name in [("user-17", "user-17"), (17, "17"), ("ünï", "ünï"), ("x" * 255, "x" * 255)]:
        mapped = taken({**event, field: said}, SERVER)
        assert mapped.get(field) == ids.to_uuid(kind, name)
        assert mapped.get("names") == {field: name}
    assert refusal({**event, field: "x" * 256}, SERVER) == f"{field}: must have 1 to 255 characters, not 256"


def test_an_id_of_thousands_of_digits_is_refused() -> None:
    assert (
        refusal({**ACTIVITY, "anonymous_id": 10**400})
        == "anonymous_id: must have 1 to 255 characters, not 401"
    )


@pytest.mark.parametrize("field", ["id", "anonymous_id", "user_id"])
@pytest.mark.parametrize("junk", ["", " ", "null", "Undefined", "[object Object]", str(uuid.UUID(int=0))])
def test_what_stands_for_nobody_is_no_id(field: str, junk: str) -> None:
    assert refusal({**ACTIVITY, field: junk}, SERVER) == f"{field}: {junk!r} is no id"


@pytest.mark.parametrize("zero", [0, "0"])
def test_rows_may_be_counted_from_zero_but_people_may_not(zero: Any) -> None:
    assert taken({**ACTIVITY, "id": zero})["id"] == ids.to_uuid("event", "0")
    assert taken({**INTERACTION, "content_id": zero})["content_id"] == ids.to_uuid("content", "0")
    assert refusal({**ACTIVITY, "anonymous_id": zero}) == "anonymous_id: '0' is no id"


@pytest.mark.parametrize("junk", ["", "null", "undefined", "0"])
def test_junk_for_a_session_or_a_feed_is_as_good_as_none(junk: str) -> None:
    record = taken({**INTERACTION, "session_id": junk, "feed_id": junk})
    assert not {"session_id", "feed_id", "names"} & set(record)


@pytest.mark.parametrize("said", ["bob", B, {"no": "id"}, ["x"], 7, "null"])
def test_a_page_cannot_say_who_its_user_is(said: Any) -> None:
    record = taken({**ACTIVITY, "user_id": said, "verified": True})
    assert not {"user_id", "verified", "names"} & set(record)
    assert refusal({"event_type": "x", "user_id": said}) == "anonymous_id: is required"


@pytest.mark.parametrize("said", [None, "bob", "ada", {"no": "id"}, "null"])
def test_a_token_says_who_its_user_is_whatever_the_event_says(said: Any) -> None:
    record = taken({"event_type": "x", "user_id": said}, USER)
    assert record["user_id"] == ids.to_uuid("user", "ada")
    assert record["names"] == {"user_id": "ada"}
    assert record["verified"] is True
    shouted = taken({"event_type": "x"}, Speaker("user", B.upper()))
    assert (shouted["user_id"], shouted.get("names")) == (B, None)


def test_a_server_is_believed_but_verifies_nobody() -> None:
    record = taken({"event_type": "x", "user_id": "bob"}, SERVER)
    assert record["user_id"] == ids.to_uuid("user", "bob")
    assert "verified" not in record
    assert refusal({"event_type": "x"}, SERVER) == "user_id or anonymous_id: is required"


def test_a_server_speaks_of_its_users_device() -> None:
    context = {"user_agent": "U" * 1001, "ip": "203.0.113.7", "country": "DE", "city": "", "viewport": "1x1"}
    record = taken({**ACTIVITY, "context": context}, SERVER)
    assert (record["user_agent"], record["ip"], record["country"]) == ("U" * 1000, "203.0.113.7", "DE")
    assert "city" not in record
    assert record["metadata"] == {"context": {"viewport": "1x1"}}
    page = taken({**ACTIVITY, "context": context})
    assert not {"user_agent", "ip", "country"} & set(page)
    assert page["metadata"] == {"context": context}


# ── Times ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("said", "utc"),
    [
        ("2026-11-22T09:00:00Z", "2026-11-22T09:00:00+00:00"),
        ("2026-11-22t09:00:00z", "2026-11-22T09:00:00+00:00"),
        ("2026-11-22 10:00:00+01:00", "2026-11-22T09:00:00+00:00"),
        ("2026-11-22T03:30:00.5-05:30", "2026-11-22T09:00:00.500000+00:00"),
        ("2026-11-22T09:00:00.123456789Z", "2026-11-22T09:00:00.123456+00:00"),
        # Postgres knows no such offset.
        ("2026-11-23T08:59:00+23:59", "2026-11-22T09:00:00+00:00"),
        ("0001-01-01T00:00:00+23:59", "0001-01-01T00:00:00+00:00"),
        ("9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59+00:00"),
    ],
)
def test_a_time_with_an_offset_becomes_utc(said: str, utc: str) -> None:
    assert parse_time(said, "t").isoformat() == utc


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("2026-11-22T09:00:00", "has no offset (end it with Z for UTC)"),
        ("2026-11-22", "has no offset"),
        ("yesterday", "must be an RFC 3339 time, not 'yesterday'"),
        ("", "must be an RFC 3339 time, not ''"),
        ("2026-02-30T00:00:00Z", "must be an RFC 3339 time"),
        ("2026-11-22T09:00:00+24:00", "must be an RFC 3339 time"),
        ("10000-01-01T00:00:00Z", "must be an RFC 3339 time"),
        ("1795341600", "must be an RFC 3339 time"),
        ("٢٠٢٦-11-22T09:00:00Z", "must be an RFC 3339 time"),
    ],
)
@pytest.mark.parametrize(
    ("event", "field"),
    [(ACTIVITY, "created_at"), (CONTENT, "published_at"), (IDENTIFY, "traits.created_at")],
)
def test_what_is_no_time_is_refused(event: dict[str, Any], field: str, said: str, message: str) -> None:
    outer, _, inner = field.partition(".")
    error = refusal({**event, outer: {inner: said} if inner else said}, SERVER)
    assert error.startswith(f"{field}: ")
    assert message in error


@pytest.mark.parametrize(
    ("event", "is_activity"), [(ACTIVITY, 1), (INTERACTION, 1), (IDENTIFY, 0), (CONTENT, 0)]
)
def test_an_activity_says_when_its_client_sent_it(event: dict[str, Any], is_activity: int) -> None:
    said = parse_time("2026-11-22T11:00:00+01:30", "sent_at")
    expected = "2026-11-22T09:30:00+00:00" if is_activity else None
    assert taken(event, SERVER, said).get("sent_at") == expected
    assert "sent_at" not in taken({**event, "sent_at": "2026-11-22T09:00:00Z"}, SERVER)


def test_without_a_time_the_receipt_counts() -> None:
    record = taken(ACTIVITY, sent_at=NOW - timedelta(days=3))
    assert record["created_at"] == NOW.isoformat()
    assert "client_created_at" not in record


@pytest.mark.parametrize(
    "off", [timedelta(), timedelta(minutes=5), -timedelta(minutes=5), timedelta(seconds=299)]
)
def test_a_clock_that_is_hardly_off_is_left_alone(off: timedelta) -> None:
    record = taken({**ACTIVITY, "created_at": "2026-11-22T09:00:00Z"}, sent_at=NOW - off)
    assert record["created_at"] == "2026-11-22T09:00:00+00:00"
    assert "client_created_at" not in record


@pytest.mark.parametrize(
    "off", [timedelta(minutes=5, seconds=1), timedelta(hours=1), timedelta(days=20), timedelta(days=3000)]
)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_clock_that_is_off_is_corrected_and_what_it_said_kept(off: timedelta, sign: int) -> None:
    happened = NOW - timedelta(hours=2)
    said = happened - sign * off
    record = taken({**ACTIVITY, "created_at": said.isoformat()}, sent_at=NOW - sign * off)
    corrected = datetime.fromisoformat(record["created_at"])
    assert abs(corrected - happened) <= timedelta(minutes=5)
    assert datetime.fromisoformat(record["client_created_at"]) == said


OFFSETS = st.timedeltas(-timedelta(days=400), timedelta(days=400))


@given(OFFSETS, st.lists(OFFSETS, min_size=2))
def test_the_order_of_one_requests_events_never_changes(off: timedelta, said: list[timedelta]) -> None:
    times = sorted(NOW + offset for offset in said)
    corrected = [created(time.isoformat(), sent_at=NOW - off) for time in times]
    assert corrected == sorted(corrected)


@given(
    st.integers(-48, 48).filter(bool).map(lambda halves: halves * timedelta(minutes=30)),
    st.lists(st.timedeltas(timedelta(), timedelta(seconds=60)), min_size=2, max_size=5),
)
def test_a_slow_request_is_not_put_behind_a_later_quick_one(off: timedelta, delays: list[timedelta]) -> None:
    """Each request carries an event of the moment it was sent; they arrive after delays of up to a minute."""
    corrected = []
    for second, delay in enumerate(delays):
        said = NOW + timedelta(seconds=second) - off
        reception = Reception(BROWSER, NOW + timedelta(seconds=second) + delay, MONTH_AGO, sent_at=said)
        record = to_record({**ACTIVITY, "created_at": said.isoformat()}, reception)
        corrected.append(datetime.fromisoformat(record["created_at"]))
    assert corrected == sorted(corrected)


DELAYS = st.lists(st.timedeltas(timedelta(), timedelta(seconds=60)), min_size=2, max_size=5)


@given(st.timedeltas(-timedelta(days=20), timedelta(days=20)), DELAYS)
def test_between_two_steps_a_device_keeps_the_order_of_its_own_clock(
    off: timedelta, delays: list[timedelta]
) -> None:
    """Two requests of such a clock may be corrected by different steps, as no request knows of the other."""
    records = []
    for second, delay in enumerate(delays):
        said = NOW + timedelta(seconds=second) - off
        reception = Reception(BROWSER, NOW + timedelta(seconds=second) + delay, MONTH_AGO, sent_at=said)
        records.append(to_record({**ACTIVITY, "created_at": said.isoformat()}, reception))
    own = [record.get("client_created_at", record["created_at"]) for record in records]
    assert own == sorted(own)
    corrected = [datetime.fromisoformat(record["created_at"]) for record in records]
    for place, moment in enumerate(corrected):
        assert max(corrected[: place + 1]) - moment <= CLOCK_TOLERANCE
    steps = {round((off + delay) / CLOCK_TOLERANCE) for delay in delays}
    if len(steps) == 1 and abs(off) > CLOCK_TOLERANCE + timedelta(minutes=1):
        assert corrected == sorted(corrected)


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ("2026-10-22T10:00:00Z", MONTH_AGO),
        ("2026-10-22T09:59:59Z", MONTH_AGO),
        ("0001-01-01T00:00:00Z", MONTH_AGO),
        ("0001-01-01T00:00:00+23:59", MONTH_AGO),
        ("2026-11-23T10:00:00Z", NOW + FUTURE),
        ("2026-11-23T10:00:01Z", NOW + FUTURE),
        ("9999-12-31T23:59:59Z", NOW + FUTURE),
        ("9999-12-31T23:59:59-23:59", NOW + FUTURE),
    ],
)
@pytest.mark.parametrize("sent_at", [None, NOW])
def test_a_time_outside_of_what_is_kept_is_clamped(
    said: str, stored: datetime, sent_at: datetime | None
) -> None:
    record = taken({**ACTIVITY, "created_at": said}, sent_at=sent_at)
    assert datetime.fromisoformat(record["created_at"]) == stored
    kept = record.get("client_created_at")
    assert (kept is None) == (parse_time(said, "t") == stored)
    assert kept is None or datetime.fromisoformat(kept) == parse_time(said, "t")


EDGES = st.sampled_from([datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), NOW])
ZONES = st.timedeltas(-timedelta(hours=23, minutes=59), timedelta(hours=23, minutes=59)).map(timezone)
TIMES = EDGES | st.datetimes(timezones=ZONES)


@given(TIMES, TIMES)
def test_no_time_is_too_strange(said: datetime, sent_at: datetime) -> None:
    sent = parse_time(sent_at.isoformat(), "sent_at")
    record = taken({**ACTIVITY, "created_at": said.isoformat()}, sent_at=sent)
    assert MONTH_AGO <= datetime.fromisoformat(record["created_at"]) <= NOW + FUTURE
    assert record["created_at"].endswith("+00:00")


# ── The kinds ────────────────────────────────────────────────────────────────────────────────────


def test_an_interaction_is_an_activity_as_well() -> None:
    record = taken({**INTERACTION, "duration_seconds": 35, "feed_id": A, "position": 0, "event_type": "mine"})
    assert record["kind"] == "interaction"
    assert (record["event_type"], record["event_category"], record["event_action"]) == (
        "content_interaction",
        "content",
        "view_project",
    )
    assert (record["content_type"], record["content_id"], record["interaction_type"]) == (
        "project",
        B,
        "view",
    )
    assert (record["duration_seconds"], record["feed_id"], record["position"]) == (35, A, 0)


def test_the_action_of_an_interaction_fits_its_column() -> None:
    record = taken({**INTERACTION, "interaction_type": "v" * 60, "content_type": "p" * 60})
    assert record["event_action"] == "v" * 50 + "_" + "p" * 49
    assert record["metadata"] == {"_truncated": ["content_type", "interaction_type"]}


def test_traits_are_kept_without_nulls() -> None:
    traits = {
        "profile_completeness": 40,
        "created_at": "2026-10-01T10:00:00+02:00",
        "name": "Ada",
        "age": None,
    }
    assert taken({**IDENTIFY, "traits": traits})["traits"] == {
        "profile_completeness": 40,
        "created_at": "2026-10-01T08:00:00+00:00",
        "name": "Ada",
    }
    assert taken(IDENTIFY)["traits"] == {}


@pytest.mark.parametrize("good", [0, 100, 49.5])
def test_completeness_is_a_percentage(good: float) -> None:
    assert taken({**IDENTIFY, "traits": {"profile_completeness": good}})["traits"] == {
        "profile_completeness": good
    }


@pytest.mark.parametrize("bad", [-1, 100.5, "40", True, [40], 10**400, float("inf")])
def test_what_is_no_percentage_is_refused(bad: Any) -> None:
    error = refusal({**IDENTIFY, "traits": {"profile_completeness": bad}})
    assert error.startswith("traits.profile_completeness: must be a number from 0 to 100, not ")
    assert len(error) < 150


def test_the_catalogue_is_the_servers() -> None:
    for speaker in (BROWSER, USER):
        assert refusal(CONTENT, speaker) == "type: 'content' needs the server key"
    said = {
        **CONTENT,
        "title": "Engineer",
        "url": "https://example.com/jobs/1",
        "author_id": A,
        "attributes": {"skills": ["sql"]},
        "published_at": "2020-01-01T00:00:00Z",
        "available": False,
    }
    record = taken(said, SERVER)
    assert {key: record.get(key) for key in said if key not in {"type", "published_at"}} == {
        key: value for key, value in said.items() if key not in {"type", "published_at"}
    }
    # A publication isn't an event: it may lie before all that is kept.
    assert record["published_at"] == "2020-01-01T00:00:00+00:00"
    assert taken(CONTENT, SERVER)["available"] is True


def test_undoing_a_tie_is_the_servers() -> None:
    unlink = {"type": "unlink", "anonymous_id": A, "user_id": B}
    for speaker in (BROWSER, USER):
        assert refusal(unlink, speaker) == "type: 'unlink' needs the server key"
    for field in ("anonymous_id", "user_id"):
        assert refusal({**unlink, field: None}, SERVER) == f"{field}: is required"
    record = taken(unlink, SERVER)
    assert (record["kind"], record["anonymous_id"], record["user_id"]) == ("unlink", A, B)


@given(
    st.dictionaries(
        st.sampled_from(sorted({field for _, field, _ in FIELDS} | {"type"})), st.integers() | st.text()
    )
)
def test_any_fields_are_taken_or_refused(fields: dict[str, Any]) -> None:
    for event in (ACTIVITY, INTERACTION, IDENTIFY, CONTENT):
        for speaker in (BROWSER, SERVER, USER):
            with suppress(InvalidEventError):
                assert dumps(taken({**event, **fields}, speaker))
