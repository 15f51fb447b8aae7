"""Candidates for one visitor, ranked, each with the strategy that put it there and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypedDict

from footfall import signals
from footfall.database import Row, Transaction

# For so many days nothing that was met is shown again.
SEEN_DAYS = 90
# A client's clock may be ahead by so much, and what it met is met.
AHEAD = timedelta(hours=24)
# How much less each further one of a type weighs: this times the logarithm of its place among them.
DIVERSITY = 0.2
# What an item is shown for, by its strongest signal; that its type is liked is said beside it.
STRATEGIES = {
    **{f"trend_{hours}": "trending" for hours in signals.HALF_LIVES},
    f"trend_{signals.HALF_LIVES[-1]}": "popular",
    "newest": "newest",
    "next": "next",
    "before": "related",
    "alike": "similar",
    "live": "next",
    "attribute": "attribute",
    "author": "author",
}
# From this share of the visitor's latest on a type is liked.
LIKED = 0.25
IN_PREFERRED = "_in_preferred"
FOR_EVERYONE = frozenset({"trending", "popular", "newest"})


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whom a feed is for: a user, or an anonymous id that is nobody's."""

    user_id: str | None = None
    anonymous_id: str | None = None


class Ranked(TypedDict):
    content_type: str
    content_id: str
    external_id: str
    title: str | None
    url: str | None
    score: float
    strategy: str
    reason: str


def rank(transaction: Transaction, visitor: Visitor, now: datetime, limit: int, **asked: Any) -> list[Ranked]:
    """The best first; see `parameters`."""
    return [_ranked(row) for row in rows(transaction, parameters(visitor, now, limit, **asked))]


def rows(transaction: Transaction, asked: Mapping[str, Any]) -> list[Row]:
    transaction.run("plan_once")
    return transaction.all("rank", **asked)


def parameters(
    visitor: Visitor,
    now: datetime,
    limit: int,
    *,
    content_type: str | None = None,
    feed_id: str | None = None,
    seen_days: int = SEEN_DAYS,
    ahead: timedelta = AHEAD,
    is_personal: bool = True,
) -> dict[str, Any]:
    """Of the query: `feed_id` names a feed none of whose items is shown again.

    Args:
        is_personal: else the visitor only hides what they met, are the author of, or don't want.
    """
    return {
        "user_id": visitor.user_id,
        "anonymous_id": visitor.anonymous_id,
        "now": now,
        "limit": limit,
        "content_type": content_type,
        "feed_id": feed_id,
        "seen_days": seen_days,
        "until": now + ahead,
        "is_personal": is_personal,
        "seeds": signals.SEEDS,
        "next_fades": signals.NEXT_FADES,
        "alike_fades": signals.ALIKE_FADES,
        "live_fades": signals.LIVE_FADES,
        "live_seeds": signals.LIVE_SEEDS,
        "live_visitors": signals.LIVE_VISITORS,
        "live_next": signals.LIVE_NEXT,
        "weights": list(signals.PRIOR),
        "methods": list(signals.SIGNALS),
        "floor": signals.FLOOR,
        "diversity": DIVERSITY,
    }


def _ranked(row: Mapping[str, Any]) -> Ranked:
    strategy = strategy_of(row)
    return {
        "content_type": row["content_type"],
        "content_id": str(row["content_id"]),
        "external_id": row["external_id"],
        "title": row["title"],
        "url": row["url"],
        "score": row["score"],
        "strategy": strategy,
        "reason": _reason(row, strategy),
    }


def strategy_of(row: Mapping[str, Any]) -> str:
    """By what weighed most."""
    gains: dict[str, float] = dict.fromkeys(STRATEGIES.values(), 0.0)
    for signal, gain in zip(signals.SIGNALS, row["gains"], strict=True):
        if signal in STRATEGIES:
            gains[STRATEGIES[signal]] += gain
    strategy = max(gains, key=gains.__getitem__)
    return strategy + IN_PREFERRED if strategy in FOR_EVERYONE and row["liking"] >= LIKED else strategy


def _reason(row: Mapping[str, Any], strategy: str) -> str:
    kind = row["content_type"]
    seed = row["seed_title"] or f"{row['seed_type']} {row['seed_id']}"
    people = "1 person" if row["people"] == 1 else f"{row['people']} people"
    reason = {
        "trending": f"Rising in {kind}: {people} this week",
        "popular": f"Popular in {kind}",
        "newest": f"New in {kind}",
        "next": f"Because you viewed {seed}: others went on to this",
        "related": f"Because you viewed {seed}: others came from this",
        "similar": f"Because you viewed {seed}: who viewed it viewed this",
        "attribute": f"Matches your {(row['matched'] or '').replace(':', ': ', 1)}",
        "author": "By an author whose content you like",
    }[strategy.removesuffix(IN_PREFERRED)]
    return f"{reason}, and you like {kind} content" if strategy.endswith(IN_PREFERRED) else reason
