"""Sessions: how many, how long, where they land and where they end."""

from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any

from footfall.database import Row, Transaction
from functions.insights.asking import DAYS, WHO, days_of, expect, who_of

# Seconds.
LENGTHS = (0, 10, 30, 60, 180, 600, 1800, 3600)
MOST_PAGES = 50


def sessions(transaction: Transaction, query: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """The report, of sessions that began within these days.

    Raises:
        BadRequestError: it is asked for in a way that isn't known.
    """
    expect(query, {*DAYS, *WHO})
    who = who_of(query)
    days = days_of(transaction, query, now)
    asked = {"since": days.since, "until": days.until, **who.parameters()}
    transaction.run("give_memory")
    found = {row["point"]: row for row in transaction.all("sessions_by_day", **asked, starts=days.starts)}
    all_of_them = found.pop(None)
    visitors = transaction.all("session_visitors", **asked)[0]["visitors"]
    lengths = transaction.all("session_lengths", **asked, lengths=list(LENGTHS))
    by_length = {row["length"]: row["sessions"] for row in lengths}
    return {
        **days.head(now),
        "sessions": all_of_them["sessions"],
        "visitors": visitors,
        "bounces": all_of_them["bounces"],
        "bounce_rate": _bounce_rate(all_of_them),
        "median_seconds": all_of_them["median_seconds"],
        "mean_seconds": _rounded(all_of_them["mean_seconds"]),
        "page_views_per_session": _rounded(all_of_them["page_views"]),
        "days": [_day(day, found.get(place)) for place, day in enumerate(days.days, 1)],
        "lengths": [
            {"from_seconds": shortest, "to_seconds": longest, "sessions": by_length.get(place, 0)}
            for place, (shortest, longest) in enumerate(pairwise([*LENGTHS, None]), 1)
        ],
        "landing_pages": [
            {
                "page_path": row["page_path"],
                "sessions": row["sessions"],
                "bounce_rate": _bounce_rate(row),
            }
            for row in transaction.all("session_landings", **asked, most=MOST_PAGES)
        ],
        "exit_pages": transaction.all("session_exits", **asked, most=MOST_PAGES),
    }


def _day(day: object, found: Row | None) -> dict[str, Any]:
    return {
        "at": f"{day}",
        "sessions": found["sessions"] if found else 0,
        "bounce_rate": _bounce_rate(found) if found else None,
        "median_seconds": found["median_seconds"] if found else None,
    }


def _bounce_rate(row: Row) -> float | None:
    return round(row["bounces"] / row["sessions"], 4) if row["sessions"] else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
