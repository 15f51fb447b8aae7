"""From queue messages to what is written: each record with its device, address and time of receipt."""

import ipaddress
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from footfall.events import Message, unpack
from functions.session.devices import device_of


def prepare(body: str) -> list[dict[str, Any]]:
    """The records of one queue message.

    Raises:
        ValueError: it isn't a message.
    """
    message = unpack(body)
    datetime.fromisoformat(message["received_at"])
    return [_prepare(record, message) for record in message["events"]]


def _prepare(record: Mapping[str, Any], message: Message) -> dict[str, Any]:
    said = {key: record.get(key, message.get(key)) for key in ("user_agent", "ip", "country", "city")}
    device = device_of(said["user_agent"] or "")
    return {
        **record,
        "received_at": message["received_at"],
        "ip": _address(said["ip"] or ""),
        "country": said["country"] or None,
        "city": said["city"] or None,
        "device_type": device.device_type,
        "browser": device.browser,
        "os": device.os,
        # Whoever holds a user's own token is no crawler, whatever library it is sent with.
        "is_bot": device.is_bot and not record.get("verified", False),
    }


@lru_cache(maxsize=8_192)
def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text)).partition("%")[0]
    except ValueError:
        return None
