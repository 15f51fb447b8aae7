"""Learns what is dear to learn, of who waits longest for it: attributes and authors liked, and who is alike.

A run takes a bounded number of users, so a busy site learns of its users in turn, and of nobody never.
"""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from footfall.database import Database, Transaction
from footfall.suggesting import array
from functions.analyze.alone import TASTES, alone
from functions.analyze.learning import Run, basis, learn_in_parts

# Users of a transaction, and of a run.
LOT = 20
MOST = 500


def learn(database: Database, now: datetime, has_time: Callable[[], bool], patience: float = 0.0) -> Run:
    """Of how many users it learned, and whether nobody waits any more.

    Args:
        patience: seconds to wait for a database that wakes.

    Raises:
        DatabaseUnavailableError: who was not learned of waits for the next run.
    """
    found = database.run(lambda transaction: transaction.all("users_waiting", limit=MOST), patience=patience)
    waiting = [row["user_id"] for row in found]
    users = alone(database, TASTES, lambda: _learn(database, waiting, now, has_time)) if waiting else 0
    return Run(users or 0, finished=users == len(waiting) < MOST)


def _learn(database: Database, waiting: Sequence[str], now: datetime, has_time: Callable[[], bool]) -> int:
    for done in range(0, len(waiting), LOT):
        if not has_time():
            return done
        lot = waiting[done : done + LOT]
        learn_in_parts(database, lot, partial(learn_lot, now=now), now, has_time)
    return len(waiting)


def learn_lot(transaction: Transaction, user_ids: Sequence[str], now: datetime) -> None:
    """What is dear to learn of these users, whether they wait for it or not."""
    everyone = array(user_ids)
    # First, so that what commits meanwhile has its user wait again.
    transaction.run("take_waiting", user_ids=everyone)
    transaction.run("learn_attributes", user_ids=everyone, now=now, **basis(now))
    found = transaction.all("similar_users", user_ids=everyone, now=now)
    transaction.run("write_similar_users", found=json.dumps(found, default=str), now=now)
    transaction.run("predict_preferences", user_ids=everyone, now=now, **basis(now))
