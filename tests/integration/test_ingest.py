"""The front door as Lambda calls it: from a gateway event to messages in a queue, and the answer."""

import base64
import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from footfall import ids
from footfall.events import dumps, unpack
from footfall.keys import digest
from functions.ingest import handler
from functions.ingest.handler import lambda_handler
from functions.ingest.reading import MAX_BYTES, MAX_EVENTS
from functions.ingest.segment import PATHS
from functions.ingest.sending import LAST_TRY_SECONDS, MAX_MESSAGE_BYTES, Sender
from tests.queued import records_in
from tests.samples import load, with_body

A = "7d2f8a1e-54c3-4b6f-9a0e-1c2d3e4f5a6b"
EVENT = {"event_type": "page_view", "anonymous_id": A}
BOMB = gzip.compress(bytes(16 * 1024 * 1024), 1, mtime=0)
Client = Any


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("BROWSER_KEY_HASHES", digest("sample-browser-key"))
    monkeypatch.setenv("SERVER_KEY_HASHES", digest("sample-server-key"))
    monkeypatch.setenv("RETENTION_MONTHS", "13")
    monkeypatch.setenv("QUEUE_URL", "http://127.0.0.1:9/000000000000/events")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    # A developer's own endpoint or proxy must not receive what tests send.
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS", "AWS_PROFILE", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    forget()
    yield
    forget()


def forget() -> None:
    """As a new copy of the function knows nothing yet."""
    handler._settings.cache_clear()
    handler._sender.cache_clear()


@dataclass
class Queue:
    client: Client
    url: str

    def drain(self) -> list[str]:
        bodies: list[str] = []
        while found := self.client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            bodies += [message["Body"] for message in found]
        return bodies

    def records(self) -> list[dict[str, Any]]:
        return records_in(*self.drain())


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    with mock_aws():
        client = boto3.client("sqs", region_name="eu-central-1")
        url = client.create_queue(QueueName="events")["QueueUrl"]
        monkeypatch.setattr(handler, "Sender", partial(Sender, clock=stopped))
        monkeypatch.setenv("QUEUE_URL", url)
        yield Queue(client, url)
        client.close()


