"""A user's feed: what to show, why, and a note of what was shown."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict

from footfall import ids
from footfall.database import Row, Transaction
from footfall.errors import BadRequestError
from functions.recommend.experiment import OFF, POOL, Arm, Experiment, Placed, arm_of, place

# Who scrolls further starts anew.
MAX_POSITION = 10_000

EXPLORATION = "exploration"
BY_CHANCE = "Picked at random, to find out whether you like it"
HELD_OUT = (
    "Popular and new for everyone: a few visitors, you among them, see no personal feed, to measure its worth"
)


class Item(TypedDict):
    content_id: str
    content_type: str
    title: str | None
    url: str | None
    score: float
    strategy: str
    reason: str


class Feed(TypedDict):
    items: list[Item]
    reasoning: str
    intent: str
    strategy: str
    feed_id: str
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for: how many items, of which type (None: any), and after which page."""

    limit: int
    content_type: str | None = None
    cursor: str | None = None


def feed(
    transaction: Transaction,
    user_id: str,
    wish: Wish,
    intent: str,
    now: datetime,
    experiment: Experiment = OFF,
) -> Feed:
    """The next page of a feed; its items are noted as shown.

    Raises:
        BadRequestError: the cursor isn't one of this user's feeds.
    """
    feed_id, first = _page(transaction, user_id, wish, now)
    arm = arm_of(transaction, user_id, experiment, now)
    is_held_out = arm == "holdout"
    exploration = 0.0 if is_held_out else experiment.exploration
    liked = [] if is_held_out else transaction.all("liked_types", user_id=user_id)
    rows = transaction.all(
        "feed",
        user_id=user_id,
        now=now,
        limit=wish.limit + (POOL if exploration else 0),
        content_type=wish.content_type,
        feed_id=feed_id,
        liked_types=[one["content_type"] for one in liked],
        liked_scores=[one["score"] for one in liked],
    )
    placed = place(rows, wish.limit, exploration, feed_id, first)
    items = [_item(one) for one in placed]
    _note(transaction, user_id, feed_id, first, placed, arm, now)
    return {
        "items": items,
        "reasoning": HELD_OUT
        if is_held_out and items
        else _reasoning(items, [one["content_type"] for one in liked]),
        "intent": intent,
        "strategy": "holdout" if is_held_out else "preferred_types" if liked else "cold_start",
        "feed_id": feed_id,
        "cursor": feed_id if len(items) == wish.limit else None,
    }


def _page(transaction: Transaction, user_id: str, wish: Wish, now: datetime) -> tuple[str, int]:
    if wish.cursor is None:
        return ids.uuid7(int(now.timestamp() * 1000)), 0
    if not ids.is_uuid(wish.cursor):
        raise BadRequestError("cursor: isn't one that a feed gave")
    feed_id = wish.cursor.lower()
    # In a statement of its own: only a later one sees what the request that was waited for has noted.
    transaction.run("lock_feed", feed_id=feed_id)
    shown = (transaction.one("shown_before", feed_id=feed_id, user_id=user_id) or {}).get("items", 0)
    if not shown or shown > MAX_POSITION:
        raise BadRequestError("cursor: isn't one of this user's feeds")
    return feed_id, shown


def _note(
    transaction: Transaction,
    user_id: str,
    feed_id: str,
    first: int,
    placed: list[Placed[Row]],
    arm: Arm,
    now: datetime,
) -> None:
    shown = [
        {
            "content_type": one.item["content_type"],
            "content_id": str(one.item["content_id"]),
            "strategy": EXPLORATION if one.is_explored else strategy_of(one.item),
            "propensity": one.propensity,
        }
        for one in placed
    ]
    if shown:
        transaction.run(
            "write_impressions",
            feed_id=feed_id,
            first=first,
            user_id=user_id,
            items=json.dumps(shown),
            arm=arm,
            now=now,
        )


def strategy_of(row: Mapping[str, Any]) -> str:
    """What put an item there: trending or newest, in a preferred type or in any."""
    kind = "trending" if row["is_trending"] else "newest"
    return f"{kind}_in_preferred" if row["is_preferred"] else kind


def _item(placed: Placed[Row]) -> Item:
    row = placed.item
    return {
        "content_id": row["external_id"],
        "content_type": row["content_type"],
        "title": row["title"],
        "url": row["url"],
        "score": row["score"],
        "strategy": EXPLORATION if placed.is_explored else strategy_of(row),
        "reason": BY_CHANCE if placed.is_explored else _reason(row),
    }


def _reason(row: Mapping[str, Any]) -> str:
    kind = row["content_type"]
    liked = f", and you like {kind} content" if row["is_preferred"] else ""
    if not row["is_trending"]:
        return f"New in {kind}{liked}"
    people = "1 person" if row["people"] == 1 else f"{row['people']} people"
    return f"Trending in {kind}: {people} this week{liked}"


def _reasoning(items: list[Item], liked: list[str]) -> str:
    if not items:
        return "There is nothing to show that you haven't seen"
    shown = {item["content_type"] for item in items}
    if reasons := [kind for kind in liked if kind in shown]:
        return f"Based on your {' and '.join(reasons)} activity"
    if liked:
        return "Popular and new for everyone: nothing of what you like is left for this page"
    return "Popular and new for everyone: we don't know yet what you like"
