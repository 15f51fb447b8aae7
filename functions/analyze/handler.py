"""Woken by a schedule: one task, or all, is learned from what is new."""

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from typing import Any

from footfall.database import Database
from footfall.errors import BadRequestError
from footfall.settings import Settings
from footfall.telemetry import counting, logger
from functions.analyze import content, journeys, tastes, trends
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
    """Does the task that the event names, or `users` of the shard it names; all tasks where it names neither.

    Says of how many users it learned and whether it came to the end, or whether there was something to learn.
    """

    def has_time() -> bool:
        return bool(context.get_remaining_time_in_millis() > RESERVE_MILLISECONDS)

    task = event.get("task", "users" if "shard" in event else "all")
    if task == "all":
        return _learn_all(has_time)
    if task == "trends":
        return {"learned": trends.learn(_database(), datetime.now(UTC), WAKING_SECONDS)}
    if task == "users":
        return _learn_users(event, has_time)
    if task == "tastes":
        return asdict(tastes.learn(_database(), datetime.now(UTC), has_time, WAKING_SECONDS))
    if task == "journeys":
        return {"learned": journeys.learn(_database(), datetime.now(UTC), WAKING_SECONDS)}
    if task == "content":
        return asdict(content.learn(_database(), datetime.now(UTC), has_time, WAKING_SECONDS))
    raise BadRequestError(f"task must be all, trends, content, users, tastes or journeys, not {task!r}")


def _learn_all(has_time: Callable[[], bool]) -> dict[str, Any]:
    """Each task rests on the ones before; what there is no time for waits for the next run."""
    trends.learn(_database(), datetime.now(UTC), WAKING_SECONDS)
    said = _learn_users({}, has_time)
    if said["finished"]:
        said["finished"] = tastes.learn(_database(), datetime.now(UTC), has_time).finished
    if has_time():
        journeys.learn(_database(), datetime.now(UTC))
    if has_time():
        content.learn(_database(), datetime.now(UTC), has_time)
    return said


def _learn_users(event: Mapping[str, Any], has_time: Callable[[], bool]) -> dict[str, Any]:
    shards = shards_of(event, Settings(os.environ).shards)
    run = analyze(_database(), shards, datetime.now(UTC), has_time, WAKING_SECONDS)
    if run.users:
        logger("analyze").info("learned", extra={"users": run.users, "finished": run.finished})
    return asdict(run)


@cache
def _database() -> Database:
    return Database(Settings(os.environ).database_url, QUERIES, STATEMENT_SECONDS)