def answer_of(event: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    answer = lambda_handler(event, None)
    return answer["statusCode"], json.loads(answer["body"])


def post(body: bytes, sample: str = "ingest_post_events") -> tuple[int, dict[str, Any]]:
    return answer_of(with_body(sample, body))


# ── The samples, all the way into a queue ────────────────────────────────────────────────────────


def test_a_pages_events_arrive(queue: Queue) -> None:
    before = datetime.now(UTC)
    assert answer_of(load("ingest_post_events")) == (202, {"accepted": 3, "rejected": []})
    (body,) = queue.drain()
    message = unpack(body)
    assert before <= datetime.fromisoformat(message["received_at"]) <= datetime.now(UTC)
    assert message["ip"] == "203.0.113.7"
    assert message["user_agent"].startswith("Mozilla/5.0")
    view, click, interaction = records_in(body)
    assert (view["event_type"], view["metadata"]["context"]["touch"]) == ("page_view", False)
    assert (click["event_action"], click["metadata"]) == (
        "click_create_project",
        {"button_location": "dashboard"},
    )
    assert (interaction["event_type"], interaction["event_category"], interaction["event_action"]) == (
        "content_interaction",
        "content",
        "view_project",
    )
    assert interaction["names"] == {"content_id": "42"}
    assert all("user_id" not in record for record in records_in(body))


def test_a_key_that_the_page_may_not_use_queues_nothing(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROWSER_KEY_HASHES", f"{digest('sample-browser-key')}@https://shop.example")
    event = load("ingest_post_events")
    assert answer_of(event)[0] == 202
    assert len(queue.drain()) == 1
    event["headers"]["origin"] = "https://stranger.example"
    message = "write_key: isn't allowed from 'https://stranger.example'"
    assert answer_of(event) == (403, {"code": "forbidden", "message": message})
    assert queue.drain() == []


def test_a_users_events_arrive_as_the_tokens_user(queue: Queue) -> None:
    assert answer_of(load("ingest_post_my_events")) == (202, {"accepted": 2, "rejected": []})
    for record in queue.records():
        assert (record["user_id"], record["names"]["user_id"]) == (ids.to_uuid("user", "ada"), "ada")
        assert record["verified"] is True


def test_a_servers_gzip_arrives_whatever_its_content_type(queue: Queue) -> None:
    event = load("ingest_gzip")
    for content_type in ("application/x-www-form-urlencoded", "application/json", "", None):
        event["headers"]["content-type"] = content_type
        assert answer_of(event) == (202, {"accepted": 2, "rejected": []})
    message = unpack(queue.drain()[0])
    message.pop("bundles", None)
    assert set(message) == {"version", "received_at", "speaker", "events"}


def test_whom_an_event_is_believed_to_be_about(queue: Queue) -> None:
    said = json.dumps({**EVENT, "user_id": "bob"}).encode()
    posts = {"ingest_post_events": None, "ingest_gzip": "bob", "ingest_post_my_events": "ada"}
    for sample, user in posts.items():
        assert post(said, sample)[0] == 202
        (record,) = queue.records()
        assert record.get("user_id") == (user and ids.to_uuid("user", user)), sample
        assert record.get("verified", False) == (user == "ada")


def test_a_user_of_a_page_cannot_use_a_write_key_to_be_somebody_else(queue: Queue) -> None:
    body = json.dumps({"write_key": "sample-server-key", "events": [{**EVENT, "user_id": "bob"}]}).encode()
    assert post(body, "ingest_post_my_events")[0] == 202
    assert queue.records()[0]["user_id"] == ids.to_uuid("user", "ada")


def test_a_key_in_the_body_is_enough(queue: Queue) -> None:
    event = with_body("ingest_post_events", json.dumps({"write_key": "sample-browser-key", **EVENT}).encode())
    event.pop("queryStringParameters")
    event.pop("headers")
    assert answer_of(event)[0] == 202
    assert len(queue.records()) == 1


def test_how_far_back_an_event_may_lie_depends_on_who_sends_it(queue: Queue) -> None:
    old = datetime.now(UTC) - timedelta(days=200)
    body = json.dumps({**EVENT, "created_at": old.isoformat()}).encode()
    for sample, kept in {"ingest_post_events": False, "ingest_gzip": True}.items():
        post(body, sample)
        (record,) = queue.records()
        assert (datetime.fromisoformat(record["created_at"]) == old) == kept
        assert ("client_created_at" in record) != kept


# ── As Segment's SDKs send ───────────────────────────────────────────────────────────────────────

TRACK = {"type": "track", "event": "Signed Up", "userId": "ada", "anonymousId": "a", "messageId": "m"}


def post_segment(path: str, document: Any, key: str | None = "sample-server-key") -> tuple[int, Any]:
    event = with_body("ingest_segment_batch", gzip.compress(json.dumps(document).encode()))
    event |= {"routeKey": f"POST {path}", "rawPath": path}
    event["headers"].pop("authorization")
    if key is not None:
        event["headers"]["authorization"] = f"Basic {base64.b64encode(f'{key}:'.encode()).decode()}"
    return answer_of(event)


SEGMENT = [*sorted(f"/v1/{path}" for path in PATHS), "/beacon/v1/batch"]


@pytest.mark.parametrize("path", SEGMENT)
def test_each_of_segments_routes_answers_as_segment_does(queue: Queue, path: str) -> None:
    message = {**TRACK, "groupId": "g", "previousId": "p"}
    batch = path.rpartition("/")[2] in {"batch", "import", "b"}
    answer = post_segment(path, {"batch": [message, 7]} if batch else message)
    assert answer == (200, {"success": True})
    taken = [record["kind"] for record in queue.records()]
    assert len(taken) == 1 + batch + ("alias" in path or path == "/v1/a")
    assert ("rejected" in taken) == batch


def test_the_sample_of_segments_batch_arrives(queue: Queue) -> None:
    assert answer_of(load("ingest_segment_batch")) == (200, {"success": True})
    identify, page, track = queue.records()
    assert (identify["kind"], identify["traits"]) == ("identify", {"plan": "pro"})
    assert (page["event_type"], track["event_action"]) == ("page_view", "Signed Up")
    assert {record["names"]["user_id"] for record in (identify, page, track)} == {"ada"}


@pytest.mark.parametrize(
    ("document", "key", "status", "code", "message"),
    [
        ({"batch": [TRACK]}, "wrong", 401, "unauthorized", "writeKey: isn't known"),
        (
            {"batch": [TRACK]},
            None,
            401,
            "unauthorized",
            "writeKey: is missing (in the query, in the body, or",
        ),
        ({"batch": []}, "sample-server-key", 400, "bad_request", "batch: the list is empty"),
        ({"batch": [{}]}, "sample-server-key", 400, "bad_request", "batch[0].type: must be one of page, "),
        ({"batch": [0] * 20_001}, "sample-server-key", 413, "too_large", "batch: there are 20,001; 20,000"),
    ],
)
def test_what_segment_would_refuse_is_refused_by_name(
    queue: Queue, document: Any, key: str | None, status: int, code: str, message: str
) -> None:
    answered, answer = post_segment("/v1/batch", document, key)
    assert (answered, answer["code"]) == (status, code)
    assert answer["message"].startswith(message)
    assert queue.drain() == []


def test_a_closing_page_says_its_key_in_the_query(queue: Queue) -> None:
    event = with_body("ingest_segment_batch", json.dumps({"batch": [TRACK]}).encode())
    event |= {
        "routeKey": "POST /beacon/v1/batch",
        "queryStringParameters": {"writeKey": "sample-browser-key"},
    }
    del event["headers"]["authorization"]
    assert answer_of(event) == (200, {"success": True})
    assert "user_id" not in queue.records()[0]


def test_a_browser_library_learns_where_to_send() -> None:
    event = load("ingest_segment_batch") | {"routeKey": "GET /v1/projects/{key}/settings"}
    status, answer = answer_of(event | {"pathParameters": {"key": "sample-browser-key"}})
    assert (status, answer["integrations"]["Segment.io"]["apiKey"]) == (200, "sample-browser-key")
    for key in ("sample-server-key", "wrong"):
        status, answer = answer_of(event | {"pathParameters": {"key": key}})
        assert (status, answer["code"]) == (404, "not_found")


def test_a_time_of_sending_that_is_none_is_answered(queue: Queue) -> None:
    status, answer = post(json.dumps({"sent_at": "now", "events": [EVENT]}).encode())
    error = "sent_at: must be an RFC 3339 time, not 'now'"
    assert (status, answer) == (202, {"accepted": 1, "rejected": [], "ignored": [error]})
    assert post_segment("/v1/batch", {"sentAt": "now", "batch": [TRACK]}) == (200, {"success": True})
    assert [record["metadata"] for record in queue.records()] == [{"_ignored": ["sent_at"]}] * 2


# ── Sizes ────────────────────────────────────────────────────────────────────────────────────────


def test_a_large_body_becomes_messages_that_a_queue_takes(queue: Queue) -> None:
    # Packed as ASCII it is twice as large as it came.
    events = [{**EVENT, "id": f"large {number}", "metadata": {"text": "é" * 9_000}} for number in range(200)]
    body = json.dumps(events, ensure_ascii=False).encode()
    assert len(body) < 4 * 1024 * 1024
    assert post(body) == (202, {"accepted": 200, "rejected": []})
    bodies = queue.drain()
    assert len(bodies) > 10
    assert max(len(body.encode()) for body in bodies) <= MAX_MESSAGE_BYTES
    named = [record["names"]["id"] for record in records_in(*bodies)]
    assert sorted(named) == sorted(f"large {number}" for number in range(200))


def test_twenty_thousand_tiny_events_arrive(queue: Queue) -> None:
    events = [{"id": f"e{number}", "event_type": "x", "anonymous_id": "a"} for number in range(20_000)]
    assert post(json.dumps(events).encode()) == (202, {"accepted": 20_000, "rejected": []})
    assert len({record["id"] for record in queue.records()}) == 20_000


def test_what_is_refused_is_queued_beside_its_neighbours(queue: Queue) -> None:
    large = {**EVENT, "metadata": {"text": "x" * 300_000}}
    status, answer = post(json.dumps([EVENT, {"event_type": 7}, EVENT, large]).encode())
    assert (status, answer["accepted"]) == (202, 2)
    assert [error["index"] for error in answer["rejected"]] == [1, 3]
    records = queue.records()
    assert [record["kind"] for record in records] == ["activity", "rejected", "activity", "rejected"]
    assert json.loads(records[1]["raw"]) == {"event_type": 7}
    assert records[3]["reason"] == answer["rejected"][1]["error"]


@pytest.mark.parametrize("character", ["x", "\\", '"', "\n", "\x7f", "\u00e9", "\U0001f600"])
@pytest.mark.parametrize("good", [[EVENT], []], ids=["one good", "none good"])
def test_as_many_refusals_as_a_body_holds_can_be_answered(
    recorder: "Recorder", character: str, good: list[Any]
) -> None:
    refused = {"type": character * 59}
    length = len(json.dumps(refused, ensure_ascii=False).encode()) + 2
    count = min(MAX_EVENTS - 1, MAX_BYTES // length - 1)
    body = json.dumps([*good, *[refused] * count], ensure_ascii=False).encode()
    answer = lambda_handler(with_body("ingest_post_events", gzip.compress(body, 1)), None)
    assert answer["statusCode"] == (202 if good else 400)
    # Lambda counts the answer as JSON, in which the body is text.
    assert len(json.dumps(answer)) < 6_000_000


# ── What is refused whole queues nothing ─────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "bad_request"),
        (b"not json", 400, "bad_request"),
        (b"\xff", 400, "bad_request"),
        (b"[]", 400, "bad_request"),
        (b"[NaN,", 400, "bad_request"),
        (b'{"sent_at": "0001-01-01T00:00:00", "events": []}', 400, "bad_request"),
        pytest.param(b" " * (4 * 1024 * 1024 + 1), 413, "too_large", id="large"),
        pytest.param(BOMB, 413, "too_large", id="bomb"),
        pytest.param(b"[" + b"0," * 1_000_000 + b"0]", 413, "too_large", id="many"),
    ],
)
def test_what_is_no_batch_is_answered_with_a_reason(
    queue: Queue, body: bytes, status: int, code: str
) -> None:
    answered, answer = post(body)
    assert (answered, answer["code"]) == (status, code)
    assert set(answer) == {"code", "message"}
    assert answer["message"]
    assert queue.drain() == []


def test_where_nothing_is_an_event_each_is_named(queue: Queue) -> None:
    status, answer = post(b'[7, {"anonymous_id": "a"}]')
    assert (status, answer["code"]) == (400, "bad_request")
    assert answer["message"] == "events[0].must be an object, not a number"
    assert [error["index"] for error in answer["rejected"]] == [0, 1]
    assert queue.drain() == []


@pytest.mark.parametrize("key", ["", "unknown", None])
def test_an_unknown_key_is_refused(queue: Queue, key: str | None) -> None:
    event = load("ingest_post_events")
    event["queryStringParameters"] = key if key is None else {"write_key": key}
    status, answer = answer_of(event)
    assert (status, answer["code"]) == (401, "unauthorized")
    assert queue.drain() == []


def test_the_server_key_is_no_users_token(queue: Queue) -> None:
    event = load("ingest_post_my_events")
    event["requestContext"]["authorizer"]["lambda"] = {"sub": "", "scope": "footfall:admin", "kind": "server"}
    assert answer_of(event)[0] == 401
    assert queue.drain() == []


def test_gzip_that_was_decoded_as_text_is_recognized(queue: Queue) -> None:
    event = load("ingest_gzip")
    mangled = base64.b64decode(event["body"]).decode(errors="replace")
    status, answer = answer_of({**event, "body": mangled, "isBase64Encoded": False})
    assert status == 400
    assert "send it without gzip" in answer["message"]


# ── When the queue can't take it ─────────────────────────────────────────────────────────────────


@dataclass
class BrokenQueue:
    """An SQS that answers with a status, or takes the request and never answers (None)."""

    statuses: list[int | None]
    asked: int = 0
    gone: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[int]:
        with ThreadingHTTPServer(("127.0.0.1", 0), self._handler()) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            try:
                yield server.server_port
            finally:
                self.gone.set()
                server.shutdown()
                thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        broken = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                status = broken.statuses[min(broken.asked, len(broken.statuses) - 1)]
                broken.asked += 1
                if status is None:
                    broken.gone.wait()
                    return
                body = b'{"MessageId": "m", "__type": "com.amazonaws.sqs#Broken"}'
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        return Handler


def stopped() -> float:
    return 0.0


def answer_with(
    port: int, monkeypatch: pytest.MonkeyPatch, body: bytes = b"", clock: Callable[[], float] = stopped
) -> dict[str, Any]:
    monkeypatch.setenv("QUEUE_URL", f"http://127.0.0.1:{port}/000000000000/events")
    forget()
    monkeypatch.setattr(handler, "Sender", partial(Sender, clock=clock))
    event = with_body("ingest_post_events", body) if body else load("ingest_post_events")
    return lambda_handler(event, None)


def assert_it_asks_to_try_again(answer: dict[str, Any]) -> None:
    assert answer["statusCode"] == 503
    assert int(answer["headers"]["retry-after"]) >= 1
    body = json.loads(answer["body"])
    assert body == {"code": "unavailable", "message": "Footfall can't do this now; try again in a moment."}


def test_a_queue_that_is_not_there_is_answered_503(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert_it_asks_to_try_again(answer_with(unused.getsockname()[1], monkeypatch))


@pytest.mark.parametrize("status", [400, 403, 429, 500, 503])
def test_a_queue_that_refuses_is_answered_503(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = BrokenQueue([status])
    with broken.running() as port:
        assert_it_asks_to_try_again(answer_with(port, monkeypatch))
    assert broken.asked == 2


def test_a_queue_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = BrokenQueue([None])
    with broken.running() as port:
        assert_it_asks_to_try_again(answer_with(port, monkeypatch))
    assert broken.asked == 2


def test_the_patience_for_a_queue_is_three_seconds_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Said by the settings, not by a clock, so that a busy machine doesn't matter: two tries and no pause."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    broken = BrokenQueue([503])
    with broken.running() as port:
        answer_with(port, monkeypatch)
    config = Sender("http://127.0.0.1:9/q")._client.meta.config
    assert LAST_TRY_SECONDS + config.connect_timeout + config.read_timeout <= 3
    # A first try that took the queue's whole answering time leaves time for a second.
    assert config.read_timeout < LAST_TRY_SECONDS
    assert pauses == []


@pytest.mark.parametrize(
    ("statuses", "seconds", "tries"),
    [([200], 0.4, 4), ([500], 1.4, 2), ([500], 1.5, 1), ([500, 200], 0.6, 3)],
)
def test_no_try_begins_later_than_a_second_and_a_half(
    statuses: list[int | None], seconds: float, tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the number of messages, here eight; each try takes so many seconds."""
    # Packed as ASCII, four of these fill a message.
    events = [{**EVENT, "metadata": {"text": "é" * 40_000}}] * 32
    broken = BrokenQueue(statuses)
    with broken.running() as port:
        body = json.dumps(events, ensure_ascii=False).encode()
        assert_it_asks_to_try_again(
            answer_with(port, monkeypatch, body, clock=lambda: broken.asked * seconds)
        )
    assert broken.asked == tries


def test_one_failure_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = BrokenQueue([500, 200])
    with broken.running() as port:
        assert answer_with(port, monkeypatch)["statusCode"] == 202
    assert broken.asked == 2


def test_a_queue_that_takes_a_part_has_not_taken_it(monkeypatch: pytest.MonkeyPatch) -> None:
    events = [{**EVENT, "metadata": {"text": "x" * 200_000}}] * 8
    broken = BrokenQueue([200, 500])
    with broken.running() as port:
        assert_it_asks_to_try_again(answer_with(port, monkeypatch, json.dumps(events).encode()))
    assert broken.asked == 3


def test_without_a_queue_url_nothing_is_told_of_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QUEUE_URL")
    assert post(json.dumps(EVENT).encode()) == (
        500,
        {"code": "internal", "message": "Something failed on our side."},
    )


# ── Anything at all ──────────────────────────────────────────────────────────────────────────────


@dataclass
class Recorder:
    """Keeps what would be sent: a thousand bodies are too many for a queue that slows with each."""

    bodies: list[str] = field(default_factory=list)

    def send(self, bodies: Iterator[str]) -> None:
        self.bodies += bodies

    def records(self) -> list[dict[str, Any]]:
        return records_in(*self.bodies)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recording = Recorder()
    monkeypatch.setattr(handler, "_sender", CachedRecorder(recording))
    return recording


@dataclass
class CachedRecorder:
    recording: Recorder

    def __call__(self) -> Recorder:
        return self.recording

    def cache_clear(self) -> None:
        pass


SAMPLES = st.sampled_from(["ingest_post_events", "ingest_post_my_events", "ingest_gzip"])
ANY_SAMPLE = SAMPLES | st.just("ingest_segment_batch")
TEXTS = st.text(st.characters(exclude_categories=()), max_size=20)
NUMBERS = st.integers() | st.floats() | st.sampled_from([10**309, -(10**400), 1e308, 2**31, 2**53])
STRANGE = st.sampled_from(["\x00", "\ud800", "null", "0", "x" * 300, A.upper(), "9999-12-31T23:59:59-23:59"])
TIMES = st.datetimes(timezones=st.just(UTC) | st.none()).map(datetime.isoformat)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS | STRANGE | TIMES
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
KINDS = st.sampled_from(["activity", "interaction", "identify", "content", "rejected"])
FIELDS = sorted(
    {"id", "type", "created_at", "anonymous_id", "session_id", "user_id", "page_path", "referrer", "metadata"}
    | {"context", "time_zone", "sequence", "event_type", "event_category", "event_action", "content_type"}
    | {"content_id", "interaction_type", "duration_seconds", "feed_id", "position", "traits", "title", "url"}
    | {"author_id", "attributes", "published_at", "available"}
)
COMPLETE = {**EVENT, "content_type": "project", "content_id": "42", "interaction_type": "view"}
EVENTS = st.builds(
    lambda kind, fields: {**COMPLETE, "type": kind, **fields},
    KINDS,
    st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4),
)
BODIES = st.one_of(
    VALUES,
    st.lists(EVENTS | VALUES, max_size=4),
    st.fixed_dictionaries(
        {"events": st.lists(EVENTS | VALUES, max_size=4) | VALUES},
        optional={"sent_at": TIMES | VALUES, "write_key": TEXTS | VALUES},
    ),
    EVENTS,
)
anything = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def assert_it_holds(answer: dict[str, Any], queued: Recorder) -> None:
    """No answer blames us, and what was answered 202 is in the queue, each event exactly once."""
    body = json.loads(answer["body"])
    assert answer["statusCode"] in {200, 202, 400, 401, 403, 413}
    if answer["statusCode"] == 200:
        assert body == {"success": True}
        assert queued.bodies
        return
    if answer["statusCode"] != 202:
        assert isinstance(body["code"], str)
        assert isinstance(body["message"], str)
        assert queued.bodies == []
        return
    kinds = [record["kind"] for record in queued.records()]
    assert [index for index, kind in enumerate(kinds) if kind == "rejected"] == [
        error["index"] for error in body["rejected"]
    ]
    assert body["accepted"] == len(kinds) - len(body["rejected"]) >= 1


def assert_it_can_be_stored(bodies: list[str]) -> None:
    for body in bodies:
        assert body.isascii()
        assert len(body) <= MAX_MESSAGE_BYTES
        message = msgspec.to_builtins(unpack(body))
        # Numbers may be written in more than one way.
        assert len(body) <= len(dumps(message))
        text = json.dumps(message, ensure_ascii=False, allow_nan=False)
        text.encode()
        # Whatever backslashes stand before it, an escaped NUL can't be told from text that looks like one.
        assert "\x00" not in "".join(texts_of(message))


def texts_of(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for item in value if isinstance(value, (dict, list)) else ():
        yield from texts_of(item)
    if isinstance(value, dict):
        yield from texts_of(list(value.values()))


def posted(recorder: Recorder, sample: str, body: bytes) -> None:
    recorder.bodies.clear()
    assert_it_holds(lambda_handler(with_body(sample, body), None), recorder)
    assert_it_can_be_stored(recorder.bodies)


@anything
@given(ANY_SAMPLE, BODIES)
@example("ingest_post_events", {"sent_at": "0001-01-01T00:00:00Z", "events": [EVENT]})
@example(
    "ingest_gzip",
    {"sent_at": "9999-12-31T23:59:59Z", "events": [{**EVENT, "created_at": "0001-01-01T00:00:00Z"}]},
)
def test_any_json_is_answered(recorder: Recorder, sample: str, document: Any) -> None:
    posted(recorder, sample, json.dumps(document).encode())


@anything
@given(SAMPLES, st.sampled_from(FIELDS), VALUES, KINDS)
def test_any_value_of_any_field_leaves_its_neighbours_alone(
    recorder: Recorder, sample: str, name: str, value: Any, kind: str
) -> None:
    strange = {**COMPLETE, "type": kind, name: value}
    posted(recorder, sample, json.dumps([EVENT, strange, EVENT]).encode())
    assert [record["kind"] for record in recorder.records()][::2] == ["activity", "activity"]


@anything
@given(ANY_SAMPLE, st.binary(max_size=200))
def test_any_bytes_are_answered(recorder: Recorder, sample: str, body: bytes) -> None:
    for tried in (body, b"\x1f\x8b" + body, gzip.compress(body), b'{"events":[NaN,' + body):
        posted(recorder, sample, tried)


@anything
@given(SAMPLES, TEXTS, TEXTS)
def test_any_headers_and_parameters_are_answered(
    recorder: Recorder, sample: str, name: str, text: str
) -> None:
    event = with_body(sample, json.dumps(EVENT).encode())
    headers = ("user-agent", "content-type", "sec-ch-ua", "sec-purpose", "origin", name)
    edges = ("cloudfront-viewer-city", "cloudfront-viewer-country", "cloudfront-viewer-address")
    event["headers"] |= dict.fromkeys((*headers, *edges), text)
    tries = [event, {**event, "body": text}, {**event, "body": text, "isBase64Encoded": False}]
    tries.append({**event, "headers": {**event["headers"], "authorization": f"Basic {text}"}})
    tries.append({**event, "queryStringParameters": {"write_key": text}})
    for tried in tries:
        recorder.bodies.clear()
        assert_it_holds(lambda_handler(tried, None), recorder)
        assert_it_can_be_stored(recorder.bodies)
