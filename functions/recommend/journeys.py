"""What a user probably does next: from the visit that goes on, and what followed in everybody's visits."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from footfall.database import Row, Transaction
from footfall.journeys import SILENCE, START, Level, Model, context_of


def journey(transaction: Transaction, latest: Sequence[Row], now: datetime) -> dict[str, Any]:
    """`journey`, and what it is based on; `latest` are the user's latest activities, newest first."""
    history = visit_of(latest, now)
    model = _model(transaction, context_of(history))
    is_enough = bool(latest) and model.is_enough
    answers = model.predict(history) if is_enough else ()
    # By the names that the user's own actions have, also of those that count as one.
    length = sum(symbol != START for symbol in model.context(history)) if is_enough else 0
    return {
        "journey": [{"action": one.action, "probability": round(one.probability, 4)} for one in answers],
        "journey_basis": {
            "enough": is_enough,
            "sessions": model.visits,
            "after": history[len(history) - length :],
        },
    }


def visit_of(latest: Sequence[Row], now: datetime) -> list[str]:
    """The symbols of the visit that goes on, in their order; none where the next activity begins another."""
    in_visits = [row for row in latest if row["session_id"] is not None]
    if not in_visits or now - in_visits[0]["created_at"] > SILENCE:
        return []
    visit = _key(in_visits[0])
    return [row["symbol"] for row in reversed(in_visits) if _key(row) == visit]


def _key(row: Row) -> tuple[Any, ...]:
    return row["visitor_id"], row["visitor_is_user"], row["session_id"]


def _model(transaction: Transaction, context: Sequence[str]) -> Model:
    """As much of it as there is to know about this context."""
    rows = transaction.all("journey", context=list(context))
    if not rows:
        return Model((), 0, 0, {})
    levels = tuple(Level(tuple(one["discounts"]), one["strength"]) for one in rows[0]["levels"])
    table = {
        tuple(row["context"]): dict(zip(row["symbols"], row["counts"], strict=True))
        for row in rows
        if row["context"] is not None
    }
    return Model(levels, rows[0]["different"], rows[0]["visits"], table)
