"""Learns what comes next in visits, from everybody's latest, and replaces what was learned before.

The more there is to learn from, the longer it rests, so that it costs the same share of the time. A run may
be killed at any moment: what it learned is there whole or not at all.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from footfall import journeys
from footfall.database import Database, Transaction
from footfall.journeys import Context, Followers, Model
from functions.analyze.alone import JOURNEYS, alone

DAYS = 30
MOST_ACTIVITIES = 200_000
# So that a product that makes up names for its actions can't grow the model.
MOST_SYMBOLS = 1_000
# Who does more in one visit is no person.
MOST_OF_ONE_VISIT = 5_000
# Between two times of learning from the most activities; of fewer, less in proportion.
REST = timedelta(hours=1)
CHUNK = 10_000


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

    def work() -> bool:
        visits = database.run(lambda transaction: _visits(transaction, now))
        model = journeys.learn(visits, MOST_SYMBOLS)
        database.run(lambda transaction: keep(transaction, model, basis, now))
        return True

    return bool(alone(database, JOURNEYS, work))


def _news(transaction: Transaction, now: datetime) -> dict[str, Any] | None:
    """What there is to learn from; None where it is too early, or nothing has changed."""
    known = transaction.one("journey_state")
    if known and now - known["learned_at"] < REST * min(known["basis"]["activities"] / MOST_ACTIVITIES, 1):
        return None
    basis = transaction.one("journey_basis", now=now, days=DAYS) or {}
    return None if known and known["basis"] == basis else basis


def _visits(transaction: Transaction, now: datetime) -> list[list[str]]:
    found = transaction.all(
        "journey_visits", now=now, days=DAYS, most=MOST_ACTIVITIES, most_of_one=MOST_OF_ONE_VISIT
    )
    return [row["symbols"] for row in found]


def keep(transaction: Transaction, model: Model, basis: Mapping[str, Any], now: datetime) -> None:
    """Instead of whatever was learned before."""
    transaction.run(
        "keep_journey_model",
        visits=model.visits,
        symbols=model.symbols,
        levels=json.dumps([asdict(level) for level in model.levels]),
        basis=json.dumps(basis),
        now=now,
    )
    transaction.run("forget_journey_contexts")
    for chunk in _chunks(sorted(model.table.items())):
        transaction.run(
            "keep_journey_contexts",
            contexts=[_array(context) for context, _ in chunk],
            symbols=[_array(followers) for _, followers in chunk],
            counts=[_array(map(str, followers.values())) for _, followers in chunk],
        )


def _chunks(rows: Iterable[tuple[Context, Followers]]) -> Iterator[list[tuple[Context, Followers]]]:
    left = iter(rows)
    while chunk := list(islice(left, CHUNK)):
        yield chunk


def _array(texts: Iterable[str]) -> str:
    """As Postgres spells one: arrays of different lengths can't be nested."""
    quoted = ('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in texts)
    return "{" + ",".join(quoted) + "}"
