"""Activity over time, by type and action."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from footfall.database import Transaction
from footfall.errors import BadRequestError
from functions.insights.asking import DAYS, WHO, choice, days_of, expect, text, who_of

MOST_ACTIONS = 50
# Of points an hour long.
MOST_HOURLY_DAYS = 14
HOUR = timedelta(hours=1)


def activity(transaction: Transaction, query: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """The report.

    Raises:
        BadRequestError: it is asked for in a way that isn't known.
    """
    expect(query, {*DAYS, *WHO, "by", "event_type"})
    who, event_type = who_of(query), text("event_type", query, 100)
    by = choice("by", query, ("day", "hour"))
    days = days_of(transaction, query, now)
    if by == "hour" and len(days.days) > MOST_HOURLY_DAYS:
        raise BadRequestError(f"by: hours are told of at most {MOST_HOURLY_DAYS} days at once")
    starts = days.starts if by == "day" else _hours(days.since, days.until)
    asked = {"starts": starts, "since": days.since, "until": days.until, **who.parameters()}
    transaction.run("give_memory")
    counted = transaction.all("activity", **asked, event_type=event_type)
    types: defaultdict[str, list[int]] = defaultdict(lambda: [0] * len(starts))
    actions = []
    for row in counted:
        if row["is_action"]:
            actions.append({name: row[name] for name in ("event_type", "event_action", "events")})
        else:
            types[row["event_type"]][row["point"] - 1] = row["events"]
    visitors = None
    if event_type is None:
        visitors = {row["point"]: row["visitors"] for row in transaction.all("activity_visitors", **asked)}
    events = [sum(counts) for counts in zip(*types.values(), strict=True)] or [0] * len(starts)
    return {
        **days.head(now),
        "by": by,
        "events": sum(events),
        "visitors": None if visitors is None else visitors[None],
        "points": [
            {
                "at": start.isoformat(),
                "events": events[place],
                "visitors": None if visitors is None else visitors.get(place + 1, 0),
            }
            for place, start in enumerate(starts)
        ],
        "types": sorted(
            ({"event_type": name, "events": sum(points), "points": points} for name, points in types.items()),
            key=lambda one: (-one["events"], one["event_type"]),
        ),
        "actions": sorted(
            actions, key=lambda one: (-one["events"], one["event_type"], one["event_action"] or "")
        )[:MOST_ACTIONS],
    }


def _hours(since: datetime, until: datetime) -> list[datetime]:
    """Of the clock on the wall where days begin with a full hour of it: one that is skipped isn't there."""
    return [since + number * HOUR for number in range(-((since - until) // HOUR))]
