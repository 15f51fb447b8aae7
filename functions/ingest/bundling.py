"""Bundles the records of a request by visitor and session, so that the consumer only has to copy them."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from footfall.bundles import HINTING, NULL, Bundle, cell
from footfall.events import dumps, lines
from functions.ingest.plain import Kept

_BUNDLED = frozenset({"activity", "interaction"})
_encode = msgspec.json.Encoder().encode


def encode(kept: Sequence[Kept], most_bytes: int) -> tuple[list[str], list[str]] | None:
    """The encoded bundles and other records, or none where an event is longer than it may be."""
    try:
        bundles, loose = bundle(kept)
        encoded = lines(bundles)
        # A record says more than its lines do, but not twice as much.
        if max(map(len, encoded), default=0) > most_bytes // 2:
            encoded, loose = [], list(kept)
        records = lines(loose)
    except ValueError:
        # A lone surrogate.
        return None
    return (encoded, records) if max(map(len, records), default=0) <= most_bytes else None


def bundle(kept: Iterable[Kept]) -> tuple[list[Bundle], list[Kept]]:
    """The bundles, in which each id is once, and the records that go into none."""
    groups: dict[Any, _Group] = {}
    loose = []
    seen: set[str] = set()
    for record in kept:
        if record.session_id is None or record.kind not in _BUNDLED or record.id in seen:
            loose.append(record)
            continue
        seen.add(record.id)
        context = _hinting(record.metadata)
        key = (
            record.session_id,
            record.anonymous_id,
            record.user_id,
            record.user_agent,
            record.ip,
            record.country,
            record.city,
            context and dumps(context),
        )
        group = groups.get(key)
        if group is None:
            group = groups[key] = _Group(record, context)
        group.add(record)
    return [group.finish() for group in groups.values()], loose


def _hinting(metadata: dict[str, Any] | None) -> dict[str, Any] | None:
    """Of a context, what says something of the device."""
    context = metadata and metadata.get("context")
    if not isinstance(context, dict):
        return None
    if "userAgentData" in context or context.get("touch") or context.get("maxTouchPoints"):
        return {key: value for key, value in context.items() if key in HINTING}
    return None


class _Group:
    """A bundle in the making, of records that are alike in who, which session and which device."""

    def __init__(self, record: Kept, context: dict[str, Any] | None) -> None:
        self.record = record
        self.context = context
        self.activities: list[str] = []
        self.interactions: list[str] = []
        self.names: dict[tuple[str, str, str], None] = {}
        self.views: list[tuple[str, str | None]] = []
        self.zones: list[tuple[str, str]] = []
        self.counts: dict[tuple[str, str], int] = {}

    def add(self, record: Kept) -> None:
        at = record.created_at.isoformat("T", "microseconds")
        line = _activity(record, at)
        self.activities.append(line)
        kind = record.event_type or ""
        if kind == "page_view":
            self.views.append((line, record.page_path))
        if record.time_zone is not None:
            self.zones.append((line, record.time_zone))
        minute = at[:16], kind
        self.counts[minute] = self.counts.get(minute, 0) + 1
        if record.names:
            for field, name in record.names.items():
                self.names[field, getattr(record, field), name] = None
        if record.kind == "interaction":
            self.interactions.append(_interaction(record, at))

    def finish(self) -> Bundle:
        record = self.record
        device = record.user_agent, record.ip, record.country, record.city
        return Bundle(
            session_id=record.session_id or "",
            anonymous_id=record.anonymous_id,
            user_id=record.user_id,
            verified=record.verified is True,
            sent_at=None if record.sent_at is None else record.sent_at.isoformat(),
            device=device if any(device) else None,
            context=self.context,
            names=list(self.names),
            activities="".join(self.activities),
            interactions="".join(self.interactions),
            page_views=len(self.views),
            # Lines begin with the time and the id.
            first=self.activities.index(min(self.activities)),
            last=self.activities.index(max(self.activities)),
            landing=self.page(min(self.views, key=_line, default=None)),
            exit=self.page(max(self.views, key=_line, default=None)),
            zone=self.numbered(max(self.zones, default=None)),
            time_zones=list({zone: None for _, zone in self.zones}),
            counts=[(f"{minute}:00+00:00", kind, count) for (minute, kind), count in self.counts.items()],
        )

    def page(self, view: tuple[str, str | None] | None) -> tuple[int, str] | None:
        return None if view is None else self.numbered((view[0], cell(view[1])))

    def numbered(self, said: tuple[str, str] | None) -> tuple[int, str] | None:
        return None if said is None else (self.activities.index(said[0]), said[1])


def _line(view: tuple[str, str | None]) -> str:
    return view[0]


def _activity(record: Kept, at: str) -> str:
    kind, category, action = record.event_type or "", record.event_category, record.event_action
    page, referrer, zone, client = (
        record.page_path,
        record.referrer,
        record.time_zone,
        record.client_created_at,
    )
    if _is_plain(f"{kind}{category}{action}{page}{referrer}{zone}"):
        category, action = category or NULL, action or NULL
        page, referrer, zone = page or NULL, referrer or NULL, zone or NULL
    else:
        kind, category, action = cell(kind), cell(category), cell(action)
        page, referrer, zone = cell(page), cell(referrer), cell(zone)
    return (
        f"{at}\t{record.id}\t{kind}\t{category}\t{action}\t{page}\t{referrer}"
        f"\t{NULL if record.metadata is None else _json(record.metadata)}"
        f"\t{NULL if record.sequence is None else record.sequence}"
        f"\t{NULL if client is None else client.isoformat()}\t{zone}\n"
    )


def _interaction(record: Kept, at: str) -> str:
    content_type, done = record.content_type or "", record.interaction_type or ""
    if not _is_plain(f"{content_type}{done}"):
        content_type, done = cell(content_type), cell(done)
    return (
        f"{at}\t{record.id}\t{content_type}\t{record.content_id}\t{done}"
        f"\t{NULL if record.duration_seconds is None else record.duration_seconds}"
        f"\t{record.feed_id or NULL}\t{NULL if record.position is None else record.position}\n"
    )


def _is_plain(texts: str) -> bool:
    """Whether COPY reads these as they are."""
    return texts.isprintable() and "\\" not in texts


def _json(value: dict[str, Any]) -> str:
    text = _encode(value).decode()
    # What would break a line is escaped in JSON.
    return text.replace("\\", "\\\\") if "\\" in text else text
