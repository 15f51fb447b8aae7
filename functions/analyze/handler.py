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
from functions.analyze import content, counts, journeys, tastes, trends
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
    if not isinstance(task, str) or task not in TASKS:
        raise BadRequestError(f"task must be {', '.join([*TASKS][:-1])} or {[*TASKS][-1]}, not {task!r}")
    return TASKS[task](event, has_time)


def _learn_all(_: Mapping[str, Any], has_time: Callable[[], bool]) -> dict[str, Any]:
    """Each task rests on the ones before; what there is no time for waits for the next run."""
    trends.learn(_database(), datetime.now(UTC), WAKING_SECONDS)
    counts.learn(_database(), datetime.now(UTC), has_time)
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


def _learn_trends(_: Mapping[str, Any], __: Callable[[], bool]) -> dict[str, Any]:
    return {"learned": trends.learn(_database(), datetime.now(UTC), WAKING_SECONDS)}


def _learn_content(_: Mapping[str, Any], has_time: Callable[[], bool]) -> dict[str, Any]:
    return asdict(content.learn(_database(), datetime.now(UTC), has_time, WAKING_SECONDS))


def _learn_tastes(_: Mapping[str, Any], has_time: Callable[[], bool]) -> dict[str, Any]:
    return asdict(tastes.learn(_database(), datetime.now(UTC), has_time, WAKING_SECONDS))


def _learn_journeys(_: Mapping[str, Any], __: Callable[[], bool]) -> dict[str, Any]:
    return {"learned": journeys.learn(_database(), datetime.now(UTC), WAKING_SECONDS)}


def _count(_: Mapping[str, Any], has_time: Callable[[], bool]) -> dict[str, Any]:
    return {"learned": counts.learn(_database(), datetime.now(UTC), has_time, WAKING_SECONDS)}


@cache
def _database() -> Database:
    return Database(Settings(os.environ).database_url, QUERIES, STATEMENT_SECONDS)


Task = Callable[[Mapping[str, Any], Callable[[], bool]], dict[str, Any]]
TASKS: dict[str, Task] = {
    "all": _learn_all,
    "trends": _learn_trends,
    "content": _learn_content,
    "users": _learn_users,
    "tastes": _learn_tastes,
    "journeys": _learn_journeys,
    "counts": _count,
}
