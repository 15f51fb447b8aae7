"""What waits in the queue, record by record."""

from typing import Any

from footfall.bundles import records_of
from footfall.events import pack, unpack
from functions.ingest.sending import MAX_MESSAGE_BYTES
from functions.ingest.taking import Taken

CONTEXT: Any = {"received_at": "2026-11-22T10:00:00+00:00"}


def records_in(*bodies: str) -> list[dict[str, Any]]:
    """All of each message: those of its bundles first."""
    found: list[dict[str, Any]] = []
    for body in bodies:
        message = unpack(body)
        found += [record for bundle in message.get("bundles", []) for record in records_of(bundle)]
        found += [dict(record) for record in message["events"]]
    return found


def records_taken(taken: Taken) -> list[dict[str, Any]]:
    """The same of what ingest took."""
    return records_in(*pack(CONTEXT, taken.records, MAX_MESSAGE_BYTES, taken.bundles))
