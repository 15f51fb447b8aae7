"""What is written of a record: its own word before its request's; and who is a bot."""

from datetime import UTC, datetime
from typing import Any

import pytest

from footfall.events import VERSION, dumps
from functions.ingest.speaking import Speaker
from functions.ingest.taking import context_of
from functions.session.origins import Origins
from functions.session.preparing import prepare

RECORD = {"kind": "activity", "id": "1", "anonymous_id": "a"}
KNOWN = {**RECORD, "user_id": "ada"}
VERIFIED = {**KNOWN, "verified": True}
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
CURL = "curl/8.11.0"


def prepared(record: dict[str, Any], kept: Any = "whole", **context: str) -> dict[str, Any]:
    message = {"version": VERSION, "received_at": "2026-11-22T10:00:00+00:00", **context, "events": [record]}
    ([result], _) = prepare(dumps(message), Origins(kept))
    return result


def test_a_record_takes_device_and_origin_of_its_request() -> None:
    assert prepared(RECORD, user_agent=FIREFOX, ip="203.0.113.7", country="DE", city="K%C3%B6ln") == {
        **RECORD,
        "received_at": "2026-11-22T10:00:00+00:00",
        "ip": "203.0.113.7",
        "country": "DE",
        "city": "Köln",
        "device_type": "desktop",
        "browser": "Firefox",
        "os": "Linux",
        "is_bot": False,
    }


def test_what_a_server_says_of_a_device_counts_alone() -> None:
    own = {**KNOWN, "user_agent": FIREFOX, "ip": "198.51.100.9", "country": "PT"}
    result = prepared(own)
    assert (result["browser"], result["ip"], result["country"]) == ("Firefox", "198.51.100.9", "PT")
    assert (prepared(KNOWN)["browser"], prepared(KNOWN)["ip"]) == (None, None)


def test_the_address_that_an_edge_saw_is_the_devices() -> None:
    assert prepared(RECORD, ip="192.0.2.1", viewer="203.0.113.7:443")["ip"] == "203.0.113.7"


@pytest.mark.parametrize(
    ("context", "is_bot"),
    [
        ({"user_agent": FIREFOX}, False),
        ({"user_agent": CURL}, True),
        ({"user_agent": FIREFOX, "purpose": "prefetch"}, True),
        ({"user_agent": FIREFOX, "purpose": "prefetch;prerender"}, True),
        ({"user_agent": FIREFOX, "purpose": ""}, False),
        ({"user_agent": FIREFOX, "brands": '"HeadlessChrome";v="142"'}, True),
        ({}, False),
    ],
)
def test_nobody_is_a_bot_who_holds_a_token(context: dict[str, str], is_bot: bool) -> None:
    assert prepared(RECORD, **context)["is_bot"] is is_bot
    assert prepared(VERIFIED, **context)["is_bot"] is False


@pytest.mark.parametrize("record", [RECORD, KNOWN])
def test_a_server_is_no_bot_but_may_speak_of_one(record: dict[str, Any]) -> None:
    """By what its own request was sent with it is told nowhere; see `context_of`."""
    event = {"headers": {"user-agent": CURL, "sec-purpose": "prefetch"}}
    context = context_of(event, datetime(2026, 11, 22, tzinfo=UTC), Speaker("server"))
    said = {name: str(value) for name, value in context.items() if name != "received_at"}
    assert prepared(record, **said)["is_bot"] is False
    assert prepared({**record, "user_agent": CURL}, **said)["is_bot"] is True


@pytest.mark.parametrize("speaker", ["browser", "user", "server", None])
@pytest.mark.parametrize("kind", ["activity", "interaction", "identify", "content"])
@pytest.mark.parametrize("session", [{}, {"session_id": "s"}])
def test_only_what_happens_on_a_device_without_sessions_wants_one(
    speaker: Any, kind: str, session: dict[str, str]
) -> None:
    wants = speaker in {"browser", "user"} and kind in {"activity", "interaction"} and not session
    assert prepared({**RECORD, "kind": kind, **session}, speaker=speaker).get("wants_session", False) is wants


@pytest.mark.parametrize(
    ("kept", "stored"), [("whole", "203.0.113.7"), ("truncated", "203.0.113.0"), ("none", "")]
)
def test_of_a_refused_event_the_address_is_kept_no_further(kept: str, stored: str) -> None:
    refused = {"kind": "rejected", "id": "1", "reason": "", "raw": '{"context":{"ip":"203.0.113.7"}}'}
    assert prepared(refused, kept)["raw"] == f'{{"context":{{"ip":"{stored}"}}}}'
