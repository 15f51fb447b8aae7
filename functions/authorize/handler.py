"""Answers the gateway's question: whose token is this, and with which scopes?

The gateway caches the answer by token across all routes, so nothing here looks at the route.
"""

import os
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from footfall.settings import Settings
from footfall.telemetry import logger
from functions.authorize.jwks import IssuerKeys, IssuerUnavailableError
from functions.authorize.tokens import Authenticator, RefusedError, TokenVerifier

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


class Identity(TypedDict):
    """What every room finds under `requestContext.authorizer.lambda`."""

    sub: str
    scope: str
    kind: str


class Answer(TypedDict):
    """A simple response of an HTTP API's authorizer."""

    isAuthorized: bool
    context: NotRequired[Identity]


def lambda_handler(event: Mapping[str, Any], context: "LambdaContext") -> Answer:
    return authorize(event, _authenticator(), context.aws_request_id)


def authorize(event: Mapping[str, Any], authenticator: Authenticator, request_id: str = "") -> Answer:
    """Answers one REQUEST event of payload format 2.0; a refusal says why in the log alone.

    Raises:
        IssuerUnavailableError: no key is known yet; the gateway answers 500 and caches nothing.
    """
    about = {"route": event.get("routeKey"), "request_id": request_id}
    try:
        who = authenticator.authenticate(_authorization(event))
    except RefusedError as refusal:
        logger("authorize").info("denied", extra={"reason": str(refusal), **about})
        return {"isAuthorized": False}
    except IssuerUnavailableError as error:
        logger("authorize").error("no key to verify with", extra={"reason": str(error), **about})
        raise
    return {"isAuthorized": True, "context": {"sub": who.sub, "scope": who.scope, "kind": who.kind}}


def _authorization(event: Mapping[str, Any]) -> str:
    # The gateway's cache key; another header could differ from what the answer is kept under.
    sources = event.get("identitySource") or [""]
    return str(sources[0])


@cache
def _authenticator() -> Authenticator:
    settings = Settings(os.environ)
    verifier = TokenVerifier(IssuerKeys(settings.jwt_issuer), settings.jwt_audience)
    return Authenticator(verifier, settings.server_key_hashes)
