"""The local gateway over real HTTP: events as AWS builds them, and AWS's own answers when it refuses."""

import asyncio
import base64
import gzip
import io
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from multidict import CIMultiDictProxy
from yarl import URL

from local.gateway.server import BODY_LIMIT, EVERY_PATH, Gateway
from local.runtime.pool import RequestTooLargeError
from local.runtime.process import PAYLOAD_LIMIT, Outcome
from local.template.model import Api, Authorizer, Cors, Route, Throttle
from tests.on_loop import on_loop

TOKEN = Authorizer("Token", "Authorize", ("authorization",), ttl=60)
CORS = Cors(("https://shop.example",), ("GET", "POST"), ("content-type",), ("x-seen",), max_age=600)
OPEN = Route("POST", "/v1/events", "Ingest")
CLOSED = Route("GET", "/v1/users/{user}/feed", "Recommend", "Token")
ALSO_CLOSED = Route("GET", "/v1/users/{user}/insights", "Recommend", "Token")
ALLOW = {"isAuthorized": True, "context": {"sub": "u1", "scope": "a b"}}
BEARER = {"Authorization": "Bearer t"}


@dataclass
class Functions:
    """Stands for every function: keeps the events and answers what it was told to."""

    answers: Mapping[str, Any]
    events: list[tuple[str, Any]] = field(default_factory=list)

    async def __call__(self, function: str, payload: bytes) -> Outcome:
        if len(payload) > PAYLOAD_LIMIT:
            raise RequestTooLargeError
        self.events.append((function, json.loads(payload)))
        answer = self.answers.get(function, {"statusCode": 200, "body": "ok"})
        if isinstance(answer, float):
            await asyncio.sleep(answer)
        return answer if isinstance(answer, Outcome) else Outcome(json.dumps(answer).encode())

    def calls(self, function: str) -> int:
        return sum(name == function for name, _ in self.events)


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: CIMultiDictProxy[str]

    @property
    def refusal(self) -> tuple[int, Any]:
        return self.status, json.loads(self.body)


