"""Moves the history of anonymous ids to whom they belong now, in steps of bounded length.

Whose an id is, is decided and committed at once, and so is whose new events are: what is left is what was
stored before. The latest of it moves in the same transaction; `relinks` says from where on the rest follows.
A step moves a piece and the mark in one transaction, and only what isn't its owner's yet: so it may be
killed, repeated, or begun anew because the id changed hands again.

Rows are locked in the order in which `writing` locks them.
"""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from footfall.database import Database, Row, Transaction
from footfall.errors import BadDataError, DatabaseUnavailableError, TooSlowError
from footfall.telemetry import logger
from functions.session import visits

# Keeps these advisory locks apart from others'.
LOCK_SPACE = 7_301


class Size(NamedTuple):
    """Of a step: histories, and activities of all of them, with what else was at that microsecond."""

    visitors: int
    activities: int


WHOLE, SMALL = Size(100, 5_000), Size(1, 100)
BEGINNING, END = "-infinity", "infinity"


def work_off(database: Database, patience: float) -> bool:
    """Takes steps until no history waits; one that can't be moved stays, and holds up no other.

    Args:
        patience: seconds for all of it.

    Returns:
        False where there is more to do. True: nothing waits, another consumer is at it, or it can't be moved.
    """
    deadline = time.monotonic() + patience
    size, immovable = WHOLE, list[Any]()
    # Begins anywhere, so that what is slow today is not the first tomorrow.
    start = uuid4()
    try:
        while waiting := database.run(
            partial(_waiting, start=start, most=size.visitors, immovable=immovable)
        ):
            try:
                if not database.run(partial(_step, waiting=waiting, most=size.activities)):
                    return True
            except (TooSlowError, BadDataError) as error:
                if size == SMALL:
                    immovable += waiting
                    _complain("a history can't be moved", error, anonymous_id=str(waiting[0]))
                size = SMALL
            if time.monotonic() > deadline:
                return False
    except DatabaseUnavailableError as error:
        _complain("histories wait", error)
        return False
    return True


def _complain(message: str, error: Exception, **details: str) -> None:
    logger("session").warning(message, extra={"reason": str(error), **details})


def _waiting(transaction: Transaction, start: UUID, most: int, immovable: Sequence[Any]) -> list[Any]:
    rows = transaction.all("next_relinks", start=start, most=most, immovable=list(immovable))
    return [row["anonymous_id"] for row in rows]


def _step(transaction: Transaction, waiting: Sequence[Any], most: int) -> bool:
    """False where another consumer is at it."""
    if not transaction.all("try_relinking", lock_space=LOCK_SPACE)[0]["locked"]:
        return False
    transaction.all("lock_relinks", lock_space=LOCK_SPACE, anonymous_ids=list(waiting))
    # Their visits hold still, so that nobody who moves them waits for what is moved here.
    visits.lock(transaction, waiting)
    positions = transaction.all("relink_positions", anonymous_ids=list(waiting))
    befores = {row["anonymous_id"]: row["before"] for row in positions}
    moved = relink(transaction, befores, most)
    transaction.once("create_incoming")
    users = [row["user_id"] for row in moved]
    transaction.all("lock_profiles", user_ids=users)
    for row in moved:
        transaction.run("adjust_profile", **row)
    transaction.run("describe_profiles", user_ids=users)
    return True


def relink(transaction: Transaction, befores: Mapping[Any, str], most: int | None = None) -> list[Row]:
    """Moves the latest of what happened before a moment, by anonymous id; says what users won and lost.

    Args:
        most: activities, of all histories together; a whole step's where it isn't said.
    """
    if not befores:
        return []
    most = max((most or WHOLE.activities) // len(befores), 1)
    spans = transaction.all(
        "relink_span", anonymous_ids=list(befores), befores=list(befores.values()), most=most
    )
    ids = [row["anonymous_id"] for row in spans]
    sinces = [row["since"].isoformat() if row["activities"] == most else BEGINNING for row in spans]
    moved = []
    if any(row["activities"] for row in spans):
        span = {"anonymous_ids": ids, "sinces": sinces, "befores": [befores[visitor] for visitor in ids]}
        moved = transaction.all("relink_activities", **span)
        if moved:
            transaction.run("relink_sessions", **span)
            transaction.run("relink_interactions", **span)
    transaction.run("note_relinks", anonymous_ids=ids, sinces=sinces)
    return moved


def put_off(transaction: Transaction, anonymous_ids: Sequence[Any]) -> None:
    """Leaves all of their history to the steps."""
    transaction.run("note_relinks", anonymous_ids=list(anonymous_ids), sinces=[END] * len(anonymous_ids))
