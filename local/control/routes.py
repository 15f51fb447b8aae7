"""The routes that only the local stack has: what it is made of, tokens, health."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

Check = Callable[[], Awaitable[bool]]


class Control:
    """`facts` is what GET /local answers; `make_token(sub, scope, **options)` signs; `checks` are named."""

    def __init__(
        self, facts: Mapping[str, str], make_token: Callable[..., str], checks: Mapping[str, Check]
    ) -> None:
        self._facts = dict(facts)
        self._make_token = make_token
        self._checks = checks

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/local", self._local),
            web.post("/local/token", self._token),
            web.get("/health", self._health),
        ]

    async def _local(self, _: web.Request) -> web.Response:
        return web.json_response(self._facts)

    async def _token(self, request: web.Request) -> web.Response:
        try:
            sub, scope, options = _token_request(await request.read())
        except _BadRequestError as error:
            return web.json_response({"code": "invalid_request", "message": str(error)}, status=400)
        return web.json_response({"access_token": self._make_token(sub, scope, **options)})

    async def _health(self, _: web.Request) -> web.Response:
        failing = [name for name, check in self._checks.items() if not await check()]
        if failing:
            return web.json_response({"status": "unavailable", "failing": failing}, status=503)
        return web.json_response({"status": "ok"})


class _BadRequestError(Exception):
    """The body is not what the route takes."""


def _token_request(text: bytes) -> tuple[str, str, dict[str, Any]]:
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise _BadRequestError('the body is an object: {"sub": "…", "scope": "…"}')
    sub, scope = body.get("sub"), body.get("scope", "")
    if not isinstance(sub, str) or not sub:
        raise _BadRequestError("sub is the user's id, a text that is not empty")
    if not isinstance(scope, str):
        raise _BadRequestError("scope is a text, scopes separated by blanks")
    return sub, scope, _token_options(body)


def _token_options(body: Mapping[str, Any]) -> dict[str, Any]:
    alg, expires_in = body.get("alg", "RS256"), body.get("expires_in", 3600)
    if alg not in ("RS256", "ES256"):
        raise _BadRequestError("alg is RS256 or ES256")
    if isinstance(expires_in, bool) or not isinstance(expires_in, int):
        raise _BadRequestError("expires_in is a whole number of seconds, negative for a token that is over")
    return {"alg": alg, "lifetime": expires_in}