@dataclass
class Client:
    session: aiohttp.ClientSession
    base: str
    functions: Functions

    async def send(self, method: str, path: str, headers: Any = None, body: Any = None) -> Answer:
        url = URL(f"{self.base}{path}", encoded=True)
        async with self.session.request(method, url, headers=headers, data=body) as response:
            return Answer(response.status, await response.read(), response.headers)

    async def event(self, method: str, path: str, headers: Any = None, body: Any = None) -> Any:
        """What the function got."""
        assert (await self.send(method, path, headers, body)).status == 200
        return self.functions.events[-1][1]


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def serving(
    *routes: Route,
    cors: Cors | None = None,
    clock: Callable[[], float] | None = None,
    answers: Mapping[str, Any] | None = None,
) -> AsyncIterator[Client]:
    functions = Functions({"Authorize": ALLOW, **(answers or {})})
    gateway = Gateway(Api(routes, {"Token": TOKEN}, cors), functions, clock or Clock())
    application = web.Application()
    application.router.add_route("*", EVERY_PATH, gateway.handle)
    runner = web.AppRunner(application, auto_decompress=False, shutdown_timeout=0, lingering_time=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with aiohttp.ClientSession(
            auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
        ) as session:
            yield Client(session, f"http://127.0.0.1:{runner.addresses[0][1]}", functions)
    finally:
        await runner.cleanup()


# Events ───────────────────────────────────────────────────────────────────────────────────────────


@on_loop
async def test_an_event_has_the_shape_of_payload_format_2() -> None:
    async with serving(CLOSED) as client:
        event = await client.event(
            "GET",
            "/v1/users/a%20b/feed?limit=2&tag=x&tag=y%2Cz&empty=",
            headers=[*BEARER.items(), ("X-Twice", "1"), ("X-Twice", "2"), ("Cookie", "a=1; b=2")],
        )
    assert event["version"] == "2.0"
    assert event["routeKey"] == "GET /v1/users/{user}/feed"
    assert event["rawPath"] == "/v1/users/a b/feed", "an HTTP API decodes it"
    assert event["rawQueryString"] == "limit=2&tag=x&tag=y%2Cz&empty="
    assert event["queryStringParameters"] == {"limit": "2", "tag": "x,y,z", "empty": ""}
    assert event["pathParameters"] == {"user": "a b"}
    assert event["cookies"] == ["a=1", "b=2"]
    assert event["headers"]["x-twice"] == "1,2"
    assert event["headers"]["x-forwarded-proto"] == "http"
    assert "cookie" not in event["headers"]
    assert all(name == name.lower() for name in event["headers"])
    assert event["isBase64Encoded"] is False
    assert "body" not in event
    context = event["requestContext"]
    assert context["authorizer"] == {"lambda": {"sub": "u1", "scope": "a b"}}
    assert context["http"]["method"] == "GET"
    assert context["http"]["path"] == "/v1/users/a b/feed"
    assert context["http"]["sourceIp"] == "127.0.0.1"
    assert context["stage"] == "$default"
    assert context["routeKey"] == event["routeKey"]
    assert context["requestId"]
    assert context["timeEpoch"] > 1_600_000_000_000
    assert context["time"].endswith(" +0000")


@on_loop
async def test_what_a_request_has_not_is_absent() -> None:
    async with serving(Route("GET", "/plain", "F")) as client:
        event = await client.event("GET", "/plain")
    assert event["rawQueryString"] == ""
    absent = {"queryStringParameters", "pathParameters", "cookies", "body", "stageVariables"}
    assert absent.isdisjoint(event)
    assert "authorizer" not in event["requestContext"]


@pytest.mark.parametrize(
    ("content_type", "encoding", "body", "text"),
    [
        ("application/json", None, b'{"a":"\xc3\xa4"}', '{"a":"ä"}'),
        ("application/json; charset=utf-8", None, b"{}", "{}"),
        ("text/plain", None, b"x", "x"),
        ("application/xml", None, b"<a/>", "<a/>"),
        ("application/javascript", None, b"a", "a"),
        ("application/json", None, b"\xff\xfe", None),
        ("application/json", "gzip", gzip.compress(b"{}", mtime=0), None),
        ("application/json", "br", b"readable by chance", None),
        ("application/x-www-form-urlencoded", None, b"a=1", None),
        ("application/octet-stream", None, b"x", None),
        ("", None, b"x", None),
    ],
)
@on_loop
async def test_bodies_arrive_as_text_or_base64(
    content_type: str, encoding: str | None, body: bytes, text: str | None
) -> None:
    headers = {"Content-Type": content_type} | ({"Content-Encoding": encoding} if encoding else {})
    async with serving(OPEN) as client:
        event = await client.event("POST", "/v1/events", headers, body)
    assert event["isBase64Encoded"] is (text is None)
    assert event["body"] == (base64.b64encode(body).decode() if text is None else text)
    assert event["headers"]["content-length"] == str(len(body))


# Routes ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("method", "path", "key"),
    [
        ("GET", "/users/me", "GET /users/me"),
        ("POST", "/users/me", "ANY /users/{id}"),
        ("GET", "/users/7", "ANY /users/{id}"),
        ("GET", "/users/a%2Fb", "ANY /users/{id}"),
        ("GET", "/users/7/x", "ANY /users/{rest+}"),
        ("DELETE", "/users/7/x", "DELETE /users/{id}/{part}"),
        ("GET", "/users/me/", "ANY /users/{rest+}"),
        ("GET", "/elsewhere", "$default"),
        ("GET", "/", "$default"),
    ],
)
@on_loop
async def test_the_most_specific_route_wins(method: str, path: str, key: str) -> None:
    routes = [
        Route("ANY", "$default", "F"),
        Route("ANY", "/users/{rest+}", "F"),
        Route("DELETE", "/users/{id}/{part}", "F"),
        Route("ANY", "/users/{id}", "F"),
        Route("GET", "/users/me", "F"),
    ]
    async with serving(*routes) as client:
        event = await client.event(method, path)
    assert event["routeKey"] == key


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/events"),
        ("POST", "/v1/events/"),
        ("POST", "/v1"),
        ("HEAD", "/v1/events"),
        ("GET", "/a%0A/b"),
    ],
)
@on_loop
async def test_no_route_is_a_404(method: str, path: str) -> None:
    async with serving(OPEN) as client:
        answer = await client.send(method, path)
    assert answer.status == 404
    assert method == "HEAD" or answer.refusal == (404, {"message": "Not Found"})
    assert not client.functions.events


# Authorizers ──────────────────────────────────────────────────────────────────────────────────────


