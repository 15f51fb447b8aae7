"""What the database says of whether events arrive, for `operate`, which has no way to it."""

from datetime import date, datetime
from typing import Any

from footfall.database import Transaction

MOST_LETTERS = 2_000


def health(transaction: Transaction, now: datetime) -> dict[str, Any]:
    """What waits in quarantine, how far analyze came, how fresh things are, which months there are."""
    found: dict[str, Any] = _plain(_health(transaction, now))
    return found


def _health(transaction: Transaction, now: datetime) -> dict[str, Any]:
    refused = transaction.all("refused")
    tasks = transaction.all("tasks", now=now)
    runs = [row["finished_at"] for row in tasks if row["finished_at"]]
    # The others' last run may be long ago where there was nothing to learn.
    lags = [row["lag_seconds"] for row in tasks if row["task"].startswith("users") and row["finished_at"]]
    [fresh] = transaction.all("freshness", now=now)
    made_until = fresh.pop("made_until")
    return {
        "quarantine": {
            "waiting": refused[0]["waiting"] if refused else 0,
            "reasons": [{"reason": row["reason"], "events": row["events"]} for row in refused],
            "latest": transaction.all("refused_latest", most=MOST_LETTERS),
        },
        "analyze": {
            "last_run_at": max(runs, default=None),
            "lag_seconds": max(lags, default=None),
            "tasks": tasks,
        },
        "freshness": fresh,
        "months": {"made_until": made_until},
    }


def _plain(value: Any) -> Any:
    """As JSON has it: dates as text."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value.isoformat() if isinstance(value, date) else value
