"""Woken by the queue: writes a batch of messages once, then moves histories that wait for it.

Only what an outage stopped is delivered again; and one message where a history still waits, to wake us again.
Woken by operate ({"replay": …}), writes what was refused before: `replaying` says how.
"""

import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from footfall.database import Database
from footfall.errors import BadRequestError, DatabaseUnavailableError
from footfall.settings import Settings
from footfall.telemetry import counting, logger
from functions.session.consuming import consume
from functions.session.origins import Origins, nowhere, places_of
from functions.session.relinking import work_off
from functions.session.replaying import BEGINNING, replay, write_validated
from functions.session.writing import QUERIES

# A batch that takes a statement longer than this is written in halves.
STATEMENT_SECONDS = 5
# Left of the time that Lambda gives: for a statement that was begun in the last moment, and for answering.
RESERVE_SECONDS = 10.0


@counting("session")
def lambda_handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    patience = max(context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS, 0.0)
    deadline = time.monotonic() + patience
    if "replay" in event:
        return _replay(event, deadline)
    messages = {record["messageId"]: record["body"] for record in event["Records"]}
    try:
        consume(_database(), messages, patience, _origins())
    except DatabaseUnavailableError as error:
        logger("session").warning("the batch waits in the queue", extra={"reason": str(error)})
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in messages]}
    if work_off(_database(), deadline - time.monotonic()):
        return {"batchItemFailures": []}
    return {"batchItemFailures": [{"itemIdentifier": list(messages)[-1]}]}


def _replay(event: Mapping[str, Any], deadline: float) -> dict[str, Any]:
    database, origins, now = _database(), _origins(), datetime.now(UTC)
    patience = deadline - time.monotonic()
    try:
        match event["replay"]:
            case "quarantine":
                step = replay(database, origins, event.get("after") or BEGINNING, now, patience)
            case "validated":
                step = write_validated(database, origins, event["events"], now, patience)
            case other:
                raise BadRequestError(f"replay: must be quarantine or validated, not {other!r}")
    except DatabaseUnavailableError as error:
        logger("session").warning("what was refused waits in quarantine", extra={"reason": str(error)})
        return {"unavailable": str(error)}
    work_off(database, deadline - time.monotonic())
    return step


@cache
def _database() -> Database:
    return Database(Settings(os.environ).database_url, QUERIES, STATEMENT_SECONDS)


@cache
def _origins() -> Origins:
    settings = Settings(os.environ)
    path = settings.geoip_database
    return Origins(settings.ip_addresses, places_of(path) if path else nowhere)
