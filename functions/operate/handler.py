"""Woken by an operator: sends back what was given up or refused, a step at each call.

{"replay": "dead_letters"} empties the dead-letter queue into the queue, {"replay": "quarantine"} has stored
what can be stored now. Both answer {"replayed": n, "stayed": {"reason": n}, "left": n, "after": …,
"finished": …}. The caller goes on with that `after` until it is finished; told {"unavailable": …}, it does
the same step again later.
"""

import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from footfall.errors import BadRequestError, UnavailableError
from footfall.settings import Settings
from functions.operate.dead_letters import DeadLetters
from functions.operate.functions import Functions
from functions.operate.quarantine import replay


def lambda_handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    try:
        match event.get("replay"):
            case "dead_letters":
                return _dead_letters().send_back()
            case "quarantine":
                return replay(_functions(), event.get("after"))
            case other:
                raise BadRequestError(f"replay: must be dead_letters or quarantine, not {other!r}")
    except UnavailableError as error:
        return {"unavailable": str(error)}


@cache
def _dead_letters() -> DeadLetters:
    settings = Settings(os.environ)
    return DeadLetters(settings.dead_letter_queue_url, settings.queue_url)


@cache
def _functions() -> Functions:
    settings = Settings(os.environ)
    return Functions(ingest=settings.ingest_function, session=settings.session_function)
