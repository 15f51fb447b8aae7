"""Woken by a schedule: one shard of the users, or journeys, or all, is learned from what is new."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from footfall.database import Database
from footfall.settings import Settings
from footfall.telemetry import counting, logger
from functions.analyze import journeys
from functions.analyze.learning import QUERIES, analyze
from functions.analyze.shards import shards_of

STATEMENT_SECONDS = 60
# A database that pauses wakes within some fifteen.
WAKING_SECONDS = 60.0
# A chunk begins only while one statement of it may hang until it is ended. Where several do, Lambda ends the
# function first, and the next run does the chunk again.
RESERVE_MILLISECONDS = 70_000


@counting("analyze")
def lambda_handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Says about how many users it learned and whether it came to the end; or whether it learned journeys."""
    if event.get("task") == "journeys":
        return {"learned": journeys.learn(_database(), datetime.now(UTC), WAKING_SECONDS)}
    run = analyze(
        _database(),
        shards_of(event, Settings(os.environ).shards),
        datetime.now(UTC),
        lambda: bool(context.get_remaining_time_in_millis() > RESERVE_MILLISECONDS),
        WAKING_SECONDS,
    )
    if run.users:
        logger("analyze").info("learned", extra={"users": run.users, "finished": run.finished})
    if "shard" not in event and run.finished:
        journeys.learn(_database(), datetime.now(UTC))
    return {"users": run.users, "finished": run.finished}


@cache
def _database() -> Database:
    return Database(Settings(os.environ).database_url, QUERIES, STATEMENT_SECONDS)
