"""How many visitors take some steps, one after the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from footfall.database import Transaction
from footfall.errors import BadRequestError
from footfall.text import UNSTORABLE
from functions.insights.asking import DAYS, WHO, days_of, expect, number, who_of

KINDS = ("page", "action", "type", "content")
FEWEST, MOST = 2, 8
MOST_LETTERS = 300
USUAL_HOURS, MOST_HOURS = 168, 2160


@dataclass(frozen=True, slots=True)
class Step:
    """`pattern` is LIKE's."""

    said: str
    kind: str
    name: str
    pattern: str


def funnel(
    transaction: Transaction, query: Mapping[str, str], said: Sequence[str], now: datetime
) -> dict[str, Any]:
    """The report of the steps `said`.

    Raises:
        BadRequestError: it is asked for in a way that isn't known.
    """
    expect(query, {*DAYS, *WHO, "step", "within_hours"})
    if not FEWEST <= len(said) <= MOST:
        raise BadRequestError(f"step: {FEWEST} to {MOST} are needed, not {len(said)}")
    steps = [step(one) for one in said]
    within = number("within_hours", query, USUAL_HOURS, 1, MOST_HOURS)
    who = who_of(query)
    days = days_of(transaction, query, now)
    transaction.run("give_memory")
    found = {
        row["step"]: row
        for row in transaction.all(
            "funnel",
            since=days.since,
            until=days.until,
            count=len(steps),
            within=timedelta(hours=within),
            kinds=[one.kind for one in steps],
            patterns=[one.pattern for one in steps],
            types=_names(steps, "type"),
            actions=_names(steps, "action"),
            contents=_names(steps, "content"),
            filtered=bool(who.device or who.country),
            pages=[one.pattern for one in steps if one.kind == "page"],
            **who.parameters(),
        )
    }
    visitors = [found[place]["visitors"] if place in found else 0 for place in range(1, len(steps) + 1)]
    before = [None, *(count for count, _ in pairwise(visitors))]
    return {
        **days.head(now),
        "within_hours": within,
        "steps": [
            {
                "step": one.said,
                "visitors": visitors[place],
                "share_of_first": _share(visitors[place], visitors[0]),
                "share_of_previous": None if place == 0 else _share(visitors[place], before[place] or 0),
                "median_seconds_from_previous": found[place + 1]["median_seconds"]
                if place and place + 1 in found
                else None,
            }
            for place, one in enumerate(steps)
        ],
    }


def step(said: str) -> Step:
    """As in page:/projects*, action:sign_up, type:search, content:project/view.

    Raises:
        BadRequestError: it is no such thing.
    """
    kind, _, name = said.partition(":")
    if len(said) > MOST_LETTERS or UNSTORABLE.search(said):
        raise BadRequestError(f"step: {said[:40]!r} is too long, or holds what can't be stored")
    if kind not in KINDS or not name:
        kinds = "page:/path, action:name, type:event_type or content:content_type/interaction_type"
        raise BadRequestError(f"step: must be as in {kinds}, not {said[:40]!r}")
    if kind == "content" and not all(name.partition("/")):
        raise BadRequestError(
            f"step: content needs a type and an interaction, as in content:job/apply, not {said[:40]!r}"
        )
    if kind == "page" and name.endswith("*"):
        return Step(said, kind, name, f"{escaped(name[:-1])}%")
    return Step(said, kind, name, escaped(name))


def escaped(text: str) -> str:
    """For LIKE, where it stands for itself."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _names(steps: Sequence[Step], kind: str) -> list[str]:
    return [one.name for one in steps if one.kind == kind]


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
