"""Moves the history of anonymous ids to whom they belong now, in steps of bounded length.

Whose an id is, is decided and committed at once, and so is whose new events are: what is left is what was
stored before. The latest of it moves in the same transaction; `relinks` says from where on the rest follows.
A step moves a piece and the mark in one transaction, and only what isn't its owner's yet: so it may be
killed, repeated, or begun anew because the id changed hands again.

Rows are locked in the order in which `writing` locks them.
"""

import time
from collections.abc import Mapping
from typing import Any

from footfall.database import Database, Row, Transaction
from footfall.errors import BadDataError, DatabaseUnavailableError
from footfall.telemetry import logger
from functions.session import visits

# Keeps these advisory locks apart from others'.
LOCK_SPACE = 7_301
# In one transaction, with all that was done at the same microsecond as the last.
MOST_ACTIVITIES = 5_000
# In one step, so that many short histories don't take a transaction each.
MOST_VISITORS = 100
BEGINNING, END = "-infinity", "infinity"


def work_off(database: Database, patience: float) -> bool:
    """Takes steps until no history waits, or another consumer is at it: then true.

    Args:
        patience: seconds for all of it.
    """
    deadline = time.monotonic() + patience
    try:
        while database.run(_step):
            if time.monotonic() > deadline:
                return False
    except (DatabaseUnavailableError, BadDataError) as error:
        logger("session").warning("histories wait", extra={"reason": str(error)})
        return False
    return True


def _step(transaction: Transaction) -> bool:
    """Whether there was something to do."""
    waiting = [row["anonymous_id"] for row in transaction.all("next_relinks", most=MOST_VISITORS)]
    if not waiting or not transaction.all("try_relinking", lock_space=LOCK_SPACE)[0]["locked"]:
        return False
    transaction.all("lock_relinks", lock_space=LOCK_SPACE, anonymous_ids=waiting)
    # Their visits hold still, so that nobody who moves them waits for what is moved here.
    visits.lock(transaction, waiting)
    positions = transaction.all("relink_positions", anonymous_ids=waiting)
    moved = relink(transaction, {row["anonymous_id"]: row["before"].isoformat() for row in positions})
    transaction.run("create_incoming")
    users = [row["user_id"] for row in moved]
    transaction.all("lock_profiles", user_ids=users)
    for row in moved:
        transaction.run("adjust_profile", **row)
    transaction.run("describe_profiles", user_ids=users)
    return True


def relink(transaction: Transaction, befores: Mapping[Any, str]) -> list[Row]:
    """Moves the latest of what happened before a moment, by anonymous id; says what users won and lost."""
    if not befores:
        return []
    most = max(MOST_ACTIVITIES // len(befores), 1)
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
