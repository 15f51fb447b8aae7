"""A visitor's feed: what to show, why, and a note of what was shown."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TypedDict

from footfall import ids
from footfall.database import Transaction
from footfall.errors import BadRequestError
from functions.recommend.ranking import FOR_EVERYONE, Ranked, Visitor, rank

# Who scrolls further starts anew.
MAX_POSITION = 10_000


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


def feed(transaction: Transaction, visitor: Visitor, wish: Wish, intent: str, now: datetime) -> Feed:
    """The next page of a feed; its items are noted as shown.

    Raises:
        BadRequestError: the cursor isn't one of this visitor's feeds.
    """
    feed_id, first = _page(transaction, visitor, wish, now)
    ranked = rank(transaction, visitor, now, wish.limit, content_type=wish.content_type, feed_id=feed_id)
    items = [_item(one) for one in ranked]
    _note(transaction, visitor, feed_id, first, ranked, now)
    return {
        "items": items,
        "reasoning": _reasoning(items),
        "intent": intent,
        "strategy": "personal"
        if any(one["strategy"] not in FOR_EVERYONE for one in ranked)
        else "for_everyone",
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
    transaction: Transaction, visitor: Visitor, feed_id: str, first: int, ranked: list[Ranked], now: datetime
) -> None:
    shown = [{key: one[key] for key in ("content_type", "content_id", "strategy")} for one in ranked]
    if shown:
        transaction.run(
            "write_impressions",
            feed_id=feed_id,
            first=first,
            items=json.dumps(shown),
            now=now,
            **asdict(visitor),
        )


def _item(ranked: Ranked) -> Item:
    return {
        "content_id": ranked["external_id"],
        "content_type": ranked["content_type"],
        "title": ranked["title"],
        "url": ranked["url"],
        "score": ranked["score"],
        "strategy": ranked["strategy"],
        "reason": ranked["reason"],
    }


def _reasoning(items: list[Item]) -> str:
    if not items:
        return "There is nothing to show that you haven't seen"
    personal = sum(item["strategy"] not in FOR_EVERYONE for item in items)
    if personal == 0:
        return "Rising and new for everyone: nothing here rests on what you did"
    return f"{personal} of {len(items)} rest on what you viewed and like; the others are rising or new"
