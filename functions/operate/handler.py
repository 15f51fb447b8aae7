"""Woken by an operator, over HTTP or by an invocation: says how things are, and replays, a step at each call.

{"replay": "dead_letters"} empties the dead-letter queue into the queue, {"replay": "quarantine"} has stored
what can be stored now. Both answer {"replayed": n, "stayed": {"reason": n}, "left": n, "after": …,
"finished": …}. The caller goes on with that `after` until it is finished; told {"unavailable": …}, or 503,
it does the same step again later.
"""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from footfall import ids
from footfall.errors import BadRequestError, FunctionFailedError, UnavailableError
from footfall.http import ADMIN, Answer, Request, dispatch
from footfall.settings import Settings
from functions.operate.dead_letters import DeadLetters
from functions.operate.functions import Functions
from functions.operate.looking import operations
from functions.operate.quarantine import replay


def lambda_handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    if "routeKey" in event:
        return dispatch(ROUTES, event)
    try:
        return _step(event)
    except UnavailableError as error:
        return {"unavailable": str(error)}


def get_operations(request: Request) -> Answer:
    request.caller.require(ADMIN)
    found = operations(_dead_letters(), _functions(), datetime.now(UTC))
    return Answer(found, headers={"cache-control": "no-store"})


def post_replay(request: Request) -> Answer:
    request.caller.require(ADMIN)
    try:
        asked = json.loads(request.body)
    except (ValueError, RecursionError):
        raise BadRequestError("the body isn't JSON") from None
    if not isinstance(asked, dict):
        raise BadRequestError('the body must be as in {"replay": "quarantine"}')
    after = asked.get("after")
    if after is not None and not (isinstance(after, str) and ids.is_uuid(after)):
        raise BadRequestError("after: must be what the last step answered")
    try:
        return Answer(_step(asked))
    except FunctionFailedError as error:
        raise UnavailableError(str(error)) from error


def _step(event: Mapping[str, Any]) -> dict[str, Any]:
    match event.get("replay"):
        case "dead_letters":
            return _dead_letters().send_back()
        case "quarantine":
            return replay(_functions(), event.get("after"))
        case other:
            raise BadRequestError(f"replay: must be dead_letters or quarantine, not {other!r}")


@cache
def _dead_letters() -> DeadLetters:
    settings = Settings(os.environ)
    return DeadLetters(settings.dead_letter_queue_url, settings.queue_url)


@cache
def _functions() -> Functions:
    settings = Settings(os.environ)
    return Functions(
        ingest=settings.ingest_function,
        session=settings.session_function,
        insights=settings.insights_function,
    )


ROUTES = {"GET /v1/operations": get_operations, "POST /v1/operations/replay": post_replay}