@on_loop
async def test_an_authorizer_is_asked_with_the_request_but_not_its_body() -> None:
    async with serving(Route("POST", "/me/{id}", "F", "Token")) as client:
        await client.send("POST", "/me/7?a=1", {**BEARER, "Content-Type": "text/plain"}, b"secret")
        function, event = client.functions.events[0]
    assert function == "Authorize"
    assert (event["version"], event["type"]) == ("2.0", "REQUEST")
    assert event["identitySource"] == ["Bearer t"]
    assert event["routeArn"].endswith("/$default/POST/me/7")
    assert event["pathParameters"] == {"id": "7"}
    assert event["queryStringParameters"] == {"a": "1"}
    assert "body" not in event


@on_loop
async def test_without_an_identity_nobody_is_asked() -> None:
    async with serving(CLOSED) as client:
        answer = await client.send("GET", "/v1/users/me/feed")
        assert answer.refusal == (401, {"message": "Unauthorized"})
        assert not client.functions.events


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        ({"isAuthorized": False}, (403, {"message": "Forbidden"})),
        ({"isAuthorized": "yes"}, (500, {"message": "Internal Server Error"})),
        ({"statusCode": 200}, (500, {"message": "Internal Server Error"})),
        (None, (500, {"message": "Internal Server Error"})),
        (Outcome.failure("KeyError", "x"), (500, {"message": "Internal Server Error"})),
    ],
)
@on_loop
async def test_an_authorizer_that_does_not_allow_keeps_the_function_asleep(answer: Any, refusal: Any) -> None:
    async with serving(CLOSED, answers={"Authorize": answer}) as client:
        assert (await client.send("GET", "/v1/users/me/feed", BEARER)).refusal == refusal
        assert client.functions.calls("Recommend") == 0


@pytest.mark.parametrize(("answer", "status"), [(ALLOW, 200), ({"isAuthorized": False}, 403)])
@on_loop
async def test_an_answer_is_kept_by_identity_across_routes(answer: Any, status: int) -> None:
    clock = Clock()
    async with serving(CLOSED, ALSO_CLOSED, clock=clock, answers={"Authorize": answer}) as client:

        async def statuses(headers: Mapping[str, str]) -> list[int]:
            paths = ("/v1/users/me/feed", "/v1/users/me/insights")
            return [(await client.send("GET", path, headers)).status for path in paths]

        assert await statuses(BEARER) == [status, status]
        assert client.functions.calls("Authorize") == 1
        await statuses({"Authorization": "Bearer other"})
        assert client.functions.calls("Authorize") == 2
        clock.now = 59.9
        await statuses(BEARER)
        assert client.functions.calls("Authorize") == 2
        clock.now = 60.0
        await statuses(BEARER)
        assert client.functions.calls("Authorize") == 3


@on_loop
async def test_a_failing_authorizer_is_asked_again() -> None:
    async with serving(CLOSED, answers={"Authorize": Outcome.failure("X", "x")}) as client:
        for _ in range(2):
            await client.send("GET", "/v1/users/me/feed", BEARER)
        assert client.functions.calls("Authorize") == 2


# Limits ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("size", "kind", "status"),
    [
        (5_000_000, "text/plain", 200),
        (5_000_000, "image/png", 413),
        (6_300_000, "text/plain", 413),
        (BODY_LIMIT + 1, "text/plain", 413),
    ],
)
@on_loop
async def test_too_large_is_a_413(size: int, kind: str, status: int) -> None:
    async with serving(OPEN) as client:
        answer = await client.send("POST", "/v1/events", {"Content-Type": kind}, io.BytesIO(b"x" * size))
    assert answer.status == status
    if status == 413:
        assert answer.refusal == (413, {"message": "Request Entity Too Large"})


@on_loop
async def test_the_throttle_is_a_bucket_per_route() -> None:
    clock = Clock()
    narrow = Route("GET", "/narrow", "F", throttle=Throttle(rate=1, burst=2))
    async with serving(narrow, Route("GET", "/wide", "F"), clock=clock) as client:
        answers = [await client.send("GET", "/narrow") for _ in range(3)]
        assert [answer.status for answer in answers] == [200, 200, 429]
        assert answers[2].refusal == (429, {"message": "Too Many Requests"})
        assert (await client.send("GET", "/wide")).status == 200
        clock.now = 1.0
        assert [(await client.send("GET", "/narrow")).status for _ in range(2)] == [200, 429]


