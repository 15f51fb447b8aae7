"""From queue messages to what is written: each record with its device, origin and time of receipt."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from footfall.events import Message, unpack
from functions.session.devices import device_of, hints_of
from functions.session.origins import Origin, Origins


def prepare(body: str, origins: Origins) -> list[dict[str, Any]]:
    """The records of one queue message.

    Raises:
        ValueError: it isn't a message.
    """
    message = unpack(body)
    datetime.fromisoformat(message["received_at"])
    return [_prepare(record, message, origins) for record in message["events"]]


def _prepare(record: Mapping[str, Any], message: Message, origins: Origins) -> dict[str, Any]:
    device = device_of(record.get("user_agent", message.get("user_agent")) or "", hints_of(record, message))
    prepared = {
        **record,
        **_origin(record, message, origins)._asdict(),
        "received_at": message["received_at"],
        "device_type": device.device_type,
        "browser": device.browser,
        "os": device.os,
        # Whom a token or a server vouches for is no crawler, whatever library it is sent with.
        "is_bot": "user_id" not in record and (device.is_bot or _is_ahead(message)),
    }
    if record["kind"] == "rejected":
        prepared["raw"] = origins.shortened(record["raw"])
    return prepared


def _origin(record: Mapping[str, Any], message: Message, origins: Origins) -> Origin:
    address = record.get("ip", message.get("viewer") or message.get("ip")) or ""
    country, city = (record.get(name, message.get(name)) or "" for name in ("country", "city"))
    return origins.of(address, country, city)


def _is_ahead(message: Message) -> bool:
    """Whether a browser fetched or drew the page before anybody asked for it."""
    return "prefetch" in (message.get("purpose") or "")
