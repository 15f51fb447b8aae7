"""What shouldn't come in is told why, and costs its neighbours nothing."""

import gzip
import json
import uuid
from typing import Any

import jwt
import psycopg
import pytest

from local.control.issuer import Issuer
from tests.end_to_end.local_stack import LocalStack, eventually

pytestmark = pytest.mark.xdist_group("stack")

EVENT = {"event_type": "page_view", "anonymous_id": "visitor-of-the-bad-input-tests"}
MEBIBYTE = 1024 * 1024


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"", 400, "the body is empty"),
        (b"not json", 400, "isn't JSON"),
        (b'{"events": [', 400, "isn't JSON"),
        (b"\xff\xfe", 400, "UTF-8"),
        (b"42", 400, "must be an event"),
        (b"[]", 400, "events: the list is empty"),
        (b'{"events": {}}', 400, "events: must be a list"),
        (b'{"events": []}', 400, "events: the list is empty"),
        (b"[7]", 400, "events[0].must be an object"),
        (json.dumps({**EVENT, "type": "klick"}).encode(), 400, "type: must be one of activity"),
        (json.dumps({**EVENT, "event_type": 7}).encode(), 400, "event_type: must be text, not a number"),
        (json.dumps({"event_type": "x"}).encode(), 400, "anonymous_id: is required"),
        (json.dumps({**EVENT, "anonymous_id": "null"}).encode(), 400, "anonymous_id: 'null' is no id"),
        (json.dumps({**EVENT, "created_at": "yesterday"}).encode(), 400, "created_at: must be an RFC 3339"),
        (json.dumps({**EVENT, "metadata": []}).encode(), 400, "metadata: must be an object"),
        (gzip.compress(b'{"event', mtime=0), 400, "isn't JSON"),
        (gzip.compress(json.dumps(EVENT).encode(), mtime=0)[:-9], 400, "gzip that ends too early"),
        (b" " * 5 * MEBIBYTE, 413, "4,194,304 are allowed"),
        (gzip.compress(b" " * 50 * MEBIBYTE, mtime=0), 413, "unpacks to more than 4,194,304"),
    ],
)
def test_a_bad_body_is_refused_by_name(stack: LocalStack, body: bytes, status: int, says: str) -> None:
    answer = stack.post(f"/v1/events?write_key={stack.local()['browser_key']}", body)
    assert answer.status == status
    assert set(answer.body) >= {"code", "message"}
    assert says in answer.body["message"]


@pytest.mark.parametrize("key", ["", "wrong", "\u0000", "x" * 10_000])
def test_an_unknown_key_is_refused(stack: LocalStack, key: str) -> None:
    answer = stack.post("/v1/events", {"write_key": key, "events": [EVENT]})
    assert (answer.status, answer.body["code"]) == (401, "unauthorized")
    assert "write_key" in answer.body["message"]


def test_neighbours_of_a_bad_event_are_stored_and_it_is_kept(
    stack: LocalStack, database: psycopg.Connection[Any]
) -> None:
    anonymous_id = str(uuid.uuid4())
    good = {"event_type": "page_view", "anonymous_id": anonymous_id}
    strange = json.dumps({**good, "event_action": "NUL"}).replace("NUL", "a\\u0000b\\ud800")
    bad = [{**good, "event_type": None}, {**good, "sequence": -1}, "text", {**good, "type": "content"}]
    events = [json.dumps(good), *map(json.dumps, bad), strange, json.dumps(good)]
    body = f'{{"events": [{",".join(events)}], "write_key": "{stack.local()["browser_key"]}"}}'

    answer = stack.post("/v1/events", body.encode())

    assert answer.status == 202
    assert answer.body["accepted"] == 3
    assert answer.body["rejected"] == [
        {"index": 1, "error": "event_type: is required"},
        {"index": 2, "error": "sequence: must not be negative"},
        {"index": 3, "error": "must be an object, not text"},
        {"index": 4, "error": "type: 'content' needs the server key"},
    ]
    stored = "SELECT event_action FROM user_activities WHERE anonymous_id = %s ORDER BY event_action"
    rows = eventually(lambda: len(r := database.execute(stored, [anonymous_id]).fetchall()) == 3 and r)
    assert rows == [("a\ufffdb\ufffd",), (None,), (None,)]
    kept = "SELECT count(*) FROM quarantine WHERE stage = 'ingest' AND (raw LIKE %s OR raw = '\"text\"')"
    assert eventually(lambda: database.execute(kept, [f"%{anonymous_id}%"]).fetchone()) == (4,)


def test_the_server_key_is_no_users_token(stack: LocalStack) -> None:
    answer = stack.post("/v1/me/events", EVENT, stack.local()["server_key"])
    assert (answer.status, answer.body["code"]) == (401, "unauthorized")


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_both_kinds_of_signature_are_believed(stack: LocalStack, alg: str) -> None:
    token = _issuer(stack).token("ann", alg=alg)
    assert jwt.get_unverified_header(token)["alg"] == alg
    assert stack.post("/v1/me/events", EVENT, token).status == 202


def test_a_token_is_needed(stack: LocalStack) -> None:
    answer = stack.post("/v1/me/events", EVENT)
    assert (answer.status, answer.body) == (401, {"message": "Unauthorized"})


@pytest.mark.parametrize(
    "fault", ["expired", "other issuer", "other audience", "alg none", "signed by another", "changed", "junk"]
)
def test_a_token_that_cannot_be_trusted_is_refused(stack: LocalStack, fault: str) -> None:
    for route in ("/v1/me/events", "/v1/users/me/insights"):
        token = _faulty(stack, fault)
        answer = stack.get(route, token) if "insights" in route else stack.post(route, EVENT, token)
        assert (answer.status, answer.body) == (403, {"message": "Forbidden"}), route


def _faulty(stack: LocalStack, fault: str) -> str:
    issuer = _issuer(stack)
    good = issuer.token("ann")
    claims: dict[str, Any] = jwt.decode(good, options={"verify_signature": False})
    header, body, signature = good.split(".")
    stolen_id = {"kid": jwt.get_unverified_header(good)["kid"]}
    other_body = jwt.encode({**claims, "sub": "bob"}, "k" * 32).split(".")[1]
    return {
        "expired": issuer.token("ann", lifetime=-3600),
        "other issuer": issuer.token("ann", iss="https://elsewhere.invalid"),
        "other audience": issuer.token("ann", audience="elsewhere"),
        "alg none": jwt.encode(claims, "", algorithm="none"),
        "signed by another": jwt.encode(claims, "k" * 32, algorithm="HS256", headers=stolen_id),
        "changed": f"{header}.{other_body}.{signature}",
        "junk": f"{header}.{body}",
    }[fault]


def _issuer(stack: LocalStack) -> Issuer:
    return Issuer(stack.data_dir / "issuer", f"{stack.url}/local/issuer")
