"""Asks `recommend` as the gateway does: payloads of format 2.0, past the authorizer."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from footfall.http import ADMIN, READ
from functions.recommend import handler
from local.postgres.roles import let_in
from tests.site import Json, Site

SERVER = {"sub": "", "scope": f"{READ} {ADMIN}", "kind": "server"}
USERS = "/v1/users/{user}"
FEED = f"GET {USERS}/feed"
# Asked in tests/integration/test_content.py.
ANONYMOUS_FEED = "GET /v1/anonymous/{anonymous_id}/feed"
NEXT_ACTION = f"GET {USERS}/next-action"
SIMILAR_USERS = f"GET {USERS}/similar-users"
INSIGHTS = f"GET {USERS}/insights"
PREFERENCES = f"GET {USERS}/preferences"
GET_PREFERENCE = f"GET {USERS}/preferences/{{key}}"
PUT_PREFERENCE = f"PUT {USERS}/preferences/{{key}}"
DELETE_PREFERENCE = f"DELETE {USERS}/preferences/{{key}}"
ABOUT = (FEED, NEXT_ACTION, SIMILAR_USERS, INSIGHTS, PREFERENCES)


@contextmanager
def answering(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site that the handler answers for."""
    monkeypatch.setenv("DATABASE_URL", let_in(url, "footfall_recommend"))
    for setting in ("HOLDOUT_PERCENT", "EXPLORATION_PERCENT"):
        monkeypatch.setenv(setting, "0")
    handler._database.cache_clear()
    with Site(url) as site:
        yield site
    if handler._database.cache_info().currsize:
        handler._database().close()
    handler._database.cache_clear()


def request(
    route: str,
    user: str = "me",
    caller: Mapping[str, str] = SERVER,
    *,
    key: str | None = None,
    body: str | None = None,
    **query: str,
) -> Json:
    """A payload of format 2.0 for `route`, as the authorizer lets it through."""
    method, _, path = route.partition(" ")
    parameters = {"user": user, **({"key": key} if key is not None else {})}
    http = {"method": method, "path": path.format(**parameters), "sourceIp": "203.0.113.7"}
    event: Json = {
        "version": "2.0",
        "routeKey": route,
        "rawPath": http["path"],
        "headers": {"content-type": "application/json"},
        "pathParameters": parameters,
        "requestContext": {"http": http, "routeKey": route, "authorizer": {"lambda": dict(caller)}},
        "isBase64Encoded": False,
    }
    return {
        **event,
        **({"queryStringParameters": query} if query else {}),
        **({"body": body} if body else {}),
    }


def token_of(user: str, scope: str = "openid") -> dict[str, str]:
    """What the authorizer says of a user's token."""
    return {"sub": user, "scope": scope, "kind": "user"}


def answer_of(response: Mapping[str, Any]) -> tuple[int, Any]:
    """Status and body, which is always JSON."""
    assert response["headers"]["content-type"] == "application/json"
    return response["statusCode"], json.loads(response["body"]) if response["body"] else None


def ask(route: str, user: str = "me", caller: Mapping[str, str] = SERVER, **more: Any) -> tuple[int, Any]:
    return answer_of(handler.lambda_handler(request(route, user, caller, **more), None))


def told(route: str, user: str, **more: Any) -> Any:
    """What a server is answered."""
    status, body = ask(route, user, **more)
    assert status == 200, body
    return body


def refused(route: str, user: str = "ada", **more: Any) -> str:
    """The message of a 400."""
    status, body = ask(route, user, **more)
    assert (status, body["code"]) == (400, "bad_request"), (status, body)
    return str(body["message"])
