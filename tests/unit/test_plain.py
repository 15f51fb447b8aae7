"""The fast way and the slow way: they make the same of whatever both take, and the slow one alone refuses."""

import json
import math
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from footfall import ids
from footfall.errors import BadRequestError
from footfall.events import lines, pack
from functions.ingest import bundling, plain, segment
from functions.ingest.reading import Batch, parse, read
from functions.ingest.sending import MAX_MESSAGE_BYTES
from functions.ingest.speaking import Speaker
from functions.ingest.taking import MAX_EVENT_BYTES, Taken, Translate, own_words, take
from functions.ingest.validating import MAX_INTEGER, Reception, to_record
from tests.queued import records_in

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
RETENTION = datetime(2025, 10, 1, tzinfo=UTC)
BROWSER, SERVER, USER = Speaker("browser"), Speaker("server"), Speaker("user", "ada")
A, B = "7d2f8a1e-54c3-4b6f-9a0e-1c2d3e4f5a6b", "0b9c8d7e-6f5a-4b3c-8d1e-2f3a4b5c6d7e"
ACTIVITY = {"id": B, "event_type": "page_view", "anonymous_id": A}
INTERACTION = {
    "id": B,
    "type": "interaction",
    "anonymous_id": A,
    "content_type": "project",
    "content_id": "project 7",
    "interaction_type": "view",
}
IDENTIFY = {"id": B, "type": "identify", "anonymous_id": A}
LONGEST = {
    "time_zone": 64,
    "page_path": 255,
    "referrer": 255,
    "event_type": 100,
    "event_category": 50,
    "event_action": 100,
    "content_type": 50,
    "interaction_type": 50,
}

# ── Usual events, which the fast way must take ───────────────────────────────────────────────────

CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
NAMES = st.text(CHARACTERS, min_size=1, max_size=255).filter(lambda name: not ids.is_junk(name))
UUIDS = st.uuids().map(str)
IDS = UUIDS | UUIDS.map(str.upper) | st.sampled_from(["project 7", "7"]) | NAMES
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.just(10**290) | FLOATS | st.text(CHARACTERS, max_size=9)
)


def around(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    keys = st.text(CHARACTERS, max_size=9)
    return values | st.lists(values, max_size=3) | st.dictionaries(keys, values, max_size=3)


OBJECTS = st.dictionaries(st.text(CHARACTERS, max_size=9), around(around(SCALARS)), max_size=4)
TIMES = st.datetimes(timezones=st.sampled_from([UTC, None])).map(
    lambda time: f"{time.replace(tzinfo=None).isoformat()}{'Z' if time.tzinfo else '+05:30'}"
) | st.sampled_from(["2026-11-22T09:00:00.000Z", "2026-11-22t09:00:00.1234567z", "2026-11-21 23:00:00-01:00"])
COUNTS = st.integers(0, MAX_INTEGER)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    **{field: st.text(CHARACTERS, max_size=most) for field, most in LONGEST.items()},
    **dict.fromkeys(("id", "anonymous_id", "session_id", "user_id", "content_id", "feed_id"), IDS),
    **dict.fromkeys(("sequence", "position", "duration_seconds"), COUNTS),
    "duration_seconds": COUNTS | st.floats(0, MAX_INTEGER),
    "created_at": TIMES,
    "metadata": OBJECTS,
    "context": OBJECTS | st.just({"user_agent": "U" * 1001, "ip": "", "country": 7, "city": "Köln", "a": []}),
    "traits": OBJECTS
    | st.fixed_dictionaries({"created_at": TIMES | st.none(), "profile_completeness": st.floats(0, 100)}),
}
REQUIRED = {"event_type", "content_type", "content_id", "interaction_type", "anonymous_id"}
OPTIONAL = {field: values | st.none() for field, values in FIELDS.items() if field not in REQUIRED}
# What only the queue's records may say.
CLAIMS = {
    field: st.just(True) for field in ("verified", "names", "sent_at", "kind", "client_created_at", "ip")
}
USUAL = st.builds(
    lambda event, said: event | said,
    st.sampled_from([ACTIVITY, INTERACTION, IDENTIFY]),
    st.fixed_dictionaries(
        {}, optional=OPTIONAL | CLAIMS | {field: FIELDS[field].filter(bool) for field in REQUIRED}
    ),
)
SPEAKERS = st.sampled_from([BROWSER, SERVER, USER])
SENT = st.none() | st.timedeltas(-timedelta(days=40), timedelta(days=40)).map(lambda off: NOW + off)


def values(record: dict[str, Any], event: Any) -> str:
    """With their types, so that 1 is not 1.0; but for how times are written, and ids that were made up."""
    found = dict(record)
    for field in ("created_at", "client_created_at", "sent_at"):
        if field in found:
            found[field] = datetime.fromisoformat(found[field]).isoformat()
    if not isinstance(event, dict) or event.get("id") is None:
        assert ids.is_uuid(found.pop("id"))
    return json.dumps(found, sort_keys=True)