@on_loop
async def test_a_function_slower_than_the_gateway_is_a_503() -> None:
    async with serving(Route("GET", "/slow", "F", timeout=0.05), answers={"F": 30.0}) as client:
        answer = await client.send("GET", "/slow")
    assert answer.refusal == (503, {"message": "Service Unavailable"})


# CORS ─────────────────────────────────────────────────────────────────────────────────────────────


@on_loop
async def test_the_gateway_answers_the_preflight() -> None:
    ask = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    async with serving(OPEN, cors=CORS) as client:
        answer = await client.send("OPTIONS", "/v1/events", ask)
        foreign = await client.send("OPTIONS", "/v1/events", {**ask, "Origin": "https://evil.example"})
        plain = await client.send("OPTIONS", "/v1/events")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"
    assert answer.headers["access-control-allow-methods"] == "GET,POST"
    assert answer.headers["access-control-allow-headers"] == "content-type"
    assert answer.headers["access-control-max-age"] == "600"
    assert "access-control-allow-origin" not in foreign.headers
    assert plain.status == 404
    assert not client.functions.events


@on_loop
async def test_answers_carry_the_gateways_cors_headers_and_not_the_functions() -> None:
    own = {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "https://evil.example"}}
    origin = {"Origin": "https://shop.example"}
    async with serving(OPEN, CLOSED, cors=CORS, answers={"Ingest": own}) as client:
        allowed = await client.send("POST", "/v1/events", origin)
        refused = await client.send("GET", "/v1/users/me/feed", origin)
        foreign = await client.send("POST", "/v1/events", {"Origin": "https://evil.example"})
        plain = await client.send("POST", "/v1/events")
    for answer in (allowed, refused):
        assert answer.headers.getall("access-control-allow-origin") == ["https://shop.example"]
        assert answer.headers["access-control-expose-headers"] == "x-seen"
    for answer in (foreign, plain):
        assert "access-control-allow-origin" not in answer.headers


# Answers ──────────────────────────────────────────────────────────────────────────────────────────


@on_loop
async def test_a_function_says_status_headers_cookies_and_body() -> None:
    said = {
        "statusCode": 201,
        "headers": {"Content-Type": "image/png", "X-Flag": True, "X-Count": 3},
        "cookies": ["a=1", "b=2; HttpOnly"],
        "body": base64.b64encode(b"\x89PNG").decode(),
        "isBase64Encoded": True,
    }
    async with serving(Route("GET", "/", "F"), answers={"F": said}) as client:
        answer = await client.send("GET", "/")
    assert (answer.status, answer.body) == (201, b"\x89PNG")
    assert answer.headers["content-type"] == "image/png"
    assert (answer.headers["x-flag"], answer.headers["x-count"]) == ("true", "3")
    assert answer.headers.getall("set-cookie") == ["a=1", "b=2; HttpOnly"]


@pytest.mark.parametrize(
    ("said", "status", "body"),
    [
        ({"hello": "world"}, 200, b'{"hello":"world"}'),
        ("text", 200, b"text"),
        ({"statusCode": 204}, 204, b""),
        ({"statusCode": "202", "body": "x"}, 202, b"x"),
    ],
)
@on_loop
async def test_what_a_function_leaves_out_is_inferred(said: Any, status: int, body: bytes) -> None:
    async with serving(Route("GET", "/", "F"), answers={"F": said}) as client:
        answer = await client.send("GET", "/")
    assert (answer.status, answer.body) == (status, body)


@pytest.mark.parametrize(
    "said",
    [
        Outcome.failure("Runtime.ExitError", "exit"),
        {"statusCode": "soon"},
        {"statusCode": 99},
        {"statusCode": 200, "headers": ["no map"]},
        {"statusCode": 200, "headers": {"X": "a\r\nSet-Cookie: b"}},
        {"statusCode": 200, "body": "no base64!", "isBase64Encoded": True},
        Outcome(b"not json"),
    ],
)
@on_loop
async def test_a_function_that_fails_or_answers_nonsense_is_a_500(said: Any) -> None:
    async with serving(Route("GET", "/", "F"), answers={"F": said}) as client:
        answer = await client.send("GET", "/")
    assert answer.refusal == (500, {"message": "Internal Server Error"})
