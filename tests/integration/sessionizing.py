"""Which session each event is of, reckoned in plain Python from all of them at once."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from typing import Any
from uuid import UUID

from tests.integration.deliveries import Record, speaker_of

Event = tuple[datetime, str]


def sessions_of(records: Iterable[Record]) -> dict[str, str | None]:
    """By event: its own, one that is made, or none where a server said none."""
    placed: dict[str, str | None] = {}
    made: dict[tuple[str, bool], list[Event]] = defaultdict(list)
    for record in {record["id"]: record for record in records}.values():
        placed[record["id"]] = record.get("session_id")
        if "session_id" not in record and speaker_of(record) != "server":
            device = record.get("anonymous_id") or record["user_id"]
            made[device, "anonymous_id" not in record].append((_time(record), record["id"]))
    for (device, is_user), events in made.items():
        for visit in _visits(sorted(events)):
            placed |= dict.fromkeys([event for _, event in visit], _id(device, is_user, visit[0][1]))
    return placed


def _visits(events: Sequence[Event]) -> Iterator[list[Event]]:
    """Half an hour apart, and cut by days where they are a day long."""
    for visit in _split(events, lambda before, after: after - before >= timedelta(minutes=30)):
        if visit[-1][0] - visit[0][0] >= timedelta(days=1):
            yield from _split(visit, lambda before, after: after.date() != before.date())
        else:
            yield visit


def _split(events: Sequence[Event], between: Callable[[datetime, datetime], bool]) -> list[list[Event]]:
    parts = [[events[0]]]
    for before, after in pairwise(events):
        if between(before[0], after[0]):
            parts.append([])
        parts[-1].append(after)
    return parts


def _id(device: str, is_user: bool, first: str) -> str:
    """RFC 9562, version 8: half a hash, with the version and the variant in place."""
    hashed = sha256(UUID(device).bytes + bytes([is_user]) + UUID(first).bytes).hexdigest()
    return str(UUID(f"{hashed[:12]}8{hashed[13:16]}8{hashed[17:32]}"))


def _time(record: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(record["created_at"]).astimezone(UTC)
