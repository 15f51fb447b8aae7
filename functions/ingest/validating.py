"""From one event as a client sent it to the record that is queued.

Every error names the field and what was expected. Text too long for its column is cut, and the field's name
kept in `metadata._truncated`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from footfall import ids
from footfall.events import Record
from footfall.ids import Kind
from functions.ingest.showing import kind_of, shown
from functions.ingest.speaking import Speaker

MAX_INTEGER = 2_147_483_647
# A clock that is off by less is left alone: that is the network's doing, and events must keep their order.
CLOCK_TOLERANCE = timedelta(minutes=5)
BROWSER_PAST = timedelta(days=31)
FUTURE = timedelta(hours=24)


class InvalidEventError(ValueError):
    """One event can't be taken; the message begins with the field's name."""


@dataclass(slots=True)
class Reception:
    """What holds for all events of a request.

    `correction` is what to add to the client's times; zero unless its clock is off by more than five minutes.
    In steps of five minutes: the time on the way is part of what a clock seems off by, and would put an
    event of a quick request before one of a slow request that happened earlier. Two requests of a clock that
    is off by a step and a half may be corrected by one and by two, as neither knows of the other; their order
    is that of what the client said, which is kept.
    """

    speaker: Speaker
    received_at: datetime
    earliest: datetime
    sent_at: datetime | None = None
    # Why there is none, where one was said.
    ignored: str | None = None
    # What the id is made of where an event is validated again that came without.
    seed: str | None = None
    correction: timedelta = field(default=timedelta(), init=False)

    def __post_init__(self) -> None:
        off = timedelta() if self.sent_at is None else self.received_at - self.sent_at
        if abs(off) > CLOCK_TOLERANCE:
            self.correction = CLOCK_TOLERANCE * round(off / CLOCK_TOLERANCE)

    def new_id(self) -> str:
        """For an event that came without."""
        if self.seed is not None:
            return ids.to_uuid("event", f"replayed {self.seed}")
        return ids.uuid7(int(self.received_at.timestamp() * 1000))


def to_record(event: Any, reception: Reception) -> Record:
    """The record of a valid event.

    Raises:
        InvalidEventError: says which field is wrong, and why.
    """
    if not isinstance(event, dict):
        raise InvalidEventError(f"must be an object, not {kind_of(event)}")
    kind = "activity" if event.get("type") is None else event["type"]
    build = _BUILDERS.get(kind) if isinstance(kind, str) else None
    if build is None:
        raise InvalidEventError(f"type: must be one of {', '.join(_BUILDERS)}, not {shown(kind)}")
    reader = _Reader(event, reception)
    reader.put("kind", kind)
    reader.common()
    build(reader)
    return reader.finish()


class _Reader:
    """Takes fields from an event into a record, checking each."""

    def __init__(self, event: Mapping[str, Any], reception: Reception) -> None:
        self.event = event
        self.reception = reception
        self.record: dict[str, Any] = {}
        self.names: dict[str, str] = {}
        self.truncated: list[str] = []

    def finish(self) -> Record:
        if self.truncated:
            self.record.setdefault("metadata", {})["_truncated"] = self.truncated
        if self.names:
            self.record["names"] = self.names
        return cast("Record", self.record)

    def put(self, name: str, value: Any) -> None:
        if value is not None:
            self.record[name] = value

    def common(self) -> None:
        """The fields that every event may have, and those who it speaks of."""
        self.identifier("id", "event")
        if "id" not in self.record:
            self.put("id", self.reception.new_id())
        self.identifier("anonymous_id", "anonymous")
        self.identifier("session_id", "session")
        self.user()
        self.times()
        self.integer("sequence")
        self.text("time_zone", 64)
        self.text("page_path", 255)
        self.text("referrer", 255)
        self.metadata()

    def user(self) -> None:
        """A verified user, or the one that a server names; what a page claims is not believed."""
        speaker = self.reception.speaker
        if speaker.kind == "server":
            self.identifier("user_id", "user")
        elif speaker.user is not None:
            self.name("user_id", "user", speaker.user)
            self.put("verified", True)

    def sent(self) -> None:
        sent_at = self.reception.sent_at
        self.put("sent_at", sent_at and sent_at.isoformat())

    def somebody(self) -> None:
        if "user_id" not in self.record and "anonymous_id" not in self.record:
            needs = "user_id or anonymous_id" if self.reception.speaker.kind == "server" else "anonymous_id"
            raise InvalidEventError(f"{needs}: is required")

    def identifier(self, field: str, kind: Kind, required: bool = False) -> None:
        value = self.event.get(field)
        if value is None:
            if required:
                raise InvalidEventError(f"{field}: is required")
            return
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            raise InvalidEventError(f"{field}: must be text, not {kind_of(value)}")
        if kind in _DISPENSABLE and ids.is_junk(value):
            return
        if _would_merge_strangers(kind, value):
            raise InvalidEventError(f"{field}: {shown(value)} is no id")
        if not value or len(value) > ids.MAX_LENGTH:
            raise InvalidEventError(f"{field}: must have 1 to {ids.MAX_LENGTH} characters, not {len(value)}")
        self.name(field, kind, value)

    def name(self, field: str, kind: Kind, value: str) -> None:
        self.record[field] = ids.to_uuid(kind, value)
        # The spelling of a UUID is not kept, or one page could change it for all who share the id.
        if not ids.is_kept(kind, value):
            self.names[field] = value

    def times(self) -> None:
        reception = self.reception
        said = self.time("created_at")
        if said is None:
            self.put("created_at", reception.received_at.isoformat())
            return
        created = within(said, reception)
        self.put("created_at", created.isoformat())
        if created != said:
            self.put("client_created_at", said.isoformat())

    def time(self, field: str) -> datetime | None:
        value = self.event.get(field)
        return None if value is None else parse_time(value, field)

    def text(self, field: str, most: int, required: bool = False) -> None:
        value = self.event.get(field)
        if value is None or value == "":
            if required:
                raise InvalidEventError(f"{field}: is required")
            return
        if not isinstance(value, str):
            raise InvalidEventError(f"{field}: must be text, not {kind_of(value)}")
        if len(value) > most:
            self.truncated.append(field)
            value = value[:most]
        self.record[field] = value

    def integer(self, field: str) -> None:
        value = self.event.get(field)
        if value is None:
            return
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise InvalidEventError(f"{field}: must be a number, not {kind_of(value)}")
        if value < 0:
            raise InvalidEventError(f"{field}: must not be negative")
        self.record[field] = int(min(value, MAX_INTEGER))

    def mapping(self, field: str) -> dict[str, Any] | None:
        value = self.event.get(field)
        if value is not None and not isinstance(value, dict):
            raise InvalidEventError(f"{field}: must be an object, not {kind_of(value)}")
        return value

    def metadata(self) -> None:
        metadata = self.mapping("metadata")
        context = self.mapping("context")
        if context and self.reception.speaker.kind == "server":
            context, device = without_device(context)
            self.record |= device
        if context:
            metadata = {**(metadata or {}), "context": context}
        if metadata:
            self.put("metadata", dict(metadata))


def without_device(context: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """A server speaks of somebody else's device: the rest of the context, and what it says of that."""
    rest = dict(context)
    device = {field: rest.pop(field, None) for field in _DEVICE}
    return rest, {
        field: value[: _DEVICE[field]] for field, value in device.items() if isinstance(value, str) and value
    }


