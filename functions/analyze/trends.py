"""Learns what is engaged with lately, of everybody, and replaces what was learned before."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from footfall.database import Database, Transaction
from functions.analyze.alone import TRENDS, alone

# It rests for so long for each so many interactions; from fewer it learns whenever there are others.
REST, REST_FOR = timedelta(minutes=1), 200_000


def learn(database: Database, now: datetime, patience: float = 0.0) -> bool:
    """Whether there was something to learn, and nobody else who did.

    Args:
        patience: seconds to wait for a database that wakes.

    Raises:
        DatabaseUnavailableError: what was learned before is still there.
    """
    basis = database.run(lambda transaction: _news(transaction, now), patience=patience)
    if basis is None:
        return False
    done = alone(database, TRENDS, lambda: database.run(lambda transaction: _learn(transaction, basis, now)))
    return bool(done)


def _news(transaction: Transaction, now: datetime) -> dict[str, Any] | None:
    """What there is to learn from; None where it is too early, or nothing has changed."""
    known = transaction.one("trends_learned")
    if known and now - known["finished_at"] < REST * (int(known["basis"]["interactions"]) // REST_FOR):
        return None
    basis = transaction.one("interactions_lately", now=now) or {}
    # At least hourly all the same: a dwell that grew is not counted.
    basis["hour"] = now.replace(minute=0, second=0, microsecond=0).isoformat()
    return None if known and known["basis"] == basis else basis


def _learn(transaction: Transaction, basis: dict[str, Any], now: datetime) -> bool:
    transaction.run("learn_trends", now=now, day=now.astimezone(UTC).date())
    transaction.run(
        "save_progress", task="trends", watermark="0", resume=json.dumps(basis), now=now, finished_at=now
    )
    return True
