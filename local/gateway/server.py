"""API Gateway's HTTP API, locally: as kind as AWS and no kinder, with its own bare error bodies."""

import asyncio
import base64
import json
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from aiohttp import web
from multidict import CIMultiDict

from local.gateway import cors
from local.gateway.authorizers import Authorization, Authorizers
from local.gateway.routing import Match, Router
from local.gateway.throttle import TokenBucket
from local.runtime.pool import RequestTooLargeError
from local.runtime.process import Outcome
from local.template.model import Api
from local.triggers.events import HttpRequest, encode, http_event

BODY_LIMIT = 10 * 1024 * 1024
# A path may hold anything, a line's end too.
EVERY_PATH = r"/{path:[\s\S]*}"


class Invoker(Protocol):
    """What calls a function by its logical id. Raises RequestTooLargeError."""

    async def __call__(self, function: str, payload: bytes) -> Outcome: ...


class RefusalError(Exception):
    """The gateway's own answer: a status and {"message"} alone."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    def response(self) -> web.Response:
        return web.json_response({"message": self.message}, status=self.status)


class Gateway:
    """`handle` answers every request that no local route took. `clock` gives seconds, never going back."""

    def __init__(self, api: Api, invoke: Invoker, clock: Callable[[], float] = time.monotonic) -> None:
        self._cors = api.cors
        self._invoke = invoke
        self._router = Router(api.routes)
        self._authorizers = Authorizers(api.authorizers, invoke, clock)
        # DefaultRouteSettings limits each route by itself, as a stage's throttle does on AWS.
        self._buckets = {
            route.key: TokenBucket(route.throttle, clock) for route in api.routes if route.throttle
        }

    async def handle(self, request: web.Request) -> web.Response:
        match = self._router.find(request.method, request.rel_url.raw_path)
        explicit = match is not None and match.route.method == "OPTIONS"
        origin = request.headers.get("Origin")
        if self._cors and not explicit and cors.is_preflight(request.method, request.headers):
            return web.Response(status=204, headers=cors.preflight_headers(self._cors, origin))
        try:
            response = await self._answer(request, match)
        except RefusalError as refusal:
            response = refusal.response()
        if self._cors:
            for name in cors.RESPONSE_HEADERS:
                response.headers.popall(name, None)
            response.headers.update(cors.response_headers(self._cors, origin))
        return response

    async def _answer(self, request: web.Request, match: Match | None) -> web.Response:
        if match is None:
            raise RefusalError(404, "Not Found")
        bucket = self._buckets.get(match.route.key)
        if bucket is not None and not bucket.take():
            raise RefusalError(429, "Too Many Requests")
        incoming = await _read(request)
        authorization = await self._authorize(incoming, match)
        event = http_event(incoming, match.route, match.parameters, authorization.context)
        outcome = await self._call(match, encode(event))
        if outcome.failed:
            raise RefusalError(500, "Internal Server Error")
        return http_response(outcome.payload)

    async def _authorize(self, incoming: HttpRequest, match: Match) -> Authorization:
        authorization = await self._authorizers.ask(incoming, match)
        match authorization.verdict:
            case "missing":
                raise RefusalError(401, "Unauthorized")
            case "denied":
                raise RefusalError(403, "Forbidden")
            case "failed":
                raise RefusalError(500, "Internal Server Error")
        return authorization

    async def _call(self, match: Match, payload: bytes) -> Outcome:
        running = asyncio.ensure_future(self._invoke(match.route.function, payload))
        try:
            # The function goes on after the gateway has given up, as on AWS.
            return await asyncio.wait_for(asyncio.shield(running), match.route.timeout)
        except RequestTooLargeError:
            raise RefusalError(413, "Request Entity Too Large") from None
        except TimeoutError:
            raise RefusalError(503, "Service Unavailable") from None


async def _read(request: web.Request) -> HttpRequest:
    return HttpRequest(
        method=request.method,
        path=request.rel_url.raw_path,
        query=request.rel_url.raw_query_string,
        headers=_forwarded(request),
        body=await _read_body(request),
        source_ip=request.remote or "127.0.0.1",
    )


def _forwarded(request: web.Request) -> list[tuple[str, str]]:
    _, _, port = request.host.partition(":")
    forwarded = request.headers.get("X-Forwarded-For")
    remote = request.remote or "127.0.0.1"
    own = {"x-forwarded-for", "x-forwarded-port", "x-forwarded-proto", "x-amzn-trace-id"}
    headers = [(name, value) for name, value in request.headers.items() if name.lower() not in own]
    return [
        *headers,
        ("x-amzn-trace-id", f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]}"),
        ("x-forwarded-for", f"{forwarded}, {remote}" if forwarded else remote),
        ("x-forwarded-port", port or "80"),
        ("x-forwarded-proto", request.scheme),
    ]


async def _read_body(request: web.Request) -> bytes:
    if (request.content_length or 0) > BODY_LIMIT:
        raise RefusalError(413, "Request Entity Too Large")
    chunks, size = [], 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size > BODY_LIMIT:
            raise RefusalError(413, "Request Entity Too Large")
        chunks.append(chunk)
    return b"".join(chunks)


def http_response(payload: bytes) -> web.Response:
    """Of a function's answer, format 2.0; anything without statusCode is the body of a 200."""
    try:
        answer = json.loads(payload)
        if not (isinstance(answer, dict) and "statusCode" in answer):
            text = answer if isinstance(answer, str) else json.dumps(answer, separators=(",", ":"))
            return web.Response(text=text, content_type="application/json")
        status = int(answer["statusCode"])
        if not 200 <= status <= 599:
            raise ValueError(status)
        return web.Response(status=status, headers=_response_headers(answer), body=_response_body(answer))
    except (ValueError, TypeError, AttributeError):
        raise RefusalError(500, "Internal Server Error") from None


def _response_headers(answer: Mapping[str, Any]) -> CIMultiDict[str]:
    headers: CIMultiDict[str] = CIMultiDict()
    for name, value in (answer.get("headers") or {}).items():
        if name.lower() != "content-length":
            headers[name] = str(value).lower() if isinstance(value, bool) else str(value)
    for cookie in answer.get("cookies") or ():
        headers.add("Set-Cookie", cookie)
    if any("\r" in value or "\n" in value for value in headers.values()):
        raise ValueError("a header holds a line break")
    headers.setdefault("Content-Type", "text/plain;charset=UTF-8")
    return headers


def _response_body(answer: Mapping[str, Any]) -> bytes:
    body = answer.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        body = json.dumps(body, separators=(",", ":"))
    return (
        base64.b64decode(body, validate=True)
        if answer.get("isBase64Encoded")
        else body.encode("utf-8", "replace")
    )