def parse_time(value: object, field: str) -> datetime:
    """A time in UTC.

    Raises:
        InvalidEventError: not RFC 3339, or without an offset.
    """
    if not isinstance(value, str):
        raise InvalidEventError(f"{field}: must be an RFC 3339 time, not {kind_of(value)}")
    try:
        moment = datetime.fromisoformat(value.upper())
    except ValueError:
        raise InvalidEventError(f"{field}: must be an RFC 3339 time, not {shown(value)}") from None
    if moment.tzinfo is None:
        raise InvalidEventError(f"{field}: {shown(value)} has no offset (end it with Z for UTC)")
    if moment.tzinfo is UTC:
        return moment
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        # The calendar's first and last hours may lie outside it in UTC; so far away, hours don't matter.
        return moment.replace(tzinfo=UTC)


def within(said: datetime, reception: Reception) -> datetime:
    """The time by our clock, in the range that is taken."""
    if not reception.correction and reception.earliest <= said <= reception.received_at + FUTURE:
        return said
    # Differences reach farther than dates, so nothing overflows near the ends of the calendar.
    ahead = said - reception.received_at + reception.correction
    return reception.received_at + min(max(ahead, reception.earliest - reception.received_at), FUTURE)


def _activity(reader: _Reader) -> None:
    reader.somebody()
    reader.sent()
    reader.text("event_type", 100, required=True)
    reader.text("event_category", 50)
    reader.text("event_action", 100)


