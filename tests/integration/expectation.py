"""What the tables should say, reckoned in Python from the events alone: a second opinion on the SQL."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tests.integration.sessionizing import sessions_of

Record = dict[str, Any]

STORED = ("activity", "interaction")
KNOWN_ZONES = ("Europe/Berlin", "Asia/Tokyo")


@dataclass(frozen=True)
class Event:
    """A record with its times as times, and with the user whom it counts for in the end."""

    record: Record
    created_at: datetime
    received_at: datetime
    user: str | None
    is_linked: bool

    @property
    def id(self) -> str:
        return str(self.record["id"])

    @property
    def order(self) -> tuple[datetime, str]:
        return self.created_at, self.id

    @property
    def is_stored(self) -> bool:
        return self.record["kind"] in STORED

    @property
    def is_page_view(self) -> bool:
        return bool(self.record["event_type"] == "page_view")

    @property
    def visitor(self) -> str:
        return str(self.record.get("anonymous_id") or self.record["user_id"])


def events_of(records: Iterable[Record]) -> list[Event]:
    """Each event once, with its user; without those that the database has no month for."""
    once = {record["id"]: record for record in records if record["kind"] != "rejected"}
    stored = [record for record in once.values() if record["created_at"] > "2000"]
    said: dict[str, list[Record]] = defaultdict(list)
    for record in stored:
        if (record["kind"] == "identify" and record.get("verified")) or record["kind"] == "unlink":
            said[record.get("anonymous_id", "")].append(record)
    return [_owned(record, said.get(record.get("anonymous_id", "nobody"), [])) for record in stored]


def _owned(record: Record, said: Sequence[Record]) -> Event:
    user, is_linked, received_at = record.get("user_id"), False, _time(record["received_at"])
    verified = _times(said, "identify", min)
    latest, unlinked = _times(said, "identify", max), _times(said, "unlink", max)
    ranked = sorted((at, claimant) for claimant, at in verified.items())
    tied = [claim for claim in ranked if claim[1] not in unlinked or latest[claim[1]] > unlinked[claim[1]]]
    if user is None and ranked and ranked[0] in tied and (len(tied) == 1 or received_at < tied[1][0]):
        user, is_linked = ranked[0][1], True
    return Event(record, _time(record["created_at"]), received_at, user, is_linked)


def _times(
    said: Sequence[Record], kind: str, which: Callable[[Iterable[datetime]], datetime]
) -> dict[str, datetime]:
    times: dict[str, list[datetime]] = defaultdict(list)
    for record in said:
        if record["kind"] == kind:
            times[record["user_id"]].append(_time(record["received_at"]))
    return {user: which(found) for user, found in times.items()}


def activities(events: Iterable[Event], kinds: Sequence[str] = STORED) -> set[tuple[Any, ...]]:
    """Whose each is, and of which session."""
    placed = [(event, session) for event, session in _placed(events) if event.record["kind"] in kinds]
    return {(event.id, event.user, event.is_linked, session) for event, session in placed}


def _placed(events: Iterable[Event]) -> list[tuple[Event, str | None]]:
    stored = [event for event in events if event.is_stored]
    sessions = sessions_of(event.record for event in stored)
    return [(event, sessions[event.id]) for event in stored]


def sessions(events: Iterable[Event]) -> dict[tuple[str, ...], Record]:
    """By visitor and id."""
    visits: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event, session in _placed(events):
        if session:
            visits[event.visitor, session].append(event)
    return {key: _session(sorted(visit, key=lambda event: event.order)) for key, visit in visits.items()}


def _session(visit: Sequence[Event]) -> Record:
    first, views = visit[0], [event for event in visit if event.is_page_view]
    owned = [(event.received_at, not event.is_linked, event.user) for event in visit if event.user]
    _, is_named, user = min(owned, default=(None, True, None))
    lasted = visit[-1].created_at - first.created_at
    return {
        "user_id": user,
        "is_linked": not is_named,
        "started_at": first.created_at,
        "ended_at": visit[-1].created_at,
        "duration_seconds": _rounded(lasted),
        "page_views": len(views),
        "actions_count": len(visit) - len(views),
        "bounce": len(visit) == len(views) == 1 and lasted < timedelta(seconds=10),
        "landing_page": views[0].record["page_path"] if views else None,
        "exit_page": views[-1].record["page_path"] if views else None,
        "is_bot": any(event.record["is_bot"] for event in visit),
        **{column: first.record[column] for column in ("device_type", "browser", "os")},
    }


def live_counts(events: Iterable[Event]) -> Counter[tuple[datetime, str, bool]]:
    return Counter(
        (
            event.created_at.replace(second=0, microsecond=0),
            event.record["event_type"],
            event.record["is_bot"],
        )
        for event in events
        if event.is_stored
    )


def profiles(events: Iterable[Event]) -> dict[tuple[str, ...], Record]:
    """By user. An identify without a user's own name says nothing of the user whom its visitor belongs to."""
    seen: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        told = event.is_stored or (event.record["kind"] == "identify" and not event.is_linked)
        if event.user and told:
            seen[event.user].append(event)
    return {(user,): _profile(sorted(theirs, key=lambda event: event.order)) for user, theirs in seen.items()}


def _profile(seen: Sequence[Event]) -> Record:
    own = [event for event in seen if event.record["kind"] == "identify"]
    zones = [zone for event in seen if (zone := event.record.get("time_zone")) in KNOWN_ZONES]
    signed_up = [at for event in own if (at := event.record["traits"].get("created_at"))]
    complete = [part for event in own if (part := event.record["traits"].get("profile_completeness"))]
    return {
        "created_at": _time(signed_up[-1]) if signed_up else seen[0].created_at,
        "profile_completeness": complete[-1] if complete else None,
        "first_seen_at": seen[0].created_at,
        "last_seen_at": seen[-1].created_at,
        "activity_count": sum(event.is_stored and not event.record["is_bot"] for event in seen),
        "time_zone": zones[-1] if zones else None,
    }


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _rounded(lasted: timedelta) -> int:
    seconds = Decimal(lasted // timedelta(microseconds=1)) / 1_000_000
    return int(seconds.quantize(Decimal(1), ROUND_HALF_UP))
