"""Lambda authorizers with simple responses: asked once per identity, the answer kept across routes."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from local.gateway.routing import Match
from local.runtime.process import Outcome
from local.template.model import Authorizer
from local.triggers.events import HttpRequest, authorizer_event, encode

# An HTTP API waits no longer for its authorizer.
_PATIENCE = 10.0
_KEPT = 10_000


@dataclass(frozen=True)
class Authorization:
    """`context` is what the authorizer said about the caller; None where the route has none."""

    verdict: Literal["allowed", "denied", "missing", "failed"]
    context: dict[str, Any] | None = None


class _Invoke(Protocol):
    async def __call__(self, function: str, payload: bytes) -> Outcome: ...


class Authorizers:
    """`clock` gives seconds and never goes back."""

    def __init__(
        self,
        authorizers: Mapping[str, Authorizer],
        invoke: _Invoke,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._authorizers = authorizers
        self._invoke = invoke
        self._clock = clock
        self._kept: dict[tuple[str, ...], tuple[float, Authorization]] = {}

    async def ask(self, request: HttpRequest, match: Match) -> Authorization:
        if match.route.authorizer is None:
            return Authorization("allowed")
        authorizer = self._authorizers[match.route.authorizer]
        identity = [_header(request, name) for name in authorizer.headers]
        if not all(identity):
            return Authorization("missing")
        key = (authorizer.name, *identity)
        until, kept = self._kept.get(key, (0.0, None))
        if kept is not None and self._clock() < until:
            return kept
        answer = await self._call(authorizer, request, match, identity)
        if authorizer.ttl and answer.verdict != "failed":
            self._keep(key, self._clock() + authorizer.ttl, answer)
        return answer

    def _keep(self, key: tuple[str, ...], until: float, answer: Authorization) -> None:
        while len(self._kept) >= _KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = (until, answer)

    async def _call(
        self, authorizer: Authorizer, request: HttpRequest, match: Match, identity: list[str]
    ) -> Authorization:
        payload = encode(authorizer_event(request, match.route, identity, match.parameters))
        running = asyncio.ensure_future(self._invoke(authorizer.function, payload))
        try:
            outcome = await asyncio.wait_for(asyncio.shield(running), _PATIENCE)
        except TimeoutError:
            return Authorization("failed")
        return _authorization(outcome)


def _header(request: HttpRequest, name: str) -> str:
    return ",".join(value for header, value in request.headers if header.lower() == name)


def _authorization(outcome: Outcome) -> Authorization:
    try:
        answer = None if outcome.failed else json.loads(outcome.payload)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or not isinstance(answer.get("isAuthorized"), bool):
        return Authorization("failed")
    context = answer.get("context")
    if not answer["isAuthorized"]:
        return Authorization("denied")
    return Authorization("allowed", context if isinstance(context, dict) else {})
