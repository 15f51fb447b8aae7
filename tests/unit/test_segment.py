"""Segment's messages in our words: one message is one event, whatever else stands in it."""

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from footfall import ids
from footfall.errors import BadRequestError
from functions.ingest.segment import PATHS, read, settings, to_events
from functions.ingest.speaking import Speaker
from functions.ingest.taking import Taken, take
from tests.samples import load

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
RETENTION = datetime(2025, 10, 1, tzinfo=UTC)
BROWSER, SERVER = Speaker("browser"), Speaker("server")
TRACK = {"type": "track", "event": "Signed Up", "userId": "ada", "anonymousId": "a", "messageId": "m"}


def sent(document: Any, kind: str = "batch", speaker: Speaker = SERVER) -> Taken:
    body = json.dumps(document).encode()
    return take(read(body, kind), speaker, NOW, RETENTION, to_events)


def records(*messages: Any, speaker: Speaker = SERVER, **beside: Any) -> list[dict[str, Any]]:
    answer = sent({"batch": messages, **beside}, speaker=speaker)
    return [json.loads(record) for record in answer.records]


def record(message: Any, speaker: Speaker = SERVER, **beside: Any) -> dict[str, Any]:
    (found,) = records({**TRACK, **message}, speaker=speaker, **beside)
    return found


def what(found: dict[str, Any]) -> tuple[Any, ...]:
    return found["event_type"], found.get("event_category"), found.get("event_action")


# ── What becomes of each kind ────────────────────────────────────────────────────────────────────


def test_a_page_is_a_page_view_with_its_path_title_and_address() -> None:
    page = {"path": "/a", "title": "A", "url": "https://x.example/a", "referrer": "https://y.example/"}
    found = record({"type": "page", "name": "Home", "properties": {"tab": 2}, "context": {"page": page}})
    assert what(found) == ("page_view", "navigation", "view")
    assert (found["page_path"], found["referrer"]) == ("/a", "https://y.example/")
    assert found["metadata"] == {
        "title": "A",
        "url": "https://x.example/a",
        "name": "Home",
        "tab": 2,
    }


@pytest.mark.parametrize("field", ["name", "category"])
def test_a_screen_is_a_page_view_of_its_name_wherever_that_stands(field: str) -> None:
    found = record({"type": "screen", field: "Checkout"})
    assert what(found) == ("page_view", "navigation", "view")
    assert (found["page_path"], found["metadata"]) == ("Checkout", {field: "Checkout"})


def test_a_track_is_an_action_named_as_the_event() -> None:
    found = record({"properties": {"category": "account", "plan": "pro"}})
    assert what(found) == ("user_action", "account", "Signed Up")
    assert found["metadata"] == {"category": "account", "plan": "pro"}
    assert what(record({"event": "Products Searched"}))[0] == "search"


def test_a_track_that_names_content_is_an_interaction() -> None:
    said = {"content_type": "project", "content_id": 42, "interaction_type": "like", "duration_seconds": 3}
    found = record({"properties": {**said, "feed_id": "f", "position": 2}})
    assert what(found) == ("content_interaction", "content", "like_project")
    assert (found["kind"], found["names"]["content_id"]) == ("interaction", "42")
    assert (found["duration_seconds"], found["position"]) == (3, 2)
    assert found["metadata"]["event"] == "Signed Up"


@pytest.mark.parametrize(
    ("name", "place", "action"),
    [
        ("Product Viewed", "product_id", "view_product"),
        ("Product Added", "sku", "save_product"),
        ("Promotion Clicked", "promotion_id", "click_promotion"),
        ("Video Content Started", "asset_id", "view_video"),
    ],
)
def test_segments_names_for_content_are_interactions(name: str, place: str, action: str) -> None:
    found = record({"event": name, "properties": {place: "p-1", "position": 3}})
    assert what(found) == ("content_interaction", "content", action)
    assert found["names"]["content_id"] == "p-1"
    # In a list of the shop's own, not in a feed of ours.
    assert "position" not in found
    assert what(record({"event": name})) == ("user_action", None, name)


@pytest.mark.parametrize("said", [["1", "2"], {"a": 1}, True, 1.5, "", "null", "undefined", None, "x" * 300])
def test_content_that_is_no_id_is_left_in_the_properties(said: Any) -> None:
    named = {"content_type": "project", "content_id": said, "interaction_type": "view"}
    assert what(record({"properties": named})) == ("user_action", None, "Signed Up")
    assert what(record({"event": "Product Viewed", "properties": {"product_id": said}}))[0] == "user_action"


