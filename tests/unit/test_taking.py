"""The events of one request: each is queued or refused, exactly once, whatever stands beside it."""

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from footfall import ids
from footfall.errors import BadRequestError
from footfall.events import dumps, pack, unpack
from functions.ingest.reading import Batch, read
from functions.ingest.speaking import Speaker
from functions.ingest.taking import MAX_EVENT_BYTES, MAX_RAW, Taken, context_of, take
from tests.samples import load

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
RETENTION = datetime(2025, 10, 1, tzinfo=UTC)
BROWSER, SERVER, USER = Speaker("browser"), Speaker("server"), Speaker("user", "ada")
A = "7d2f8a1e-54c3-4b6f-9a0e-1c2d3e4f5a6b"
EVENT = {"event_type": "page_view", "anonymous_id": A}


def taken(events: list[Any], speaker: Speaker = BROWSER, **said: Any) -> Taken:
    return take(Batch(events, **said), speaker, NOW, RETENTION)


def sent(body: str, speaker: Speaker = BROWSER) -> Taken:
    return take(read(body.encode()), speaker, NOW, RETENTION)


def records(answer: Taken) -> list[dict[str, Any]]:
    return [json.loads(record) for record in answer.records]


def with_metadata(text: str) -> str:
    return f'{{"event_type": "page_view", "anonymous_id": "{A}", "metadata": {text}}}'


def test_good_events_are_taken_in_their_order() -> None:
    answer = taken([{**EVENT, "id": f"e{number}"} for number in range(5)])
    assert (answer.accepted, answer.rejected) == (5, [])
    assert [record["names"]["id"] for record in records(answer)] == ["e0", "e1", "e2", "e3", "e4"]
    assert len({record["id"] for record in records(taken([EVENT, EVENT]))}) == 2


def test_a_bad_event_is_named_and_kept_and_its_neighbours_are_taken() -> None:
    bad = {**EVENT, "event_type": 7, "secret": "found \x7f \U0001f600"}
    answer = taken([EVENT, bad, EVENT, "text", EVENT])
    assert answer.accepted == 3
    assert answer.rejected == [
        {"index": 1, "error": "event_type: must be text, not a number"},
        {"index": 3, "error": "must be an object, not text"},
    ]
    kept = records(answer)
    assert [record["kind"] for record in kept] == ["activity", "rejected", "activity", "rejected", "activity"]
    assert kept[1]["reason"] == answer.rejected[0]["error"]
    assert json.loads(kept[1]["raw"]) == bad
    assert ids.is_uuid(kept[1]["id"])
    assert set(kept[1]) == {"kind", "id", "reason", "raw", "request"}
    assert kept[1]["request"] == {"speaker": "browser", "format": "own"}


def test_the_same_refused_event_sent_again_keeps_its_id() -> None:
    def sent_at(moment: datetime, events: list[Any]) -> list[str]:
        found = take(Batch([*events, EVENT]), BROWSER, moment, RETENTION).records[:-1]
        return [json.loads(record)["id"] for record in found]

    # The last two differ behind what is kept of them; the same event twice is two.
    large = [{"event_type": 7, "text": "x" * MAX_RAW + end} for end in "ab"]
    events = [{"event_type": 7}, {"event_type": 7}, {}, *large]
    first = sent_at(NOW, events)
    assert sent_at(NOW + timedelta(seconds=61), events) == first
    assert len(set(first)) == 5
    assert not set(first) & set(sent_at(NOW, [{"event_type": 8}, {"id": 7}, {"anonymous_id": 7}]))


def test_of_a_large_refused_event_the_beginning_is_kept() -> None:
    (rejected, _) = records(taken([{"event_type": 7, "text": "\u00e9" * 100_000}, EVENT]))
    assert len(rejected["raw"]) == MAX_RAW
    assert rejected["raw"].startswith('{"event_type":7,"text":"\\u00e9')


def test_where_nothing_is_an_event_all_are_named() -> None:
    with pytest.raises(BadRequestError, match=r"^events\[0\]\.event_type: is required$") as error:
        taken([{"anonymous_id": A}, 7])
    assert error.value.details["rejected"] == [
        {"index": 0, "error": "event_type: is required"},
        {"index": 1, "error": "must be an object, not a number"},
    ]


@pytest.mark.parametrize("said", [5, [], {}, True, "now", "2026-11-22T10:00:00", math.nan, [[[]] * 9]])
def test_a_sent_at_that_is_no_time_is_ignored_and_named(said: Any) -> None:
    event = {**EVENT, "created_at": "2026-11-22T09:00:00+00:00"}
    answer = taken([event], sent_at=said)
    assert (answer.accepted, answer.rejected) == (1, [])
    assert str(answer.ignored).startswith("sent_at: must be an RFC 3339 time") or "no offset" in str(
        answer.ignored
    )
    assert len(str(answer.ignored)) < 120
    (record,) = records(answer)
    assert (record["created_at"], record["metadata"]) == (event["created_at"], {"_ignored": ["sent_at"]})
    assert "sent_at" not in record