def _interaction(reader: _Reader) -> None:
    reader.somebody()
    reader.sent()
    reader.text("content_type", 50, required=True)
    reader.identifier("content_id", "content", required=True)
    reader.text("interaction_type", 50, required=True)
    reader.integer("duration_seconds")
    reader.identifier("feed_id", "feed")
    reader.integer("position")
    record = reader.record
    record["event_type"], record["event_category"], record["event_action"] = interaction_words(
        record["interaction_type"], record["content_type"]
    )


def interaction_words(interaction_type: str, content_type: str) -> tuple[str, str, str]:
    """Type, category and action of the activity that an interaction is as well."""
    return "content_interaction", "content", f"{interaction_type}_{content_type}"[:100]


def _identify(reader: _Reader) -> None:
    reader.somebody()
    reader.put("traits", checked_traits(reader.mapping("traits") or {}))


def checked_traits(traits: Mapping[str, Any]) -> dict[str, Any]:
    """Without nulls, and with the time of signing up in UTC.

    Raises:
        InvalidEventError: one of those that Footfall reads is wrong.
    """
    kept = {key: value for key, value in traits.items() if value is not None}
    completeness = kept.get("profile_completeness")
    if completeness is not None and not is_percentage(completeness):
        raise InvalidEventError(
            f"traits.profile_completeness: must be a number from 0 to 100, not {shown(completeness)}"
        )
    if "created_at" in kept:
        kept["created_at"] = parse_time(kept["created_at"], "traits.created_at").isoformat()
    return kept


def _alias(reader: _Reader) -> None:
    """A server vouches that an anonymous id is a user's, as the user's own token would."""
    if reader.reception.speaker.kind != "server":
        raise InvalidEventError("type: 'alias' needs the server key")
    reader.identifier("user_id", "user", required=True)
    reader.identifier("anonymous_id", "anonymous", required=True)
    reader.put("kind", "identify")
    reader.put("verified", True)


def _unlink(reader: _Reader) -> None:
    """A server undoes such a tie."""
    if reader.reception.speaker.kind != "server":
        raise InvalidEventError("type: 'unlink' needs the server key")
    reader.identifier("user_id", "user", required=True)
    reader.identifier("anonymous_id", "anonymous", required=True)


def _content(reader: _Reader) -> None:
    if reader.reception.speaker.kind != "server":
        raise InvalidEventError("type: 'content' needs the server key")
    reader.text("content_type", 50, required=True)
    reader.identifier("content_id", "content", required=True)
    reader.text("title", 1000)
    reader.text("url", 2000)
    reader.identifier("author_id", "user")
    reader.put("attributes", reader.mapping("attributes"))
    published = reader.time("published_at")
    reader.put("published_at", published and published.isoformat())
    available = reader.event.get("available", True)
    if not isinstance(available, bool):
        raise InvalidEventError(f"available: must be true or false, not {kind_of(available)}")
    reader.put("available", available)


def is_percentage(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 100


def _would_merge_strangers(kind: Kind, value: str) -> bool:
    # Rows may be counted from 0, people aren't.
    return ids.is_junk(value) and (kind in _PERSONAL or (kind == "event" and value != "0"))


_BUILDERS: Mapping[str, Callable[[_Reader], None]] = {
    "activity": _activity,
    "interaction": _interaction,
    "identify": _identify,
    "alias": _alias,
    "unlink": _unlink,
    "content": _content,
}
_PERSONAL = frozenset({"user", "anonymous"})
# An event is worth as much without them.
_DISPENSABLE = frozenset({"session", "feed"})
_DEVICE = {"user_agent": 1000, "ip": 45, "country": 100, "city": 100}
