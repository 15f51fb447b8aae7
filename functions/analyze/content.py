"""Learns what content rises, of what was touched since the last run; and now and then what belongs together.

Trends are counted anew from the interactions, so that a run twice changes nothing. What belongs together is
replaced as a whole; the longer that takes, the longer it rests.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from footfall.database import Database, Row, Transaction
from functions.analyze.alone import CONTENT, alone

# numpy and scipy weigh on a cold start; the other tasks do without.
if TYPE_CHECKING:
    from functions.analyze.blending import Meetings
    from functions.analyze.training import Trained

DAYS = 366
MOST_INTERACTIONS = 2_000_000
# An item's trend rests on so many of its latest interactions.
MOST_OF_ONE = 5_000
LOT = 1_000
# What was committed late, and what happened long before it was received.
OVERLAP, LATE, VERY_LATE = timedelta(minutes=5), timedelta(hours=1), timedelta(days=31)
# It rests so many times as long as it took, at least so long.
REST_TIMES, REST = 30, timedelta(minutes=10)
LEAST_INTERACTIONS = 50
# Above, EASE's matrix takes more time than a run has; and of the machine's memory it may have this share.
MOST_FOR_EASE, MEMORY_SHARE = 25_000, 0.6


@dataclass(frozen=True, slots=True)
class Learned:
    """How many items' trends were counted, and whether the model was trained anew."""

    items: int
    trained: bool


def learn(database: Database, now: datetime, has_time: Callable[[], bool], patience: float = 0.0) -> Learned:
    """One run; nothing where another one is at it.

    Raises:
        DatabaseUnavailableError: what was learned before is still there.
    """
    database.run(lambda transaction: transaction.one("content_progress"), patience=patience)

    def work() -> Learned:
        items = refresh(database, now, has_time)
        return Learned(items, trained=has_time() and train(database, now))

    return alone(database, CONTENT, work) or Learned(0, trained=False)


def refresh(database: Database, now: datetime, has_time: Callable[[], bool] = lambda: True) -> int:
    """Counts the trends of what was touched since the last run that came to its end; how many."""
    state = (database.run(lambda transaction: transaction.one("content_progress")) or {}).get("state") or {}
    since = (
        datetime.fromisoformat(state["until"]) - OVERLAP
        if "until" in state
        else datetime.min.replace(tzinfo=UTC)
    )
    # Once an hour also what came days late.
    hour = now.replace(minute=0, second=0, microsecond=0).isoformat()
    late = LATE if state.get("hour") == hour else VERY_LATE
    since = max(since, datetime(1970, 2, 2, tzinfo=UTC))
    touched = database.run(
        lambda transaction: transaction.all("touched_items", since=since, now=now, late=late)
    )
    for done in range(0, len(touched), LOT):
        if not has_time():
            return done
        database.run(partial(_count, touched=touched[done : done + LOT], now=now))
    noted = json.dumps({"until": now.isoformat(), "hour": hour})
    database.run(
        lambda transaction: transaction.run(
            "save_progress", task="content", watermark="0", resume=noted, now=now, finished_at=now
        )
    )
    return len(touched)


def _count(transaction: Transaction, touched: Sequence[Row], now: datetime) -> None:
    transaction.run(
        "count_trends",
        types=[row["content_type"] for row in touched],
        ids=[row["content_id"] for row in touched],
        now=now,
        most=MOST_OF_ONE,
    )


def train(database: Database, now: datetime) -> bool:
    """Whether the model was due, and there was something to learn."""
    basis = database.run(lambda transaction: _news(transaction, now))
    if basis is None:
        return False
    replace_model(database, now, basis)
    return True


def replace_model(database: Database, now: datetime, basis: dict[str, Any]) -> "Trained":
    from functions.analyze.training import train as trained

    began = monotonic()
    known, numbers = database.run(lambda transaction: _meetings(transaction, now))
    model = trained(known, most_for_ease(_memory()))
    evidence = {"choices": model.choices, "method": model.method, "items": len(numbers)}
    lines = "".join(_lines(model, numbers))

    def keep(transaction: Transaction) -> None:
        transaction.run("forget_neighbours")
        transaction.copy("keep_neighbours", lines)
        transaction.run(
            "keep_blend",
            weights=model.weights,
            cold_weights=model.cold_weights,
            basis=json.dumps(basis),
            evidence=json.dumps({**evidence, "seconds": round(monotonic() - began, 1)}),
            now=now,
        )

    database.run(keep)
    return model


def most_for_ease(memory: int) -> int:
    """How many items its square matrix may have, in so many bytes of memory."""
    return min(MOST_FOR_EASE, int((memory * MEMORY_SHARE / 4) ** 0.5))


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _news(transaction: Transaction, now: datetime) -> dict[str, Any] | None:
    """What there is to learn from; None where it is too early, too little, or nothing has changed."""
    known = transaction.one("model_learned")
    if known:
        rest = max(REST, timedelta(seconds=known["evidence"]["seconds"] * REST_TIMES))
        if now - known["learned_at"] < rest:
            return None
    basis = transaction.one("model_basis", now=now, days=DAYS) or {}
    if basis["interactions"] < LEAST_INTERACTIONS or (known and known["basis"] == basis):
        return None
    return basis


def _meetings(transaction: Transaction, now: datetime) -> "tuple[Meetings, Any]":
    """What there is to learn from, by numbers from 0; and the numbers that the items have in the database."""
    import numpy as np

    from functions.analyze.blending import Meetings

    [packed] = transaction.all("interactions", now=now, days=DAYS, most=MOST_INTERACTIONS)
    [facts] = transaction.all("item_facts")
    met = np.frombuffer(packed["items"], ">i4").astype(np.int64)
    every = np.frombuffer(facts["items"], ">i4").astype(np.int64)
    numbers, items = np.unique(met, return_inverse=True)
    places = np.searchsorted(every, numbers)
    _, visitors = np.unique(np.frombuffer(packed["visitors"], ">i8"), return_inverse=True)
    times = np.frombuffer(packed["times"], ">f8").astype(np.float64)
    types = np.frombuffer(facts["types"], ">i4").astype(np.int64)[places] - 1
    born = np.frombuffer(facts["times"], ">f8").astype(np.float64)[places]
    return Meetings(visitors.astype(np.int64), items.astype(np.int64), times, types, born), numbers


def _lines(model: "Trained", numbers: Any) -> Iterator[str]:
    """As COPY takes them."""
    for method in ("next", "before", "alike"):
        matrix = getattr(model.neighbours, method).tocsr()
        names = numbers[matrix.indices].tolist()
        weights = [f"{weight:.5g}" for weight in matrix.data.tolist()]
        for row, item in enumerate(numbers.tolist()):
            start, stop = matrix.indptr[row], matrix.indptr[row + 1]
            if start < stop:
                some, how_much = ",".join(map(str, names[start:stop])), ",".join(weights[start:stop])
                yield f"{item}\t{method}\t{{{some}}}\t{{{how_much}}}\n"
