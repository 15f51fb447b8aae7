"""A visitor's feed: what to show, why, and a note of what was shown."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TypedDict

from footfall import ids
from footfall.database import Transaction
from footfall.errors import BadRequestError
from functions.recommend.experiment import OFF, POOL, Arm, Experiment, Placed, arm_of, place
from functions.recommend.ranking import FOR_EVERYONE, Ranked, Visitor, rank

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
    visitor: Visitor,
    wish: Wish,
    intent: str,
    now: datetime,
    experiment: Experiment = OFF,
) -> Feed:
    """The next page of a feed; its items are noted as shown.

    Raises:
        BadRequestError: the cursor isn't one of this visitor's feeds.
    """
    feed_id, first = _page(transaction, visitor, wish, now)
    who = visitor.user_id or visitor.anonymous_id or ""
    arm = arm_of(transaction, who, experiment, now, is_user=visitor.user_id is not None)
    is_held_out = arm == "holdout"
    exploration = 0.0 if is_held_out else experiment.exploration
    ranked = rank(
        transaction,
        visitor,
        now,
        wish.limit + (POOL if exploration else 0),
        content_type=wish.content_type,
        feed_id=feed_id,
        is_personal=not is_held_out,
    )
    placed = place(ranked, wish.limit, exploration, feed_id, first)
    items = [_item(one) for one in placed]
    _note(transaction, visitor, feed_id, first, placed, arm, now)
    return {
        "items": items,
        "reasoning": HELD_OUT if is_held_out and items else _reasoning(items),
        "intent": intent,
        "strategy": "holdout" if is_held_out else "personal" if _personal(items) else "for_everyone",
        "feed_id": feed_id,
        "cursor": feed_id if len(items) == wish.limit else None,
    }


def _page(transaction: Transaction, visitor: Visitor, wish: Wish, now: datetime) -> tuple[str, int]:
    if wish.cursor is None:
        return ids.uuid7(int(now.timestamp() * 1000)), 0
    if not ids.is_uuid(wish.cursor):
        raise BadRequestError("cursor: isn't one that a feed gave")
    feed_id = wish.cursor.lower()
    # In a statement of its own: only a later one sees what the request that was waited for has noted.
    transaction.run("lock_feed", feed_id=feed_id)
    said = transaction.one("shown_before", feed_id=feed_id, **asdict(visitor)) or {}
    shown = said.get("items", 0)
    if not shown or shown > MAX_POSITION:
        raise BadRequestError("cursor: isn't one of this visitor's feeds")
    return feed_id, shown


def _note(
    transaction: Transaction,
    visitor: Visitor,
    feed_id: str,
    first: int,
    placed: list[Placed[Ranked]],
    arm: Arm,
    now: datetime,
) -> None:
    shown = [
        {
            "content_type": one.item["content_type"],
            "content_id": one.item["content_id"],
            "strategy": EXPLORATION if one.is_explored else one.item["strategy"],
            "propensity": one.propensity,
        }
        for one in placed
    ]
    if shown:
        transaction.run(
            "write_impressions",
            feed_id=feed_id,
            first=first,
            items=json.dumps(shown),
            arm=arm,
            now=now,
            **asdict(visitor),
        )


def _item(placed: Placed[Ranked]) -> Item:
    ranked = placed.item
    return {
        "content_id": ranked["external_id"],
        "content_type": ranked["content_type"],
        "title": ranked["title"],
        "url": ranked["url"],
        "score": ranked["score"],
        "strategy": EXPLORATION if placed.is_explored else ranked["strategy"],
        "reason": BY_CHANCE if placed.is_explored else ranked["reason"],
    }


def _personal(items: list[Item]) -> int:
    """How many rest on what the visitor did."""
    return sum(item["strategy"] not in {*FOR_EVERYONE, EXPLORATION} for item in items)


def _reasoning(items: list[Item]) -> str:
    if not items:
        return "There is nothing to show that you haven't seen"
    personal = _personal(items)
    if personal == 0:
        return "Rising and new for everyone: nothing here rests on what you did"
    if personal == len(items):
        return "From what you viewed and like"
    is_explored = any(item["strategy"] == EXPLORATION for item in items)
    others = "rising, new or picked at random" if is_explored else "rising or new"
    return f"{personal} of {len(items)} from what you viewed and like; the others are {others}"
