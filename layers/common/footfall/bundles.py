"""The events of one visitor and session in one request, ready for Postgres' COPY.

Ingest writes the lines of the tables, but for what only `session` knows (device, place, whose the anonymous
id is), and sums up what the events mean for their session and counts. `records_of` makes the records of them
again, for whoever can't take them whole.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import msgspec

# What a line holds, in this order, as COPY's text format has it; other columns are the same for all lines.
# Times are spelled so that lines sort by time and id.
ACTIVITY: Final = (
    "created_at",
    "id",
    "event_type",
    "event_category",
    "event_action",
    "page_path",
    "referrer",
    "metadata",
    "sequence",
    "client_created_at",
    "time_zone",
)
INTERACTION: Final = (
    "created_at",
    "id",
    "content_type",
    "content_id",
    "interaction_type",
    "duration_seconds",
    "feed_id",
    "position",
)
# What of a context may say something of the device.
HINTING: Final = frozenset({"userAgentData", "touch", "maxTouchPoints", "screen"})
NULL: Final = "\\N"

_DEVICE = ("user_agent", "ip", "country", "city")
_NUMBERS = frozenset({"sequence", "duration_seconds", "position"})
_ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_ESCAPE = re.compile(r"\\(.)")
_MEANT = {"t": "\t", "n": "\n", "r": "\r", "\\": "\\"}


class Bundle(msgspec.Struct, array_like=True, gc=False):
    """Pages are escaped as in lines; counts are of activities, by the start of the minute and type."""

    session_id: str
    anonymous_id: str | None
    user_id: str | None
    verified: bool
    sent_at: str | None
    # As a server said it: user agent, address, country, city.
    device: tuple[str | None, str | None, str | None, str | None] | None
    context: dict[str, Any] | None
    # The ids that were no UUIDs: field, UUID, as it was sent.
    names: list[tuple[str, str, str]]
    # Each line ends with a line feed.
    activities: str
    interactions: str
    page_views: int
    # By the number of its line, from 0: by time and id the earliest event and the latest, the first and the
    # last page view with their pages, and the latest that says a time zone.
    first: int
    last: int
    landing: tuple[int, str] | None
    exit: tuple[int, str] | None
    zone: tuple[int, str] | None
    time_zones: list[str]
    counts: list[tuple[str, str, int]]

    def said(self) -> dict[str, Any]:
        """What its records say of the device, and nothing else."""
        said = {field: value for field, value in zip(_DEVICE, self.device or (), strict=False) if value}
        return {**said, "metadata": {"context": self.context}} if self.context else said


def cell(value: str | None) -> str:
    """A text as COPY reads it."""
    return NULL if value is None else value.translate(_ESCAPED)


def records_of(bundle: Bundle) -> list[dict[str, Any]]:
    """What the events would be as records."""
    same = {
        "session_id": bundle.session_id,
        "anonymous_id": bundle.anonymous_id,
        "user_id": bundle.user_id,
        "verified": bundle.verified or None,
        "sent_at": bundle.sent_at,
        **dict(zip(_DEVICE, bundle.device or (), strict=False)),
    }
    interactions = {row["id"]: row for row in _rows(INTERACTION, bundle.interactions)}
    found = []
    for row in _rows(ACTIVITY, bundle.activities):
        more = interactions.get(row["id"])
        record = {"kind": "interaction" if more else "activity", **row, **(more or {}), **same}
        names = {field: text for field, uuid, text in bundle.names if record.get(field) == uuid}
        record["names"] = names or None
        found.append({field: value for field, value in record.items() if value is not None})
    return found


def dwells_of(bundle: Bundle) -> list[tuple[str, int | None]]:
    """By interaction's id, in seconds."""
    return [(row["id"], row.get("duration_seconds")) for row in _rows(INTERACTION, bundle.interactions)]


def _rows(columns: tuple[str, ...], lines: str) -> Iterable[dict[str, Any]]:
    for line in lines.split("\n")[:-1]:
        cells = zip(columns, line.split("\t"), strict=True)
        yield {column: _value(column, text) for column, text in cells if text != NULL}


def _value(column: str, text: str) -> Any:
    if column in _NUMBERS:
        return int(text)
    if column == "created_at":
        return datetime.fromisoformat(text).isoformat()
    meant = _ESCAPE.sub(lambda found: _MEANT[found[1]], text) if "\\" in text else text
    return msgspec.json.decode(meant) if column == "metadata" else meant