@pytest.mark.parametrize("said", [None, "2026-11-22T10:00:00Z"])
def test_of_a_sent_at_that_is_heeded_nothing_is_said(said: Any) -> None:
    answer = taken([EVENT], sent_at=said)
    assert answer.ignored is None
    assert "metadata" not in records(answer)[0]


# ── Size ─────────────────────────────────────────────────────────────────────────────────────────


def test_an_event_over_256_kilobytes_is_refused_alone() -> None:
    answer = taken([EVENT, {**EVENT, "metadata": {"text": "x" * MAX_EVENT_BYTES}}, EVENT])
    assert answer.accepted == 2
    (error,) = answer.rejected
    assert error["index"] == 1
    assert error["error"].endswith(" bytes; 262,144 are allowed")
    assert len(answer.records[1]) < 2 * MAX_RAW


def test_the_limit_of_an_event_is_met_to_the_byte() -> None:
    def of(length: int) -> dict[str, Any]:
        return {**EVENT, "id": A, "created_at": NOW.isoformat(), "metadata": {"text": "x" * length}}

    room = MAX_EVENT_BYTES - len(taken([of(0)]).records[0])
    assert len(taken([of(room)]).records[0]) == MAX_EVENT_BYTES
    assert taken([of(room + 1), EVENT]).rejected[0]["index"] == 0


def test_twenty_thousand_tiny_events_fit_in_messages() -> None:
    answer = sent(json.dumps([{"event_type": "x", "anonymous_id": "a"}] * 20_000))
    assert answer.accepted == 20_000
    bodies = list(pack({"received_at": NOW.isoformat()}, answer.records, 1024 * 1024))
    assert all(len(body.encode()) <= 1024 * 1024 for body in bodies)
    found = [record["id"] for body in bodies for record in unpack(body)["events"]]
    assert len(set(found)) == 20_000


# ── What can't be stored ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        (r'{"a": "x\u0000y"}', {"a": "x\ufffdy"}),
        (r'{"a\u0000": 1, "\ud800": {"\udfff": "\ud83d"}}', {"a\ufffd": 1, "\ufffd": {"\ufffd": "\ufffd"}}),
        pytest.param(f'{{"a": {"9" * 280}e99}}', {"a": None}, id="digits with exponent"),
        ('{"a": NaN, "b": [Infinity, -Infinity, 1e999, -1e999]}', {"a": None, "b": [None] * 4}),
        pytest.param(f'{{"a": {"9" * 5000}, "b": -{"9" * 400}}}', {"a": None, "b": None}, id="digits"),
    ],
)
def test_what_cannot_be_stored_is_replaced_and_marked(said: str, stored: dict[str, Any]) -> None:
    answer = sent(f"[{json.dumps(EVENT)}, {with_metadata(said)}, {json.dumps(EVENT)}]")
    assert (answer.accepted, answer.rejected) == (3, [])
    first, cleaned, last = records(answer)
    assert cleaned["metadata"] == {**stored, "_cleaned": True}
    assert "metadata" not in first
    assert "metadata" not in last


def test_ids_and_texts_are_cleaned_too() -> None:
    (record,) = records(sent(r'{"event_type": "\u0000", "anonymous_id": "a\u0000", "page_path": "\ud800"}'))
    assert (record["event_type"], record["page_path"]) == ("\ufffd", "\ufffd")
    assert record["names"] == {"anonymous_id": "a\ufffd"}
    assert record["metadata"] == {"_cleaned": True}


def test_a_real_pair_of_surrogates_is_no_fault() -> None:
    (record,) = records(sent(with_metadata(r'{"a": "\ud83d\ude00", "b": "\\u0000"}')))
    assert record["metadata"] == {"a": "\U0001f600", "b": "\\u0000"}


def test_cut_and_cleaned_are_both_marked() -> None:
    text = (
        '{"event_type": "%s", "anonymous_id": "a", "metadata": {"_cleaned": "mine", "_truncated": "\\u0000"}}'
    )
    (record,) = records(sent(text % ("t" * 101)))
    assert record["metadata"] == {"_truncated": ["event_type"], "_cleaned": True}


def test_a_refused_event_is_kept_without_what_cannot_be_stored() -> None:
    refused = r'{"event_type": 7, "\u0000": ["\ud800", NaN]}'
    answer = sent(f"[{refused}, {json.dumps(EVENT)}]")
    assert records(answer)[0]["raw"] == r'{"event_type":7,"\ufffd":["\ufffd",null]}'


def test_a_number_that_escaped_cleaning_costs_its_event_alone() -> None:
    answer = taken([EVENT, {**EVENT, "metadata": {"a": math.inf}}])
    assert [error["index"] for error in answer.rejected] == [1]
    assert answer.rejected[0]["error"].startswith("can't be stored: ")


