"""A route's request and answer (payload format 2.0), and the one place where errors become HTTP."""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from http import HTTPStatus
from typing import Any

from footfall import ids
from footfall.errors import BadRequestError, ForbiddenError, RequestError, UnavailableError
from footfall.telemetry import logger
from footfall.text import UNSTORABLE

READ = "footfall:read"
ADMIN = "footfall:admin"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who speaks, as the authorizer verified it: a user (`sub`), or a server (no `sub`)."""

    sub: str | None
    scopes: frozenset[str]

    @property
    def user_id(self) -> str:
        """The caller's own UUID.

        Raises:
            ForbiddenError: the caller is a server, which is nobody.
        """
        if not self.sub:
            raise ForbiddenError("the server key is no user: name one instead of `me`")
        return ids.to_uuid("user", self.sub)

    def require(self, scope: str) -> None:
        if scope not in self.scopes:
            raise ForbiddenError(f"this needs the scope {scope}")


@dataclass(frozen=True)
class Request:
    """One HTTP request."""

    event: Mapping[str, Any]

    @property
    def path(self) -> Mapping[str, str]:
        return self.event.get("pathParameters") or {}

    @property
    def query(self) -> Mapping[str, str]:
        return self.event.get("queryStringParameters") or {}

    @property
    def headers(self) -> Mapping[str, str]:
        """Header names in lower case."""
        return self.event.get("headers") or {}

    @property
    def body(self) -> bytes:
        text = self.event.get("body") or ""
        if not self.event.get("isBase64Encoded"):
            return str(text).encode("utf-8", "surrogatepass")
        try:
            return base64.b64decode(text, validate=True)
        except ValueError:
            raise BadRequestError("the body isn't valid base64") from None

    @cached_property
    def caller(self) -> Caller:
        said = self.event["requestContext"].get("authorizer", {}).get("lambda") or {}
        return Caller(said.get("sub") or None, frozenset(str(said.get("scope") or "").split()))

    def user(self, scope_for_others: str) -> str:
        """The UUID of the user whom the path names; others than oneself need a scope."""
        named = self.path["user"]
        if named == "me":
            return self.caller.user_id
        if ids.is_junk(named) or len(named) > ids.MAX_LENGTH:
            raise BadRequestError(f"user: {named[:40]!r} is no id")
        if UNSTORABLE.search(named):
            raise BadRequestError(f"user: {named[:40]!r} holds a character that can't be stored")
        user_id = ids.to_uuid("user", named)
        if not self.caller.sub or user_id != self.caller.user_id:
            self.caller.require(scope_for_others)
        return user_id

    def limit(self, default: int, most: int) -> int:
        """The `limit` parameter, a whole number from 1 to `most`."""
        text = self.query.get("limit", str(default))
        if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
            raise BadRequestError(f"limit: must be a whole number from 1 to {most}, not {text[:40]!r}")
        return int(text)


@dataclass(frozen=True, slots=True)
class Answer:
    """`max_age`: seconds for which the asker may keep it; then they may ask whether it is still the same."""

    body: Any
    status: int = HTTPStatus.OK
    headers: Mapping[str, str] | None = None
    max_age: int | None = None

    def to_gateway(self, known: str = "") -> dict[str, Any]:
        """`known` is the request's If-None-Match: where it names this answer, it isn't sent again."""
        status = int(self.status)
        body = "" if status in _WITHOUT_BODY else json.dumps(self.body, separators=(",", ":"), default=_plain)
        headers = {"content-type": "application/json", **(self.headers or {})}
        if self.max_age is not None:
            tag = f'"{hashlib.sha256(body.encode()).hexdigest()[:32]}"'
            # Who asks next with the same browser may be somebody else.
            headers |= {
                "cache-control": f"private, max-age={self.max_age}",
                "etag": tag,
                "vary": "authorization",
            }
            if names(known, tag):
                del headers["content-type"]
                status, body = HTTPStatus.NOT_MODIFIED, ""
        return {"statusCode": int(status), "headers": headers, "body": body}


def names(known: str, tag: str) -> bool:
    """Whether an If-None-Match names this entity tag, by weak comparison (RFC 9110, 8.8.3.2)."""
    return tag in _ENTITY_TAG.findall(known) or known.strip() == "*"


_WITHOUT_BODY = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})
# A gateway that compresses makes a tag weak.
_ENTITY_TAG = re.compile(r'(?:W/)?("[^"]*")')


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


Route = Callable[[Request], Answer]


def dispatch(routes: Mapping[str, Route], event: Mapping[str, Any]) -> dict[str, Any]:
    """Answers one request by its route key; every error leaves as `{"code","message"}`."""
    request = Request(event)
    try:
        answer = routes[event["routeKey"]](request)
    except RequestError as error:
        body = {"code": error.code, "message": str(error), **error.details}
        answer = Answer(body, error.status)
    except UnavailableError as error:
        logger("http").warning("unavailable", extra={"route": event["routeKey"], "reason": str(error)})
        message = "Footfall can't do this now; try again in a moment."
        # SDKs that try three times more outlast a quarter of a minute.
        answer = Answer({"code": error.code, "message": message}, error.status, {"retry-after": "5"})
    except Exception:  # noqa: BLE001 (no traceback reaches a user)
        logger("http").exception("failed", extra={"route": event.get("routeKey")})
        answer = Answer({"code": "internal", "message": "Something failed on our side."}, 500)
    return answer.to_gateway(request.headers.get("if-none-match", ""))
