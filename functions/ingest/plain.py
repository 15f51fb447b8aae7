"""The fast way from events to records, for a batch in which nothing is to be mended, cut or refused.

It makes the records that `validating` would make, or none at all: then that decides, and says what is wrong.
"""

import re
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from footfall import ids
from footfall.ids import Kind
from functions.ingest.validating import (
    MAX_INTEGER,
    Reception,
    checked_traits,
    interaction_words,
    parse_time,
    within,
    without_device,
)

Text50 = Annotated[str, Meta(max_length=50)]
Text64 = Annotated[str, Meta(max_length=64)]
Text100 = Annotated[str, Meta(max_length=100)]
Text255 = Annotated[str, Meta(max_length=255)]
Count = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
Duration = Count | Annotated[float, Meta(ge=0, le=MAX_INTEGER)]
Finite = Annotated[float, Meta(ge=-sys.float_info.max, le=sys.float_info.max)]
# Deeper ones are rare.
Scalar = str | int | Finite | bool | None
Inner = Scalar | list[Scalar] | dict[str, Scalar]
Object = dict[str, Scalar | list[Inner] | dict[str, Inner]]


class Said(msgspec.Struct, gc=False):
    """An event as a client sends it; empty texts count as absent."""

    type: Literal["activity", "interaction", "identify"] = "activity"
    id: str | None = None
    created_at: str | None = None
    anonymous_id: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    sequence: Count | None = None
    time_zone: Text64 | None = None
    page_path: Text255 | None = None
    referrer: Text255 | None = None
    metadata: Object | None = None
    context: Object | None = None
    event_type: Text100 | None = None
    event_category: Text50 | None = None
    event_action: Text100 | None = None
    content_type: Text50 | None = None
    content_id: str | None = None
    interaction_type: Text50 | None = None
    duration_seconds: Duration | None = None
    feed_id: str | None = None
    position: Count | None = None
    traits: Object | None = None


class Kept(msgspec.Struct, gc=False, omit_defaults=True):
    """The `Record` of one."""

    kind: str
    id: str
    created_at: datetime
    names: dict[str, str] | None = None
    client_created_at: datetime | None = None
    sent_at: datetime | None = None
    user_id: str | None = None
    verified: bool | None = None
    anonymous_id: str | None = None
    session_id: str | None = None
    sequence: int | None = None
    time_zone: str | None = None
    page_path: str | None = None
    referrer: str | None = None
    metadata: dict[str, Any] | None = None
    event_type: str | None = None
    event_category: str | None = None
    event_action: str | None = None
    content_type: str | None = None
    content_id: str | None = None
    interaction_type: str | None = None
    duration_seconds: int | None = None
    feed_id: str | None = None
    position: int | None = None
    traits: dict[str, Any] | None = None
    user_agent: str | None = None
    ip: str | None = None
    country: str | None = None
    city: str | None = None


class UnusualError(ValueError):
    """An event has to take the slow way."""


def keep(events: Sequence[Any], reception: Reception) -> list[Kept] | None:
    """The records of all events, or none where one of them is unusual."""
    keeper = _Keeper(reception)
    try:
        return [keeper.keep(event) for event in msgspec.convert(events, list[Said])]
    except ValueError:
        # Also what msgspec raises, and what is wrong with a time.
        return None


class _Keeper:
    """Makes the records of one request."""

    def __init__(self, reception: Reception) -> None:
        self.reception = reception
        self.speaker = reception.speaker
        # Canonical UUIDs; those of visitors and sessions come again with each event.
        self.known: set[str] = set()

    def keep(self, said: Said) -> Kept:
        names: dict[str, str] = {}
        kept = Kept(
            kind=said.type,
            id=self.uuid("id", "event", said.id, names) or self.reception.new_id(),
            created_at=self.reception.received_at,
            anonymous_id=self.uuid("anonymous_id", "anonymous", said.anonymous_id, names),
            session_id=self.uuid("session_id", "session", said.session_id, names),
            sequence=said.sequence,
            time_zone=said.time_zone or None,
            page_path=said.page_path or None,
            referrer=said.referrer or None,
            metadata=said.metadata or None,
        )
        if said.created_at is not None:
            client_created_at = parse_time(said.created_at, "created_at")
            kept.created_at = within(client_created_at, self.reception)
            if kept.created_at != client_created_at:
                kept.client_created_at = client_created_at
        getattr(self, said.type)(said, kept, names)
        self.user(said, kept, names)
        if said.context:
            self.context(said.context, kept)
        if names:
            kept.names = names
        return kept

    def user(self, said: Said, kept: Kept, names: dict[str, str]) -> None:
        if self.speaker.kind == "server":
            kept.user_id = self.uuid("user_id", "user", said.user_id, names)
        elif self.speaker.user is not None:
            kept.user_id = self.uuid("user_id", "user", self.speaker.user, names)
            kept.verified = True
        if kept.anonymous_id is None and kept.user_id is None:
            raise UnusualError

    def context(self, context: dict[str, Any], kept: Kept) -> None:
        if self.speaker.kind == "server":
            context, device = without_device(context)
            for field, value in device.items():
                setattr(kept, field, value)
        if context:
            kept.metadata = {**(kept.metadata or {}), "context": context}

    def activity(self, said: Said, kept: Kept, _: dict[str, str]) -> None:
        if not said.event_type:
            raise UnusualError
        kept.sent_at = self.reception.sent_at
        kept.event_type = said.event_type
        kept.event_category = said.event_category or None
        kept.event_action = said.event_action or None

    def interaction(self, said: Said, kept: Kept, names: dict[str, str]) -> None:
        if not (said.content_type and said.content_id and said.interaction_type):
            raise UnusualError
        kept.sent_at = self.reception.sent_at
        kept.event_type, kept.event_category, kept.event_action = interaction_words(
            said.interaction_type, said.content_type
        )
        kept.content_type = said.content_type
        kept.content_id = self.uuid("content_id", "content", said.content_id, names)
        kept.interaction_type = said.interaction_type
        kept.duration_seconds = None if said.duration_seconds is None else int(said.duration_seconds)
        kept.feed_id = self.uuid("feed_id", "feed", said.feed_id, names)
        kept.position = said.position

    def identify(self, said: Said, kept: Kept, _: dict[str, str]) -> None:
        kept.traits = checked_traits(said.traits or {})

    def uuid(self, field: str, kind: Kind, value: str | None, names: dict[str, str]) -> str | None:
        if value is None:
            return None
        if kind != "session" or value[14:15] != "8":
            if value in self.known:
                return value
            if _CANONICAL.fullmatch(value):
                self.known.add(value)
                return value
        if ids.is_junk(value) or len(value) > ids.MAX_LENGTH:
            raise UnusualError
        if not ids.is_kept(kind, value):
            names[field] = value
        return ids.to_uuid(kind, value)


# Of a UUID that is somebody's.
_CANONICAL = re.compile(r"(?!00000000-)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