def depth_of(text: str) -> int:
    depth = deepest = 0
    for character in text:
        depth += (character in "[{") - (character in "]}")
        deepest = max(deepest, depth)
    return deepest


@pytest.mark.parametrize("levels", [33, 40, 500, 900, 950, 960, 970, 980, 990, 1000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_is_cut_or_refused_alone(levels: int, opening: str, closing: str) -> None:
    # Else the consumer, whose stack stands elsewhere, might not be able to read what ingest could.
    nested = with_metadata(f'{{"deep": {opening * levels}1{closing * levels}}}')
    answer = sent(f'{{"events": [{json.dumps(EVENT)}, {nested}, {json.dumps(EVENT)}]}}')
    assert {error["index"] for error in answer.rejected} <= {1}
    assert [record["kind"] for record in records(answer)][::2] == ["activity", "activity"]
    assert all(depth_of(record) <= 40 for record in answer.records)
    middle = records(answer)[1]
    assert middle["kind"] == "rejected" or middle["metadata"]["_cleaned"] is True


def test_what_is_wide_and_flat_is_kept_as_it_is() -> None:
    metadata = {"brackets": "[{" * 100, "rows": [[number] for number in range(100)]}
    assert records(taken([{**EVENT, "metadata": metadata}]))[0]["metadata"] == metadata


# ── How far back, and who sent it ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("speaker", "earliest"),
    [(BROWSER, NOW - timedelta(days=31)), (USER, NOW - timedelta(days=31)), (SERVER, RETENTION)],
)
def test_a_page_may_go_a_month_back_and_a_server_all_of_retention(
    speaker: Speaker, earliest: datetime
) -> None:
    for said in (earliest, earliest - timedelta(seconds=1), datetime(1, 1, 1, tzinfo=UTC)):
        (record,) = records(taken([{**EVENT, "created_at": said.isoformat()}], speaker))
        assert datetime.fromisoformat(record["created_at"]) == earliest
        assert ("client_created_at" in record) == (said != earliest)


def test_a_page_may_not_go_back_behind_retention() -> None:
    earliest = NOW - timedelta(days=3)
    answer = take(Batch([{**EVENT, "created_at": "2026-11-01T00:00:00Z"}]), BROWSER, NOW, earliest)
    assert datetime.fromisoformat(records(answer)[0]["created_at"]) == earliest


def test_the_request_says_which_device_it_was() -> None:
    event = load("ingest_post_events")
    event["headers"] |= {
        "cloudfront-viewer-country": "DE",
        "cloudfront-viewer-city": "Köln\udce9\x00",
        "cloudfront-viewer-address": "198.51.100.9:443",
        "sec-ch-ua": '"Chromium";v="142", "Google Chrome";v="142"',
        "sec-ch-ua-mobile": "?0",
        "sec-ch-ua-platform": '"Linux"',
        "sec-purpose": "prefetch;prerender",
    }
    assert context_of(event, NOW, BROWSER) == {
        "received_at": "2026-11-22T10:00:00+00:00",
        "speaker": "browser",
        "ip": "203.0.113.7",
        "viewer": "198.51.100.9:443",
        "user_agent": event["headers"]["user-agent"],
        "brands": '"Chromium";v="142", "Google Chrome";v="142"',
        "mobile": "?0",
        "platform": '"Linux"',
        "purpose": "prefetch;prerender",
        "country": "DE",
        "city": "Köln\ufffd\ufffd",
    }
    assert context_of(event, NOW, SERVER) == {"received_at": "2026-11-22T10:00:00+00:00", "speaker": "server"}


def test_headers_may_be_missing_or_endless() -> None:
    event = load("ingest_post_events")
    event["headers"] = {"user-agent": "U" * 100_000, "cloudfront-viewer-city": "\u00e9" * 100_000}
    context = context_of(event, NOW, USER)
    assert (len(context["user_agent"]), len(context["city"])) == (1000, 300)
    del event["headers"]
    assert context_of(event, NOW, USER).keys() == {"received_at", "speaker", "ip"}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
FIELDS = st.sampled_from([*EVENT, "id", "type", "metadata", "context", "created_at", "traits", "sequence"])
ANYTHING = VALUES | st.dictionaries(FIELDS, VALUES).map(lambda fields: {**EVENT, **fields})


@given(st.lists(ANYTHING, max_size=4), st.sampled_from([BROWSER, SERVER, USER]))
def test_each_event_is_queued_or_refused_exactly_once(events: list[Any], speaker: Speaker) -> None:
    answer = sent(json.dumps([EVENT, *events]), speaker)
    kinds = [record["kind"] for record in records(answer)]
    refused = [error["index"] for error in answer.rejected]
    assert [index for index, kind in enumerate(kinds) if kind == "rejected"] == refused
    assert answer.accepted + len(refused) == len(kinds) == len(events) + 1
    for record in answer.records:
        assert record.isascii()
        # Numbers may be written in more than one way.
        assert len(record) <= len(dumps(json.loads(record)))