@settings(deadline=None)
@given(st.lists(USUAL, min_size=1, max_size=3), SPEAKERS, SENT)
def test_usual_events_become_the_same_records(
    events: list[dict[str, Any]], speaker: Speaker, sent_at: datetime | None
) -> None:
    reception = Reception(speaker, NOW, RETENTION, sent_at)
    kept = plain.keep(events, reception)
    assert kept is not None
    encoded = lines(kept)
    assert all(record.isascii() for record in encoded)
    fast = [values(json.loads(record), event) for record, event in zip(encoded, events, strict=True)]
    assert fast == [
        values(dict(record), event)
        for record, event in zip((to_record(event, reception) for event in events), events, strict=True)
    ]


@settings(deadline=None)
@given(st.lists(USUAL, min_size=1, max_size=4), SPEAKERS, SENT)
def test_bundles_hold_the_same_records(
    events: list[dict[str, Any]], speaker: Speaker, sent_at: datetime | None
) -> None:
    kept = plain.keep(events, Reception(speaker, NOW, RETENTION, sent_at)) or []
    encoded = bundling.encode(kept, MAX_EVENT_BYTES)
    assert encoded is not None
    bundles, records = encoded
    assert all(bundle.isascii() for bundle in bundles)
    usual = {one.id for one in kept if one.session_id is not None and one.kind != "identify"}
    assert len(records) == len(kept) - len(usual)
    [body] = pack({"received_at": NOW.isoformat()}, records, MAX_MESSAGE_BYTES, bundles)
    whole = sorted(values(record, {"id": 1}) for record in records_in(body))
    assert whole == sorted(values(json.loads(record), {"id": 1}) for record in lines(kept))


@pytest.mark.parametrize("field", LONGEST)
def test_a_text_of_the_greatest_length_is_usual_and_a_longer_one_is_not(field: str) -> None:
    event: dict[str, Any] = INTERACTION if field in INTERACTION else ACTIVITY
    for character in "xé\U0001f600":
        assert encoded({**event, field: character * LONGEST[field]}) is not None
        assert encoded({**event, field: character * (LONGEST[field] + 1)}) is None


def encoded(event: Any, speaker: Speaker = BROWSER, most: int = MAX_EVENT_BYTES) -> list[str] | None:
    kept = plain.keep([ACTIVITY, event], Reception(speaker, NOW, RETENTION))
    if kept is None or bundling.encode(kept, most) is None:
        return None
    return lines(kept)


@pytest.mark.parametrize(
    "said",
    [
        {"event_type": ""},
        {"event_type": 7},
        {"type": "content"},
        {"type": None},
        {"anonymous_id": None},
        {"anonymous_id": "null"},
        {"anonymous_id": "00000000-0000-0000-0000-000000000000"},
        {"session_id": ""},
        {"session_id": "s" * 256},
        {"sequence": -1},
        {"sequence": MAX_INTEGER + 1},
        {"sequence": True},
        {"created_at": "yesterday"},
        {"metadata": []},
        {"metadata": {"a": math.nan}},
        {"metadata": {"a": [-math.inf]}},
        {"metadata": {"a": {"b": {"c": {}}}}},
        {"metadata": {"a": "\ud800"}},
    ],
)
def test_what_is_unusual_is_left_to_the_slow_way(said: dict[str, Any]) -> None:
    assert encoded({**ACTIVITY, **said}) is None


def test_what_is_no_event_is_left_to_the_slow_way() -> None:
    events: list[Any] = [None, 7, "text", [], {}]
    assert [encoded(event) for event in events] == [None] * 5


def test_the_largest_event_decides() -> None:
    lengths = [len(record) for record in encoded({**ACTIVITY, "page_path": "/"}) or []]
    assert encoded({**ACTIVITY, "page_path": "/"}, most=max(lengths)) is not None
    assert encoded({**ACTIVITY, "page_path": "/"}, most=max(lengths) - 1) is None


def test_nobody_is_believed_more_on_the_fast_way() -> None:
    claims = {"user_id": A, "verified": True, "names": {"id": "x"}, "user_agent": "mine", "ip": "::1"}
    (_, record) = encoded({**ACTIVITY, **claims, "context": {"ip": "::1"}}) or []
    assert set(json.loads(record)) == {"kind", "id", "created_at", "anonymous_id", "event_type", "metadata"}