@pytest.mark.parametrize("said", ["long", -1, True, [], {}])
def test_an_amount_that_is_none_is_left_in_the_properties(said: Any) -> None:
    named = {"content_type": "project", "content_id": "1", "interaction_type": "view", "feed_id": "f"}
    found = record({"properties": {**named, "duration_seconds": said, "position": said}})
    assert found["kind"] == "interaction"
    assert not {"duration_seconds", "position"} & set(found)
    assert found["metadata"]["duration_seconds"] == said


def test_an_identify_brings_the_traits_wherever_they_stand() -> None:
    found = record(
        {
            "type": "identify",
            "traits": {"a": 1},
            "context": {"traits": {"a": 0, "b": 2, "createdAt": "2026-01-02"}},
        }
    )
    assert found["kind"] == "identify"
    assert found["traits"] == {"a": 1, "b": 2, "created_at": "2026-01-02T00:00:00+00:00"}
    assert "verified" not in found


@pytest.mark.parametrize("said", ["yesterday", 1_466_000_000, ["x"], True])
def test_a_sign_up_that_is_no_time_stays_a_trait(said: Any) -> None:
    for field in ("createdAt", "created_at"):
        assert record({"type": "identify", "traits": {field: said}})["traits"] == {"createdAt": said}


def test_a_group_is_kept_with_its_traits() -> None:
    found = record({"type": "group", "groupId": 7, "traits": {"name": "Acme"}})
    assert what(found) == ("group", "account", "7")
    assert found["metadata"] == {"traits": {"name": "Acme"}}


def test_an_alias_ties_where_a_server_says_so() -> None:
    alias = {"type": "alias", "userId": "ada", "previousId": "visitor", "messageId": "m"}
    said, tie = records(alias)
    assert what(said) == ("alias", "account", "visitor")
    assert (tie["kind"], tie["verified"]) == ("identify", True)
    assert tie["names"] == {"id": "m tie", "anonymous_id": "visitor", "user_id": "ada"}
    (page,) = records({**alias, "anonymousId": "a"}, speaker=BROWSER)
    assert page["kind"] == "activity"
    assert "user_id" not in page
    assert "verified" not in page


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("text", "must be an object, not text"),
        ({}, "type: must be one of page, screen, track, identify, group, alias, not None"),
        ({"type": ["track"]}, "type: must be one of page, screen, track, identify, group, alias, not a list"),
        ({**TRACK, "event": None}, "event: must be a name, not None"),
        ({**TRACK, "event": 7}, "event: must be a name, not 7"),
        ({**TRACK, "properties": "x"}, "properties: must be an object, not text"),
        ({**TRACK, "type": "group"}, "groupId: is required"),
        ({**TRACK, "type": "alias", "previousId": True}, "previousId: is required"),
        ({**TRACK, "timestamp": "soon"}, "created_at: must be an RFC 3339 time, not 'soon'"),
        ({**TRACK, "userId": "null"}, "user_id: 'null' is no id"),
        ({**TRACK, "userId": None, "anonymousId": ""}, "user_id or anonymous_id: is required"),
    ],
)
def test_what_is_no_message_is_named_and_kept_and_its_neighbours_are_taken(message: Any, error: str) -> None:
    answer = sent({"batch": [TRACK, message, {**TRACK, "messageId": "n"}]})
    assert answer.accepted == 2
    assert answer.rejected == [{"index": 1, "error": error}]
    assert [json.loads(text)["kind"] for text in answer.records] == ["activity", "rejected", "activity"]
    with pytest.raises(BadRequestError) as refused:
        sent({"batch": [message]})
    assert str(refused.value) == f"batch[0].{error}"


# ── Who, when, and with what ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("user", [None, "", 0, 42, "ada"])
@pytest.mark.parametrize("anonymous", [None, "", 17, "a"])
def test_ids_may_be_null_and_numbers(user: Any, anonymous: Any) -> None:
    message = {**TRACK, "userId": user, "anonymousId": anonymous}
    if not user and not anonymous:
        assert sent({"batch": [TRACK, message]}).accepted == 1
        return
    names = record(message)["names"]
    assert names.get("user_id") == (str(user) if user else None)
    assert names.get("anonymous_id") == (str(anonymous) if anonymous else None)


def test_a_page_is_believed_nothing_but_its_anonymous_id() -> None:
    context = {
        "ip": "192.0.2.1",
        "userAgent": "Other",
        "timezone": "Europe/Berlin",
        "sessionId": 1_795_341_600,
    }
    found = record({"context": context}, BROWSER)
    assert not {"user_id", "ip", "user_agent", "country"} & set(found)
    assert found["names"] == {"id": "m", "anonymous_id": "a", "session_id": "1795341600"}
    assert found["time_zone"] == "Europe/Berlin"
    assert "metadata" not in found


