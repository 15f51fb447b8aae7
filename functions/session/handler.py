"""Woken by the queue: writes a batch of messages once, then moves histories that wait for it.

Only what an outage stopped is delivered again; and one message where a history still waits, to wake us again.
"""

import os
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

from footfall.database import Database
from footfall.errors import DatabaseUnavailableError
from footfall.settings import Settings
from footfall.telemetry import counting, logger
from functions.session.consuming import consume
from functions.session.origins import Origins, nowhere, places_of
from functions.session.relinking import work_off
from functions.session.writing import QUERIES

# A batch that takes a statement longer than this is written in halves.
STATEMENT_SECONDS = 5
# Left of the time that Lambda gives: for a statement that was begun in the last moment, and for answering.
RESERVE_SECONDS = 10.0


@counting("session")
def lambda_handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    patience = max(context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS, 0.0)
    deadline = time.monotonic() + patience
    messages = {record["messageId"]: record["body"] for record in event["Records"]}
    try:
        consume(_database(), messages, patience, _origins())
    except DatabaseUnavailableError as error:
        logger("session").warning("the batch waits in the queue", extra={"reason": str(error)})
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in messages]}
    if work_off(_database(), deadline - time.monotonic()):
        return {"batchItemFailures": []}
    return {"batchItemFailures": [{"itemIdentifier": list(messages)[-1]}]}


@cache
def _database() -> Database:
    return Database(Settings(os.environ).database_url, QUERIES, STATEMENT_SECONDS)


@cache
def _origins() -> Origins:
    settings = Settings(os.environ)
    path = settings.geoip_database
    return Origins(settings.ip_addresses, places_of(path) if path else nowhere)