# ── Anything at all: whichever way it goes, the answer is the same ───────────────────────────────

ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
ANY_FIELDS = {field: values | ODD for field, values in FIELDS.items()} | {
    "type": st.sampled_from(["activity", "interaction", "identify", "alias", "content"]) | ODD
}
ANY_EVENT = ODD | st.builds(
    lambda event, said: event | said,
    st.sampled_from([ACTIVITY, INTERACTION, IDENTIFY]),
    st.dictionaries(st.sampled_from(sorted(ANY_FIELDS)), ODD, max_size=2)
    | st.fixed_dictionaries({}, optional=ANY_FIELDS),
)
MESSAGES = st.fixed_dictionaries(
    {"type": st.sampled_from(["track", "page", "identify", "group", "alias", "screen"])},
    optional={
        "messageId": IDS,
        "anonymousId": IDS | st.none(),
        "userId": IDS | st.none(),
        "event": st.sampled_from(["Product Viewed", "x", "", 7]),
        "groupId": IDS,
        "previousId": IDS,
        "timestamp": TIMES | ODD,
        "properties": OBJECTS | st.just({"product_id": "7"}) | ODD,
        "traits": OBJECTS | ODD,
        "context": OBJECTS | st.just({"userAgent": "U", "ip": "::1", "page": {"path": "/"}, "locale": "de"}),
    },
)


def answered(batch: Batch, speaker: Speaker, translate: Translate) -> Any:
    try:
        # Records come as their events did.
        with mock.patch.object(bundling, "_BUNDLED", frozenset()):
            taken: Taken = take(batch, speaker, NOW, RETENTION, translate)
    except BadRequestError as error:
        return str(error), error.details
    records = [json.loads(record) for record in taken.records]
    # Without a rejection or an alias there is a record for each event.
    events = batch.events if len(records) == len(batch.events) else [{}] * len(records)
    named = [{"id": 1} if isinstance(event, dict) and event.get("messageId") else event for event in events]
    found = [values(record, event) for record, event in zip(records, named, strict=True)]
    return found, taken.accepted, taken.rejected


@settings(deadline=None)
@given(st.lists(ANY_EVENT, min_size=1, max_size=3), SPEAKERS, st.booleans())
@example([{**ACTIVITY, "metadata": {"a": 10**400}}], BROWSER, True)
@example([{**ACTIVITY, "metadata": {"a": sys.float_info.max, "b": 5e-324}}], BROWSER, True)
def test_either_way_answers_the_same(events: list[Any], speaker: Speaker, ascii_only: bool) -> None:
    body = json.dumps({"events": events}, ensure_ascii=ascii_only).encode("utf-8", "replace")
    both_ways_agree(body, speaker)


# The first examples may take long where other tests run beside.
@settings(deadline=None)
@given(st.lists(MESSAGES, min_size=1, max_size=3), SPEAKERS)
def test_either_way_answers_segment_the_same(messages: list[Any], speaker: Speaker) -> None:
    batch = segment.read(json.dumps({"batch": messages}).encode(), "batch")
    fast = answered(batch, speaker, segment.to_events)
    with mock.patch.object(plain, "keep", return_value=None):
        assert answered(batch, speaker, segment.to_events) == fast


def both_ways_agree(body: bytes, speaker: Speaker) -> None:
    fast = answered(read(body), speaker, own_words)
    with (
        mock.patch.object(plain, "keep", return_value=None),
        mock.patch("functions.ingest.reading.is_plain", return_value=False),
    ):
        assert answered(read(body), speaker, own_words) == fast


# ── Reading ──────────────────────────────────────────────────────────────────────────────────────

TOKENS = st.sampled_from(
    [*'{}[]:,"\\ \t\n\r\x0b-+.eE019', '"a"', '"\\ud83d\\ude00"', "\\u0000", "\\ud800", "1e308", "NaN", "true"]
)


@given(st.lists(TOKENS | st.text(max_size=3)).map("".join))
@example("9" * 300)
@example("[-0, -0.0, 1.0, 1E5, 0.1, 1e-999, 12345678901234567890123]")
@example('{"a": 1, "a": 2}')
def test_what_is_read_fast_is_what_is_read_slowly(text: str) -> None:
    body = text.encode("utf-8", "surrogatepass")
    fast = parsed(body)
    with mock.patch("functions.ingest.reading.is_plain", return_value=False):
        slow = parsed(body)
    # The slow way may suspect what is clean; so may the fast one, which then reads slowly.
    assert fast == slow or (fast[0] == slow[0] and slow[1])


def parsed(body: bytes) -> tuple[str, bool]:
    try:
        document, suspect = parse(body)
    except BadRequestError as error:
        return f"refused: {error}", False
    return repr(document), suspect


@pytest.mark.parametrize("digits", [299, 300, 301, 329, 400, 5000])
@pytest.mark.parametrize("before", range(31))
def test_a_number_of_many_digits_is_seen_wherever_it_stands(digits: int, before: int) -> None:
    number = "1234567890" * 500
    _, suspect = parse(f'["{"x" * before}", {number[:digits]}]'.encode())
    assert suspect == (digits >= 300)