def test_a_server_speaks_of_its_users_device() -> None:
    context = {"ip": "192.0.2.1", "userAgent": "Mozilla", "location": {"country": "DE", "city": "Köln"}}
    found = record({"context": context})
    assert {field: found[field] for field in ("ip", "user_agent", "country", "city")} == {
        "ip": "192.0.2.1",
        "user_agent": "Mozilla",
        "country": "DE",
        "city": "Köln",
    }


def test_what_a_batch_says_of_all_holds_for_each_unless_it_says_otherwise() -> None:
    context = {"timezone": "Europe/Berlin", "library": {"name": "theirs"}}
    own = {**TRACK, "context": {"timezone": "Asia/Tokyo"}}
    first, second = records(TRACK, {**own, "messageId": "n"}, context=context)
    assert (first["time_zone"], second["time_zone"]) == ("Europe/Berlin", "Asia/Tokyo")
    assert second["metadata"]["context"]["library"] == {"name": "theirs"}


@pytest.mark.parametrize("said", ["x", 7, [], True])
def test_parts_that_are_no_objects_are_as_good_as_absent(said: Any) -> None:
    assert what(record({"context": said, "traits": said}, context=said))[0] == "user_action"
    assert record({"context": {"page": said, "location": said, "timezone": 7, "sessionId": []}})


@pytest.mark.parametrize("field", ["timestamp", "originalTimestamp"])
@pytest.mark.parametrize(
    "said",
    ["2026-11-22T09:00:00Z", "2026-11-22T09:00:00", "2026-11-22 09:00:00.000", "2026-11-22T11:00:00+02:00"],
)
def test_a_time_without_an_offset_is_in_utc(field: str, said: str) -> None:
    assert datetime.fromisoformat(record({field: said})["created_at"]) == NOW - timedelta(hours=1)


def test_without_a_time_it_is_now() -> None:
    assert datetime.fromisoformat(record({"timestamp": None})["created_at"]) == NOW


@pytest.mark.parametrize("sent_at", ["2026-11-22T12:00:00Z", "2026-11-22T12:00:00"])
def test_a_wrong_clock_is_corrected_by_the_time_of_sending(sent_at: str) -> None:
    message = {"timestamp": "2026-11-22T11:30:00Z"}
    for found in (
        record(message, sentAt=sent_at),
        record({**message, "sentAt": sent_at}),
        records(7, {**TRACK, **message, "sentAt": sent_at})[1],
    ):
        assert datetime.fromisoformat(found["created_at"]) == NOW - timedelta(minutes=30)
        assert datetime.fromisoformat(found["client_created_at"]) == NOW + timedelta(hours=1.5)


@pytest.mark.parametrize("said", ["now", 5, [], {"a": 1}, True, math.nan])
def test_a_time_of_sending_that_is_none_costs_no_message(said: Any) -> None:
    found = record({"timestamp": "2026-11-22T09:00:00Z"}, sentAt=said)
    assert datetime.fromisoformat(found["created_at"]) == NOW - timedelta(hours=1)
    assert found.get("metadata", {}).get("_ignored") == (["sent_at"] if said else None)


# ── Ids of messages ──────────────────────────────────────────────────────────────────────────────

UNNAMED: list[Any] = [None, "", "null", "undefined", True, 1.5, [], {}]


@pytest.mark.parametrize("said", ["node-next-1795341600000-7d2f8a1e", "é" * 251, "0", "\x00"])
def test_an_id_may_be_any_text(said: str) -> None:
    assert record({"messageId": said})["names"]["id"] == said.replace("\x00", "\ufffd")


def test_an_id_too_long_to_be_kept_counts_all_the_same() -> None:
    def id_of(message_id: str, **message: Any) -> str:
        found: str = record({"messageId": message_id, **message})["id"]
        return found

    assert id_of("x" * 400) == id_of("x" * 400, event="Other") != id_of("x" * 401)


@pytest.mark.parametrize("said", UNNAMED)
def test_a_message_without_an_id_has_the_same_one_when_it_is_sent_again(said: Any) -> None:
    message = {**TRACK, "messageId": said}
    batch = [message, message, {**message, "event": "Other"}, {**message, "timestamp": NOW.isoformat()}]
    first, again = (records(*batch, sentAt="2026-11-22T10:00:00Z") for _ in range(2))
    assert first == again
    assert len({found["id"] for found in first}) == 4
    (later, *_) = records(*batch, sentAt="2026-11-22T10:01:00Z")
    assert later["id"] != first[0]["id"]


