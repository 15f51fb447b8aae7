"""Funnel, retention and paths, counted from the raw tables in plain Python; days and weeks are UTC's.

What a server sends without a session counts in funnels alone.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from tests.browser.insights.conftest import Database

END = "(end)"


@dataclass(frozen=True, slots=True)
class Row:
    id: str
    at: datetime
    visitor: str
    session: tuple[str, str | None]
    type: str
    action: str | None
    page: str | None
    content: str | None
    sequence: int


def rows_of(database: Database, first: date, last: date) -> list[Row]:
    """Everybody's but bots', of these days, in order."""
    found = database.execute(
        "SELECT activity.id::text, activity.created_at,"
        " coalesce(activity.user_id, activity.anonymous_id)::text,"
        " coalesce(activity.anonymous_id, activity.user_id)::text, activity.session_id::text, event_type,"
        " event_action, activity.page_path, content_type || '/' || interaction_type,"
        " coalesce(activity.sequence, -1) FROM user_activities AS activity"
        " LEFT JOIN content_interactions AS content ON content.id = activity.id"
        " WHERE NOT activity.is_bot AND activity.created_at >= %s AND activity.created_at < %s",
        [_midnight(first), _midnight(last + timedelta(1))],
    ).fetchall()
    rows = [
        Row(row_id, at, who, (device, session), *rest) for row_id, at, who, device, session, *rest in found
    ]
    return sorted(rows, key=lambda row: (row.at, row.id))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def funnel(rows: Iterable[Row], steps: list[str], within: timedelta) -> list[int]:
    """How many visitors came to each step, from any beginning."""
    journeys: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        journeys[row.visitor].append(row)
    reached = Counter(max(_reached(journey, steps, within)) for journey in journeys.values())
    return [sum(count for far, count in reached.items() if far > step) for step in range(len(steps))]


def _reached(journey: list[Row], steps: list[str], within: timedelta) -> Iterator[int]:
    yield 0
    for begin, row in enumerate(journey):
        if _is(row, steps[0]):
            far = 1
            for later in journey[begin + 1 :]:
                if far < len(steps) and later.at - row.at <= within and _is(later, steps[far]):
                    far += 1
            yield far


def _is(row: Row, step: str) -> bool:
    kind, _, name = step.partition(":")
    viewed = row.page if row.type == "page_view" else None
    return name == {"page": viewed, "action": row.action, "type": row.type, "content": row.content}[kind]


def retention(rows: Iterable[Row]) -> dict[date, list[int]]:
    """By the Monday of the first session: how many came in that week, the next, …"""
    weeks: defaultdict[str, set[date]] = defaultdict(set)
    for session in _sessions(rows):
        first = min(session, key=lambda row: (row.at, row.id))
        day = first.at.astimezone(UTC).date()
        weeks[first.visitor].add(day - timedelta(day.weekday()))
    cohorts: defaultdict[date, Counter[int]] = defaultdict(Counter)
    for came in weeks.values():
        cohorts[min(came)].update((week - min(came)).days // 7 for week in came)
    return {monday: [counted[k] for k in range(max(counted) + 1)] for monday, counted in cohorts.items()}


def links(rows: Iterable[Row], first: date, depth: int) -> Counter[tuple[int, str, str]]:
    """What follows what, at which step, within so many steps of sessions that begin on that day or later."""
    counted: Counter[tuple[int, str, str]] = Counter()
    for session in _sessions(rows):
        ordered = sorted(session, key=lambda row: (row.at, row.sequence, row.id))
        if ordered[0].at < _midnight(first):
            continue
        names = [(row.page if row.type == "page_view" else None) or row.action or row.type for row in ordered]
        for step, (one, other) in enumerate(pairwise([*names, END][:depth])):
            counted[step, one, other] += 1
    return counted


def _sessions(rows: Iterable[Row]) -> Iterable[list[Row]]:
    grouped: defaultdict[tuple[str, str | None], list[Row]] = defaultdict(list)
    for row in rows:
        if row.session[1] is not None:
            grouped[row.session].append(row)
    return grouped.values()
