"""What happens now."""

from datetime import datetime, timedelta
from typing import Any

from footfall.database import Transaction

MINUTES = 30
MINUTE = timedelta(minutes=1)
MOST = 10


def live(transaction: Transaction, now: datetime) -> dict[str, Any]:
    """From what is counted as events are written; it reads as much however long the history is."""
    this = now.replace(second=0, microsecond=0)
    counts = {row["minute"]: row["events"] for row in transaction.all("live_minutes", now=now)}
    there: dict[str, list[dict[str, Any]]] = {"all": [], "country": [], "device": [], "page": []}
    for row in transaction.all("active_sessions", now=now):
        there[row["what"]].append(row)
    for rows in there.values():
        rows.sort(key=lambda row: (-row["visitors"], row["name"] is None, row["name"]))
    return {
        "now": now.isoformat(),
        "active_visitors": sum(row["visitors"] for row in there["all"]),
        "minutes": [
            {"minute": minute.isoformat(), "events": counts.get(minute, 0)}
            for minute in (this - back * MINUTE for back in reversed(range(MINUTES)))
        ],
        "pages": _named("page_path", [row for row in there["page"] if row["name"] is not None]),
        "content": transaction.all("live_content", now=now, most=MOST),
        "countries": _named("country", there["country"]),
        "devices": _named("device", there["device"]),
    }


def _named(what: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{what: row["name"], "visitors": row["visitors"]} for row in rows[:MOST]]