# ── The request ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", PATHS)
def test_each_route_takes_its_kind(path: str) -> None:
    kind = PATHS[path]
    single = {**TRACK, "groupId": "g", "previousId": "p"}
    answer = sent({"batch": [single]} if kind == "batch" else {**single, "type": "nonsense"}, kind)
    assert (answer.accepted, answer.rejected) == (1, [])


@pytest.mark.parametrize("kind", ["batch", "track"])
@pytest.mark.parametrize("body", [b"", b"[]", b"7", b"null", b"{", b'{"batch":'])
def test_a_body_that_is_none_is_refused(kind: str, body: bytes) -> None:
    with pytest.raises(BadRequestError, match=r"^the body "):
        read(body, kind)


@pytest.mark.parametrize("batch", [None, {}, "x", 7, []])
def test_a_batch_is_a_list(batch: Any) -> None:
    with pytest.raises(BadRequestError, match=r"^batch: "):
        read(json.dumps({"batch": batch}).encode(), "batch")


def test_the_key_is_found_in_both_spellings_and_kept_nowhere() -> None:
    for body in ({"writeKey": "k"}, {"writeKey": "", "write_key": "k"}):
        batch = read(json.dumps({**body, **TRACK}).encode(), "track")
        assert batch.write_key == "k"
        assert not {"writeKey", "write_key"} & set(batch.events[0])
    with pytest.raises(BadRequestError, match=r"^writeKey: must be text"):
        read(b'{"writeKey": 7}', "track")


def test_what_python_and_node_send_and_postgres_refuses_is_cleaned() -> None:
    properties = r'{"a": NaN, "b": "\ud800"}'
    body = (
        rf'{{"batch": [{{"type": "track", "event": "x\u0000", "userId": "a", "properties": {properties}}}]}}'
    )
    (text,) = take(read(body.encode(), "batch"), SERVER, NOW, RETENTION, to_events).records
    found = json.loads(text)
    assert found["event_action"] == "x\ufffd"
    assert found["metadata"] == {"a": None, "b": "\ufffd", "_cleaned": True}


def test_the_browser_library_is_told_to_send_where_it_asked() -> None:
    event = load("ingest_post_events")
    (said,) = settings(event, "k")["integrations"].items()
    host = "a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com"
    assert said == ("Segment.io", {"apiKey": "k", "apiHost": f"{host}/v1", "protocol": "https"})
    del event["headers"]
    assert settings(event, "k")["integrations"]["Segment.io"]["apiHost"] == f"{host}/v1"


TEXTS = st.text(st.characters(exclude_categories=()), max_size=8)
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.sampled_from(["null", "a" * 300])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
PARTS = st.dictionaries(
    st.sampled_from(
        ["page", "traits", "timezone", "sessionId", "location", "path", "createdAt", "content_id"]
    ),
    VALUES,
)
MESSAGES = st.builds(
    lambda kind, fields: {**TRACK, "groupId": "g", "previousId": "p", "type": kind, **fields},
    st.sampled_from(["page", "screen", "track", "identify", "group", "alias"]),
    st.dictionaries(
        st.sampled_from(
            [*TRACK, "properties", "traits", "context", "timestamp", "sentAt", "name", "groupId"]
        ),
        VALUES | PARTS,
        max_size=4,
    ),
)


@given(st.lists(MESSAGES | VALUES, max_size=4), VALUES, VALUES, st.sampled_from([BROWSER, SERVER]))
def test_each_message_is_queued_or_refused_exactly_once(
    messages: list[Any], context: Any, sent_at: Any, speaker: Speaker
) -> None:
    document = {"batch": [TRACK, *messages], "context": context, "sentAt": sent_at}
    answer, again = sent(document, speaker=speaker), sent(document, speaker=speaker)
    assert answer == again
    assert answer.accepted + len(answer.rejected) == len(messages) + 1
    found = [json.loads(text) for text in answer.records]
    ties = [one for one in found if one.get("verified")]
    assert len(found) - len(ties) == len(messages) + 1
    if speaker is BROWSER:
        assert not any("user_id" in one or "verified" in one for one in found)
    for one in found:
        assert ids.is_uuid(one["id"])


@pytest.mark.parametrize("said", ["80%", -1, 101, [], True])
def test_a_completeness_that_is_none_costs_no_identify(said: Any) -> None:
    traits = record({"type": "identify", "traits": {"profile_completeness": said, "plan": "pro"}})["traits"]
    assert traits == {"profileCompleteness": said, "plan": "pro"}
