"""Counts activities by quarter of an hour, for reports that would else go through all of them.

An hour is counted anew where live_counts, which is kept as events are written, knows of others than were
counted; a report counts such hours itself. So it only becomes slower where this doesn't run.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from footfall.database import Database, Transaction
from functions.analyze.alone import COUNTS, alone

# Late events are mostly of yesterday; what came later still is found once an hour.
USUALLY_BACK = timedelta(days=2)
# Of one transaction.
CHUNK = 24
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def learn(database: Database, now: datetime, has_time: Callable[[], bool], patience: float = 0.0) -> bool:
    """Whether something was to be counted, and nobody else did it.

    Args:
        has_time: whether another chunk may begin.
        patience: seconds to wait for a database that wakes.

    Raises:
        DatabaseUnavailableError: what was counted is there, each hour whole.
    """
    state = database.run(lambda transaction: transaction.one("progress", task="counts"), patience=patience)
    this_hour = now.replace(minute=0, second=0, microsecond=0).isoformat()
    is_thorough = not state or (state["resume"] or {}).get("hour") != this_hour
    since = BEGINNING if is_thorough else now - USUALLY_BACK

    def work() -> bool:
        done = False
        while hours := database.run(lambda transaction: _count(transaction, since)):
            done = True
            if len(hours) < CHUNK or not has_time():
                break
        if len(hours) < CHUNK:
            database.run(lambda transaction: _note(transaction, this_hour, now))
        return done

    return bool(alone(database, COUNTS, work))


def _count(transaction: Transaction, since: datetime) -> list[datetime]:
    """The hours that were stale, of which the latest are counted."""
    hours = [row["hour"] for row in transaction.all("stale_hours", since=since, most=CHUNK)]
    if hours:
        for query in ("note_hours", "forget_counts", "count_hours"):
            transaction.run(query, hours=hours)
    return hours


def _note(transaction: Transaction, hour: str, now: datetime) -> None:
    said: dict[str, Any] = {"hour": hour}
    transaction.run(
        "save_progress", task="counts", watermark="0", resume=json.dumps(said), now=now, finished_at=now
    )
