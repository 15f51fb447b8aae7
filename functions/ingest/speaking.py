"""Who speaks: a page with a browser key, a server with the server key, or a user with a verified token."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from footfall import ids, keys
from footfall.errors import NotFoundError, UnauthorizedError
from footfall.settings import Settings


@dataclass(frozen=True, slots=True)
class Speaker:
    """Whom to believe. `user` is the verified one, as the token says it."""

    kind: Literal["browser", "server", "user"]
    user: str | None = None


def from_token(event: Mapping[str, Any]) -> Speaker:
    """The user whom the gateway's authorizer verified.

    Raises:
        UnauthorizedError: the token is nobody's (the server key), or its subject is no id.
    """
    said = event["requestContext"].get("authorizer", {}).get("lambda") or {}
    sub = said.get("sub") or ""
    if ids.is_junk(sub):
        raise UnauthorizedError("this route needs a user's token; a server sends to /v1/events")
    return Speaker("user", sub)


def from_key(event: Mapping[str, Any], body_key: str | None, settings: Settings) -> Speaker:
    """The holder of a write key: from the query, the body, or the user name of Basic authorization.

    Raises:
        UnauthorizedError: there is none, or it isn't known.
    """
    return _holder("write_key", [_query(event, "write_key"), body_key, _basic(event)], settings)


def from_segment_key(event: Mapping[str, Any], body_key: str | None, settings: Settings) -> Speaker:
    """The same, in Segment's order and spelling.

    Raises:
        UnauthorizedError: there is none, or it isn't known.
    """
    queried = _query(event, "writeKey") or _query(event, "write_key")
    return _holder("writeKey", [_basic(event), body_key, queried], settings)


def _holder(field: str, places: list[str | None], settings: Settings) -> Speaker:
    key = next(filter(None, places), None)
    if key is None:
        raise UnauthorizedError(f"{field}: is missing (in the query, in the body, or as Basic user name)")
    if keys.matches(key, settings.server_key_hashes):
        return Speaker("server")
    if keys.matches(key, settings.browser_key_hashes):
        return Speaker("browser")
    raise UnauthorizedError(f"{field}: isn't known")


def _query(event: Mapping[str, Any], name: str) -> str | None:
    return (event.get("queryStringParameters") or {}).get(name)


def known_browser_key(key: str, settings: Settings) -> str:
    """The key itself.

    Raises:
        NotFoundError: it is no page's.
    """
    if not keys.matches(key, settings.browser_key_hashes):
        raise NotFoundError("there is no project with this write key")
    return key


def _basic(event: Mapping[str, Any]) -> str | None:
    scheme, _, value = (event.get("headers") or {}).get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[0]
    except ValueError:
        return None
