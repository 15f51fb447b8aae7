"""What a batch of bundles changes, as lines for COPY and as rows."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from footfall.bundles import NULL, Bundle
from footfall.events import Message

# A line begins with the time, 32 characters, and the id.
_TIME, _TIME_AND_ID = 32, 69
_KINDS = {
    "id": "event",
    "user_id": "user",
    "anonymous_id": "anonymous",
    "session_id": "session",
    "content_id": "content",
    "feed_id": "feed",
}


class Ready:
    """A bundle with what the consumer knows of it: its device and place are cells of a line.

    A moment is the beginning of a line: when an event happened and its id.
    """

    __slots__ = ("bundle", "device", "ids", "is_bot", "message", "moments", "received_at")

    def __init__(self, bundle: Bundle, message: Message, is_bot: bool, device: str) -> None:
        self.bundle = bundle
        self.message = message
        self.received_at = message["received_at"]
        self.is_bot = is_bot
        self.device = device
        self.moments = [line[:_TIME_AND_ID] for line in bundle.activities.split("\n")[:-1]]
        self.ids = [moment[_TIME + 1 :] for moment in self.moments]

    def cells(self, said: tuple[int, str] | None) -> str | None:
        """What a line says, after its moment."""
        return None if said is None else f"{self.moments[said[0]]}\t{said[1]}"


# Whose an anonymous id is, and since when it is shared.
Owner = tuple[str | None, datetime | None]


class Changes:
    """What a batch changes."""

    def __init__(self, owners: Mapping[str, Owner]) -> None:
        self._owners = owners
        self._event_ids: list[tuple[str, str]] = []
        self._activities: list[str] = []
        self._interactions: list[str] = []
        self._sessions: dict[tuple[str, bool, str], _Session] = {}
        self._people: dict[str, _Person] = {}
        self._counts: dict[tuple[str, str, bool], int] = {}
        self._names: dict[str, tuple[str, str]] = {}

    def add(self, ready: Ready) -> None:
        bundle = ready.bundle
        user, is_linked = _user_of(ready, self._owners)
        who = (
            f"\t{user or NULL}\t{'t' if is_linked else 'f'}\t{bundle.anonymous_id or NULL}"
            f"\t{bundle.session_id}\t{'t' if ready.is_bot else 'f'}\t{ready.received_at}"
        )
        whole = f"{who}\t{bundle.sent_at or NULL}\t{ready.device}\n"
        self._event_ids += zip(ready.ids, ready.moments, strict=True)
        self._activities.append(bundle.activities.replace("\n", whole))
        if bundle.interactions:
            self._interactions.append(bundle.interactions.replace("\n", f"{who}\n"))
        self._session(ready)
        if user is not None:
            person = self._people.get(user)
            if person is None:
                person = self._people[user] = _Person()
            person.see(ready)
        for minute, kind, count in bundle.counts:
            key = minute, kind, ready.is_bot
            self._counts[key] = self._counts.get(key, 0) + count
        for field, uuid, text in bundle.names:
            self._names[uuid] = _KINDS[field], text

    def _session(self, ready: Ready) -> None:
        bundle = ready.bundle
        is_user = bundle.anonymous_id is None
        key = bundle.anonymous_id or bundle.user_id or "", is_user, bundle.session_id
        known = self._sessions.get(key)
        if known is None:
            self._sessions[key] = _Session(ready)
        else:
            known.merge(_Session(ready))

    @property
    def event_ids(self) -> str:
        """In the order of the ids."""
        return "\n".join([moment for _, moment in sorted(self._event_ids)]) + "\n"

    @property
    def activities(self) -> str:
        return "".join(self._activities)

    @property
    def interactions(self) -> str:
        return "".join(self._interactions)

    @property
    def sessions(self) -> str:
        owners = self._owners
        return "".join(
            f"{session.line(key)}\t{_tie(None if key[1] else owners.get(key[0]))}\n"
            for key, session in self._sessions.items()
        )

    @property
    def people(self) -> list[dict[str, Any]]:
        return [{"id": user, **person.row()} for user, person in self._people.items()]

    @property
    def counts(self) -> list[dict[str, Any]]:
        return [
            {"minute": minute, "event_type": kind, "is_bot": is_bot, "events": count}
            for (minute, kind, is_bot), count in self._counts.items()
        ]

    @property
    def names(self) -> list[dict[str, str]]:
        return [{"id": uuid, "kind": kind, "external_id": text} for uuid, (kind, text) in self._names.items()]


def _user_of(ready: Ready, owners: Mapping[str, Owner]) -> tuple[str | None, bool]:
    """Whose the events are, and whether by a tie."""
    bundle = ready.bundle
    if bundle.user_id is not None:
        return bundle.user_id, False
    user, shared_at = owners.get(bundle.anonymous_id or "", (None, None))
    if user is None or (shared_at is not None and datetime.fromisoformat(ready.received_at) >= shared_at):
        return None, False
    return user, True


def _tie(owner: Owner | None) -> str:
    user, shared_at = owner or (None, None)
    return f"{user or NULL}\t{NULL if shared_at is None else shared_at.isoformat()}"


class _Session:
    """What a batch changes of a session; merges the same in any order."""

    __slots__ = (
        "actions",
        "created_at",
        "device",
        "exit",
        "first",
        "identified",
        "is_bot",
        "landing",
        "last",
        "page_views",
        "unnamed_at",
        "updated_at",
    )

    def __init__(self, ready: Ready) -> None:
        bundle = ready.bundle
        self.identified = None if bundle.user_id is None else (ready.received_at, bundle.user_id)
        self.unnamed_at = ready.received_at if bundle.user_id is None else None
        self.first = ready.moments[bundle.first]
        self.device = ready.device
        self.last = ready.moments[bundle.last]
        self.page_views = bundle.page_views
        self.actions = len(ready.moments) - bundle.page_views
        self.landing = ready.cells(bundle.landing)
        self.exit = ready.cells(bundle.exit)
        self.is_bot = ready.is_bot
        self.created_at = self.updated_at = ready.received_at

    def merge(self, other: "_Session") -> None:
        self.identified = _least(self.identified, other.identified)
        self.unnamed_at = _least(self.unnamed_at, other.unnamed_at)
        if other.first < self.first:
            self.first, self.device = other.first, other.device
        self.last = max(self.last, other.last)
        self.page_views += other.page_views
        self.actions += other.actions
        self.landing = _least(self.landing, other.landing)
        self.exit = _greatest(self.exit, other.exit)
        self.is_bot = self.is_bot or other.is_bot
        self.created_at = min(self.created_at, other.created_at)
        self.updated_at = max(self.updated_at, other.updated_at)

    def line(self, key: tuple[str, bool, str]) -> str:
        visitor, is_user, session_id = key
        identified_at, user = self.identified or (NULL, NULL)
        return (
            f"{visitor}\t{'t' if is_user else 'f'}\t{session_id}"
            f"\t{user}\t{identified_at}\t{self.unnamed_at or NULL}"
            f"\t{self.first}\t{self.last[:_TIME]}\t{self.page_views}\t{self.actions}"
            f"\t{self.landing or _NOWHERE}\t{self.exit or _NOWHERE}"
            f"\t{'t' if self.is_bot else 'f'}\t{self.created_at}\t{self.updated_at}\t{self.device}"
        )


class _Person:
    """What a batch changes of a user."""

    __slots__ = ("activities", "engaged", "first", "last", "zone")

    def __init__(self) -> None:
        self.activities = 0
        self.engaged = False
        self.first, self.last = "~", ""
        self.zone: str | None = None

    def see(self, ready: Ready) -> None:
        bundle = ready.bundle
        self.activities += 0 if ready.is_bot else len(ready.moments)
        self.engaged = self.engaged or bool(bundle.interactions)
        self.first = min(self.first, ready.moments[bundle.first])
        self.last = max(self.last, ready.moments[bundle.last])
        self.zone = _greatest(self.zone, ready.cells(bundle.zone))

    def row(self) -> dict[str, Any]:
        set_at, event_id, name = self.zone.split("\t") if self.zone else (None, None, None)
        return {
            "first_at": self.first[:_TIME],
            "last_at": self.last[:_TIME],
            "activities": self.activities,
            "engaged": self.engaged,
            "time_zone": name,
            "time_zone_set_at": set_at,
            "time_zone_event_id": event_id,
        }


_NOWHERE = "\t".join((NULL, NULL, NULL))


def _least(one: Any, other: Any) -> Any:
    return other if one is None or (other is not None and other < one) else one


def _greatest(one: Any, other: Any) -> Any:
    return other if one is None or (other is not None and other > one) else one
