"""Who speaks: a page with a browser key, a server with the server key, or a user with a verified token."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from footfall import ids, keys
from footfall.errors import ForbiddenError, NotFoundError, UnauthorizedError
from footfall.events import SpeakerKind
from footfall.settings import Settings
from functions.ingest.showing import shown


@dataclass(frozen=True, slots=True)
class Speaker:
    """Whom to believe. `user` is the verified one, as the token says it."""

    kind: SpeakerKind
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
        ForbiddenError: it is a page's from which it may not be used, or a server's and in a page.
    """
    return _holder(event, "write_key", [_query(event, "write_key"), body_key, _basic(event)], settings)


def from_segment_key(event: Mapping[str, Any], body_key: str | None, settings: Settings) -> Speaker:
    """The same, in Segment's order and spelling.

    Raises:
        UnauthorizedError: there is none, or it isn't known.
        ForbiddenError: as from_key.
    """
    queried = _query(event, "writeKey") or _query(event, "write_key")
    return _holder(event, "writeKey", [_basic(event), body_key, queried], settings)


def _holder(event: Mapping[str, Any], field: str, places: list[str | None], settings: Settings) -> Speaker:
    key = next(filter(None, places), None)
    if key is None:
        raise UnauthorizedError(_missing(event, field))
    if keys.matches(key, settings.server_key_hashes):
        if origin := _header(event, "origin"):
            raise ForbiddenError(
                f"{field}: this is a server's key in a page ({shown(origin)}), where anybody can read it:"
                " use a browser key there, and replace this one"
            )
        return Speaker("server")
    if keys.matches(key, settings.browser_key_hashes):
        _check_origin(event, field, key, settings)
        return Speaker("browser")
    raise UnauthorizedError(f"{field}: isn't known")


def _query(event: Mapping[str, Any], name: str) -> str | None:
    return (event.get("queryStringParameters") or {}).get(name)


def known_browser_key(event: Mapping[str, Any], key: str, settings: Settings) -> str:
    """The key itself.

    Raises:
        NotFoundError: it is no page's.
        ForbiddenError: it may not be used from this page.
    """
    if not keys.matches(key, settings.browser_key_hashes):
        raise NotFoundError("there is no project with this write key")
    _check_origin(event, "write_key", key, settings)
    return key


def _check_origin(event: Mapping[str, Any], field: str, key: str, settings: Settings) -> None:
    """Only browsers say an origin, and always do where one page's key might be used by another."""
    allowed, origin = settings.browser_key_hashes[keys.digest(key)], _header(event, "origin")
    if origin and allowed and origin.lower() not in allowed:
        raise ForbiddenError(f"{field}: isn't allowed from {shown(origin)}")


def _missing(event: Mapping[str, Any], field: str) -> str:
    where = "(in the query, in the body, or as Basic user name)"
    if _header(event, "authorization")[:7].lower() == "bearer ":
        return f"{field}: is missing {where}; Bearer is for tokens, and for the server key where one reads"
    return f"{field}: is missing {where}"


def _header(event: Mapping[str, Any], name: str) -> str:
    return str((event.get("headers") or {}).get(name, ""))


def _basic(event: Mapping[str, Any]) -> str | None:
    scheme, _, value = _header(event, "authorization").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[0]
    except ValueError:
        return None
