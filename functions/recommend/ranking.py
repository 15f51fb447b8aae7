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
# What an item is shown for, by its strongest signal.
STRATEGIES = {
    **{f"trend_{hours}": "trending" for hours in signals.HALF_LIVES},
    f"trend_{signals.HALF_LIVES[-1]}": "popular",
    "newest": "newest",
    "next": "next",
    "before": "related",
    "alike": "similar",
    "live": "next",
    "type": "preferred_type",
    "attribute": "attribute",
    "author": "author",
}
PERSONAL = frozenset({"next", "related", "similar", "preferred_type", "attribute", "author"})


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
    gains = row["gains"]
    return STRATEGIES[signals.SIGNALS[max(range(len(gains)), key=gains.__getitem__)]]


def _reason(row: Mapping[str, Any], strategy: str) -> str:
    kind = row["content_type"]
    seed = row["seed_title"] or f"{row['seed_type']} {row['seed_id']}"
    people = "1 person" if row["people"] == 1 else f"{row['people']} people"
    return {
        "trending": f"Rising in {kind}: {people} this week",
        "popular": f"Popular in {kind}",
        "newest": f"New in {kind}",
        "next": f"Because you viewed {seed}: others went on to this",
        "related": f"Because you viewed {seed}: others met this before it",
        "similar": f"Because you viewed {seed}: who likes it likes this",
        "preferred_type": f"You like {kind} content",
        "attribute": f"Matches your {' '.join((row['matched'] or '').split(':', 1))}",
        "author": "By an author whose content you like",
    }[strategy]
