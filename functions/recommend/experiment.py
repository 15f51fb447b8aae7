"""Whose feed is personalized and whose isn't, for good; and the places that are left to chance.

Arms are drawn by a hash of who sees their first feed. Places are drawn by a hash of the feed's own random
id, so whoever has the log can draw again.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Literal, TypeVar

from footfall.database import Transaction

T = TypeVar("T")
Arm = Literal["personal", "holdout", "none"]

# So many of those that would come next may take a place that is left to chance.
POOL = 20


@dataclass(frozen=True, slots=True)
class Experiment:
    """Shares, 0 to 1: of the visitors who are held out, and of the places that are left to chance."""

    holdout: float = 0.0
    exploration: float = 0.0


OFF = Experiment()


@dataclass(frozen=True, slots=True)
class Placed(Generic[T]):
    """`propensity`: how probable it was that this item stood in this place."""

    item: T
    propensity: float
    is_explored: bool


def arm_of(
    transaction: Transaction,
    visitor_id: str,
    experiment: Experiment,
    now: datetime,
    *,
    is_user: bool = True,
    is_kept: bool = True,
) -> Arm:
    """The arm of a visitor, drawn at the first feed and kept.

    A user keeps the arm of whom they were before the login, if that one was shown a feed and the login came
    before the first feed as a user; of several such, the earliest decides. Whoever was shown a feed as a user
    before keeps their own.

    Args:
        is_kept: else it is only what would be drawn now.
    """
    if not experiment.holdout:
        return "none"
    visitor = {"visitor_id": visitor_id, "visitor_is_user": is_user}
    known = transaction.one("assignment", **visitor, now=now)
    if known is None or not known["is_own"]:
        drawn = {
            "arm": draw(visitor_id, experiment.holdout, is_user=is_user),
            "holdout_share": experiment.holdout,
            "unit_id": visitor_id,
            "unit_is_user": is_user,
            "unit_exposed_at": now,
        }
        kept = {name: known[name] for name in drawn} if known else drawn
        if not is_kept:
            return "holdout" if kept["arm"] == "holdout" else "personal"
        transaction.run("assign", **visitor, **kept, now=now)
        # Another request may have been first.
        known = transaction.one("assignment", **visitor, now=now)
    return "holdout" if known and known["arm"] == "holdout" else "personal"


def draw(visitor_id: str, holdout: float, *, is_user: bool = True) -> Arm:
    """The arm of who was never shown a feed."""
    kind = "user" if is_user else "anonymous"
    return "holdout" if _uniform(f"arm of {kind} {visitor_id}") < holdout else "personal"


def place(ranked: Sequence[T], limit: int, exploration: float, feed_id: str, first: int) -> list[Placed[T]]:
    """A page of what was ranked, at most one place left to chance: any of them, for any item of the rest.

    Args:
        ranked: the page and what would come next, so much as may take a place.
        exploration: share of the places; in a page of more than 1 / exploration it is still one.
        first: the page's first position in the feed.
    """
    page, rest = ranked[:limit], ranked[limit:]
    if not rest or not exploration:
        return [Placed(item, 1.0, is_explored=False) for item in page]
    each = min(exploration, 1 / len(page))
    placed = [Placed(item, 1 - each, is_explored=False) for item in page]
    # The whole part says which place, what is behind the point which item; beyond the page, none.
    place, item = divmod(_uniform(f"place in {feed_id} {first}") / each, 1)
    if place < len(page):
        placed[int(place)] = Placed(rest[int(item * len(rest))], each / len(rest), is_explored=True)
    return placed


def _uniform(seed: str) -> float:
    """0 to 1, as random as a hash is."""
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8]) / 2**64
