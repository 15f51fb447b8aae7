"""A deploy, as a custom resource of CloudFormation: migrates, makes the months, and answers in every case.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html
"""

import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from footfall.errors import FootfallError
from footfall.settings import Settings
from footfall.telemetry import logger
from functions.maintain import answering
from functions.maintain.cancelling import TimedConnection, in_time
from functions.maintain.migrate import FOLDER, LOCK_SECONDS, BusyTableError, ahead, digest, migrate
from functions.maintain.partitions import QUERIES, make_months
from functions.maintain.turns import Connection, turn

# How long delivering is tried, and what is kept for that and for ending what runs.
DELIVERY_SECONDS = 20.0
RESERVE_SECONDS = 30.0
_MARGIN_SECONDS = 1.0
_PAUSE = 1.0
# Their message says it all.
_TOLD = (FootfallError, psycopg.Error)


class RequestTypeError(FootfallError):
    """The request is of a kind that isn't known."""


def deploy(
    request: Mapping[str, Any], settings: Settings, now: datetime, seconds: float, folder: Path = FOLDER
) -> dict[str, Any]:
    """The answer, which CloudFormation has by then.

    What the request asks for may have been done before, by a first delivery of it even: then there is nothing
    to do but answer.

    Args:
        request: a Create, Update or Delete.
        seconds: what is left of the function's time.

    Raises:
        AnswerLostError: it couldn't be delivered. Lambda calls again then, and another try may get through.
    """
    end = time.monotonic() + seconds
    surprise: Exception | None = None
    try:
        done = _done(request, settings, now, end - RESERVE_SECONDS, folder)
        answer = answering.success(request, done)
    except Exception as error:  # noqa: BLE001 - of whatever CloudFormation doesn't hear, the stack hangs
        answer = answering.failure(request, _reason(error))
        surprise = None if isinstance(error, _TOLD) else error
    left = end - time.monotonic() - _MARGIN_SECONDS
    try:
        answering.deliver(request.get("ResponseURL"), answer, min(left, DELIVERY_SECONDS))
    finally:
        _log(answer, surprise)
    return answer


def _done(
    request: Mapping[str, Any], settings: Settings, now: datetime, until: float, folder: Path
) -> dict[str, str]:
    match request["RequestType"]:
        case "Create" | "Update":
            timed, months = TimedConnection(settings.database_url, until), settings.retention_months
            return in_time(timed, lambda: _bring_up(timed, now, months, folder))
        case "Delete":
            # The database is another resource, with a deletion policy of its own.
            return {}
        case other:
            raise RequestTypeError(f"there is no request of type {other}")


def _bring_up(timed: TimedConnection, now: datetime, retention_months: int, folder: Path) -> dict[str, str]:
    with timed.open() as connection:
        while True:
            try:
                return _all_or_nothing(connection, now, retention_months, folder)
            except (BusyTableError, psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
                if time.monotonic() + _PAUSE + LOCK_SECONDS > timed.until:
                    raise
                time.sleep(_PAUSE)


def _all_or_nothing(
    connection: Connection, now: datetime, retention_months: int, folder: Path
) -> dict[str, str]:
    with turn(connection), connection.transaction():
        migrated = migrate(connection, now, folder)
        connection.execute(QUERIES["refresh_time_zones"])
        # Old months are left to the daily run: no deploy should wait, or fail, for them.
        made = make_months(connection, now, retention_months, attempts=1)
        return {
            "Migrated": ", ".join(migrated),
            "Made": str(len(made)),
            "Ahead": ", ".join(ahead(connection, folder)),
            "Digest": digest(folder),
        }


def _log(answer: Mapping[str, Any], surprise: Exception | None) -> None:
    if answer["Status"] == "SUCCESS":
        logger("maintain").info("deployed", extra=answer["Data"])
    else:
        logger("maintain").error(
            "the deploy failed", extra={"reason": answer["Reason"]}, exc_info=surprise or False
        )


def _reason(error: Exception) -> str:
    match error:
        case psycopg.Error():
            return error.diag.message_primary or str(error)
        case FootfallError():
            return str(error)
        case _:
            # What others say may hold anything; the log has it.
            return f"{type(error).__name__}; the log of the function says more"
