"""How many visitors come back, by their first visit."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from footfall.database import Transaction
from functions.insights.asking import DAYS, WHO, choice, days_of, expect, who_of

LENGTHS = {"week": 7, "day": 1}
DAY = timedelta(days=1)


def retention(transaction: Transaction, query: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """The report, of visitors whose first session began within these days, or in their first's week.

    Raises:
        BadRequestError: it is asked for in a way that isn't known.
    """
    expect(query, {*DAYS, *WHO, "by"})
    by, who = choice("by", query, tuple(LENGTHS)), who_of(query)
    days = days_of(transaction, query, now)
    length = LENGTHS[by]
    transaction.run("give_memory")
    found = transaction.all(
        "retention",
        **who.parameters(),
        since=days.since,
        until=days.until,
        by=by,
        days=length,
        time_zone=days.time_zone,
    )
    cohorts: defaultdict[date, dict[int, int]] = defaultdict(dict)
    for row in found:
        cohorts[row["at"]][row["later"]] = row["visitors"]
    # A period that isn't over would look as if few had come.
    over = min(days.last + DAY, days.today)
    begun = min(days.last, days.today)
    return {
        **days.head(now),
        "by": by,
        "cohorts": [
            {
                "at": f"{first}",
                "visitors": counts[0],
                "returned": [
                    counts.get(later, 0) if first + (later + 1) * length * DAY <= over else None
                    for later in range((begun - first).days // length + 1)
                ],
            }
            for first, counts in sorted(cohorts.items())
        ],
    }
