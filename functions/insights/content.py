"""What each piece of content brings."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from footfall.database import Transaction
from functions.insights.asking import DAYS, WHO, days_of, expect, text, who_of

MOST_ITEMS = 100


def content(transaction: Transaction, query: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """The report.

    Raises:
        BadRequestError: it is asked for in a way that isn't known.
    """
    expect(query, {*DAYS, *WHO, "content_type"})
    content_type, who = text("content_type", query, 50), who_of(query)
    days = days_of(transaction, query, now)
    transaction.run("give_memory")
    found = transaction.all(
        "content_details",
        **who.parameters(),
        since=days.since,
        until=days.until,
        content_type=content_type,
        filtered=bool(who.device or who.country),
        most=MOST_ITEMS,
    )
    return {**days.head(now), "items": [{**row, **_rounded(row)} for row in found]}


def _rounded(row: Mapping[str, Any]) -> dict[str, float | None]:
    return {
        name: None if row[name] is None else round(row[name], 4) for name in ("engagement", "mean_seconds")
    }
