"""From queue messages to what is written: each record with its device, origin and time of receipt."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from footfall.bundles import NULL, Bundle, cell, records_of
from footfall.events import Message, unpack
from functions.session.changes import Ready
from functions.session.devices import NO_HINTS, Hints, device_of, hints_of
from functions.session.origins import Origins


def prepare(body: str, origins: Origins) -> tuple[list[dict[str, Any]], list[Ready]]:
    """The records of one queue message, and its bundles.

    Raises:
        ValueError: it isn't a message.
    """
    message = unpack(body)
    datetime.fromisoformat(message["received_at"])
    request = _request(message, origins)
    records = [_prepare(record, message, request, origins) for record in message["events"]]
    return records, [_ready(bundle, message, request, origins) for bundle in message.get("bundles", ())]


class _Request(NamedTuple):
    """What holds for all records of a message that don't say it themselves."""

    user_agent: str
    hints: Hints
    is_ahead: bool
    is_visit: bool
    # As cells of a line.
    place: str
    fields: dict[str, Any]


def _request(message: Message, origins: Origins) -> _Request:
    where = _where(_NO_PLACE, message)
    return _Request(
        message.get("user_agent") or "",
        Hints(message.get("brands") or "", message.get("mobile") or "", message.get("platform") or ""),
        # A browser fetched or drew the page before anybody asked for it.
        "prefetch" in (message.get("purpose") or ""),
        # What a server sends is of no visit, unless it says of which.
        message.get("speaker") in ("browser", "user"),
        _place(origins, *where),
        {"received_at": message["received_at"], **origins.of(*where)._asdict()},
    )


def _ready(bundle: Bundle, message: Message, request: _Request, origins: Origins) -> Ready:
    user_agent, *place = bundle.device or (None, None, None, None)
    if bundle.context is None:
        hints = request.hints if user_agent is None else NO_HINTS
    else:
        hints = hints_of(bundle.said(), request.hints)
    device, is_bot = _cells(user_agent or request.user_agent, hints)
    where = request.place if place == _NO_PLACE else _place(origins, *_where(place, message))
    is_bot = not bundle.verified and (is_bot or request.is_ahead)
    return Ready(bundle, message, is_bot, f"{device}\t{where}")


def records_of_message(body: str, origins: Origins) -> list[dict[str, Any]]:
    """All of a message as records, those of its bundles first.

    Raises:
        ValueError: it isn't a message.
    """
    records, bundles = prepare(body, origins)
    return [record for ready in bundles for record in unbundle(ready, origins)] + records


def unbundle(ready: Ready, origins: Origins) -> list[dict[str, Any]]:
    """The records of a bundle."""
    request = _request(ready.message, origins)
    return [_prepare(record, ready.message, request, origins) for record in records_of(ready.bundle)]


@lru_cache(maxsize=8_192)
def _cells(user_agent: str, hints: Hints) -> tuple[str, bool]:
    """The cells of a device, and whether it is a bot's."""
    device = device_of(user_agent, hints)
    return "\t".join(map(cell, (device.device_type, device.browser, device.os))), device.is_bot


@lru_cache(maxsize=8_192)
def _place(origins: Origins, address: str, country: str, city: str) -> str:
    """The cells of an origin."""
    origin = origins.of(address, country, city)
    return f"{origin.ip or NULL}\t{cell(origin.country)}\t{cell(origin.city)}"


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
    if request.is_visit and "session_id" not in record and record["kind"] in _VISITING:
        prepared["wants_session"] = True
    if not _SAID_BY_SERVERS.isdisjoint(record):
        said = record.get("ip"), record.get("country"), record.get("city")
        prepared |= origins.of(*_where(said, message))._asdict()
    if record["kind"] == "rejected":
        prepared["raw"] = origins.shortened(record["raw"])
        if "request" in record:
            # The headers themselves are kept nowhere.
            device_said = {name: prepared[name] for name in _OF_DEVICE}
            prepared["request"] = {**record["request"], "device": device_said}
    return prepared


def _where(said: Sequence[str | None], message: Message) -> tuple[str, str, str]:
    """Address, country and city that an event says itself, or else its request."""
    address, country, city = said
    return (
        address or message.get("viewer") or message.get("ip") or "",
        country or message.get("country") or "",
        city or message.get("city") or "",
    )


_NO_PLACE: list[str | None] = [None, None, None]
# What reading something that is no message raises.
NOT_A_MESSAGE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
# What is told of a request's device and place.
_OF_DEVICE = ("device_type", "browser", "os", "is_bot", "ip", "country", "city")
_VISITING = frozenset({"activity", "interaction"})
_SAID_BY_SERVERS = frozenset({"ip", "country", "city"})
