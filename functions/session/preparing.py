"""From queue messages to what is written: each record with its device, origin and time of receipt."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from footfall.events import Message, unpack
from functions.session.devices import Hints, device_of, hints_of
from functions.session.origins import Origins


def prepare(body: str, origins: Origins) -> list[dict[str, Any]]:
    """The records of one queue message.

    Raises:
        ValueError: it isn't a message.
    """
    message = unpack(body)
    datetime.fromisoformat(message["received_at"])
    request = _Request(
        message.get("user_agent") or "",
        Hints(message.get("brands") or "", message.get("mobile") or "", message.get("platform") or ""),
        # A browser fetched or drew the page before anybody asked for it.
        "prefetch" in (message.get("purpose") or ""),
        {"received_at": message["received_at"], **_origin({}, message, origins)},
    )
    return [_prepare(record, message, request, origins) for record in message["events"]]


class _Request(NamedTuple):
    """What holds for all records of a message that don't say it themselves."""

    user_agent: str
    hints: Hints
    is_ahead: bool
    fields: dict[str, Any]


def _prepare(
    record: Mapping[str, Any], message: Message, request: _Request, origins: Origins
) -> dict[str, Any]:
    device = device_of(record.get("user_agent") or request.user_agent, hints_of(record, request.hints))
    prepared = {
        **record,
        **request.fields,
        "device_type": device.device_type,
        "browser": device.browser,
        "os": device.os,
        # Whoever holds a user's own token is no crawler, whatever library it is sent with.
        "is_bot": not record.get("verified", False) and (device.is_bot or request.is_ahead),
    }
    if not _SAID_BY_SERVERS.isdisjoint(record):
        prepared |= _origin(record, message, origins)
    if record["kind"] == "rejected":
        prepared["raw"] = origins.shortened(record["raw"])
        if "request" in record:
            # The headers themselves are kept nowhere.
            said = {name: prepared[name] for name in _OF_DEVICE}
            prepared["request"] = {**record["request"], "device": said}
    return prepared


def _origin(record: Mapping[str, Any], message: Message, origins: Origins) -> dict[str, str | None]:
    address = record.get("ip") or message.get("viewer") or message.get("ip") or ""
    country = record.get("country") or message.get("country") or ""
    city = record.get("city") or message.get("city") or ""
    return origins.of(address, country, city)._asdict()


# What reading something that is no message raises.
NOT_A_MESSAGE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
# What is told of a request's device and place.
_OF_DEVICE = ("device_type", "browser", "os", "is_bot", "ip", "country", "city")
_SAID_BY_SERVERS = frozenset({"ip", "country", "city"})
