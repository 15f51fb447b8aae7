"""Keeps two runs from doing the same work beside each other."""

from collections.abc import Callable
from typing import TypeVar

from footfall.database import Database

T = TypeVar("T")

# Any constants: they keep these advisory locks apart from others'.
USERS = 7_302
TRENDS = 7_303
JOURNEYS = 7_304
TASTES = 7_305
CONTENT = 7_306
COUNTS = 7_307
MODEL = 7_308


def alone(database: Database, task: int, work: Callable[[], T], part: int = 0) -> T | None:
    """What `work` returns; None where another run has the lock, which is lost with the connection."""
    lock = {"task": task, "part": part}
    found = database.run(lambda transaction: transaction.one("try_lock", **lock))
    if not (found and found["locked"]):
        return None
    try:
        return work()
    finally:
        database.run(lambda transaction: transaction.one("unlock", **lock))
