"""What follows what within sessions."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from footfall.database import Transaction
from functions.insights.asking import DAYS, WHO, days_of, expect, number, text, who_of

# Of more sessions, the latest.
MOST_SESSIONS = 25_000
# At each step; the others are one.
MOST_NAMES = 12
END = "(end)"


def paths(transaction: Transaction, query: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """The report, of sessions that began within these days.

    Raises:
        BadRequestError: it is asked for in a way that isn't known.
    """
    expect(query, {*DAYS, *WHO, "start", "depth"})
    start, depth, who = text("start", query, 255), number("depth", query, 4, 2, 8), who_of(query)
    days = days_of(transaction, query, now)
    transaction.run("give_memory")
    found = transaction.all(
        "path_steps",
        **who.parameters(),
        since=days.since,
        until=days.until,
        start=start,
        depth=depth,
        most=MOST_SESSIONS,
        names=MOST_NAMES,
    )
    nodes: Counter[tuple[int, str]] = Counter()
    links = []
    for row in found:
        step, name, follows, visits = row["step"], row["name"], row["next"], row["visits"]
        nodes[step, name] += visits
        if step + 1 < depth:
            links.append({"step": step, "from": name, "to": follows, "visits": visits})
            if follows == END:
                nodes[step + 1, END] += visits
    return {
        **days.head(now),
        "start": start,
        "depth": depth,
        "sessions": sum(visits for (step, _), visits in nodes.items() if step == 0),
        "is_sample": any(row["looked_at"] == MOST_SESSIONS for row in found),
        "nodes": [
            {"step": step, "name": name, "visits": visits}
            for (step, name), visits in sorted(
                nodes.items(), key=lambda node: (node[0][0], -node[1], node[0][1])
            )
        ],
        "links": links,
    }
