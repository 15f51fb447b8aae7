"""Where events come from: what is kept of an address, and the place that it stands for."""

import ipaddress
import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

import maxminddb

from footfall.settings import KeptAddresses
from footfall.telemetry import logger
from footfall.text import UNSTORABLE

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# How much of an address, in bits, says the network and not who is in it.
_NETWORKS = {4: 24, 6: 48}
# As it stands in JSON, and in JSON within JSON; bounded, so that it takes linear time.
_ADDRESS_IN_TEXT = re.compile(r'("(?:ip|viewer)\\{0,8}"\s{0,8}:\s{0,8}\\{0,8}")([^"\\]{0,100})')
# In a list, as a bundle has it, nothing but itself says that it is an address.
_ADDRESS_IN_LIST = re.compile(
    r'(,\\{0,8}")(\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]{0,4}:[0-9a-fA-F:.]{1,40})(?=\\{0,8}")'
)
_LONGEST_CITY = 100
_IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}", re.ASCII)


class Place(NamedTuple):
    """An ISO 3166 code, and a city's English name."""

    country: str | None = None
    city: str | None = None


class Origin(NamedTuple):
    """As much as may be stored."""

    ip: str | None
    country: str | None
    city: str | None


def nowhere(_: Address) -> Place:
    """Where there is no file of places."""
    return Place()


class Origins:
    """Of all events of a function: what operators decided of addresses, and where they look places up."""

    def __init__(
        self, kept: KeptAddresses = "truncated", look_up: Callable[[Address], Place] = nowhere
    ) -> None:
        self._kept = kept
        self._look_up = look_up
        # Most addresses are seen for the first time, and ipaddress takes as long as writing an event does.
        self._is_quick = kept == "truncated" and look_up is nowhere
        self._known = lru_cache(maxsize=8_192)(self._find)

    def of(self, address: str, country: str = "", city: str = "") -> Origin:
        """Country and city as they were said, or else looked up.

        Args:
            address: with a port where an edge wrote it down.
            city: percent-encoded where an edge wrote it down.
        """
        ip, place = self._known(address)
        where = country or place.country
        if not city:
            return Origin(ip, where, place.city if where == place.country else None)
        # Percent-encoding hides from ingest what no column takes.
        said = UNSTORABLE.sub("\ufffd", unquote(city))[:_LONGEST_CITY]
        return Origin(ip, where, (said or (place.city if where == place.country else None)))

    def shortened(self, text: str) -> str:
        """A text in which the addresses of a message or an event stand as they may be stored."""

        def kept(found: re.Match[str]) -> str:
            return found[1] + (self._known(found[2])[0] or "")

        def kept_in_list(found: re.Match[str]) -> str:
            return found[0] if _address(found[2]) is None else kept(found)

        return _ADDRESS_IN_LIST.sub(kept_in_list, _ADDRESS_IN_TEXT.sub(kept, text))

    def _find(self, text: str) -> tuple[str | None, Place]:
        if self._is_quick and _IPV4.fullmatch(text):
            return f"{text.rpartition('.')[0]}.0", Place()
        address = _address(text)
        return (None, Place()) if address is None else (self._keep(address), self._look_up(address))

    def _keep(self, address: Address) -> str | None:
        match self._kept:
            case "whole":
                return str(address)
            case "truncated":
                network = ipaddress.ip_network((address, _NETWORKS[address.version]), strict=False)
                return str(network.network_address)
        return None


def places_of(path: str) -> Callable[[Address], Place]:
    """What an MMDB file (GeoLite2 City, DB-IP City, …) knows. A file that can't be read stops no event."""
    try:
        database = maxminddb.open_database(path)
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        reason = f"{type(error).__name__}: {error}"
        logger("session").error("GEOIP_DATABASE can't be read", extra={"path": path, "reason": reason})
        return nowhere

    def look_up(address: Address) -> Place:
        try:
            return _place(database.get(address))
        except (ValueError, maxminddb.InvalidDatabaseError):
            return Place()

    return look_up


def _place(found: object) -> Place:
    match found:
        case {"country": {"iso_code": str(country)}, "city": {"names": {"en": str(city)}}}:
            return Place(country[:100], city[:100])
        case {"country": {"iso_code": str(country)}}:
            return Place(country[:100])
    return Place()


def _address(text: str) -> Address | None:
    for part in (text, text.rpartition(":")[0].strip("[]")):
        try:
            address = ipaddress.ip_address(part.partition("%")[0])
        except ValueError:
            continue
        return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address
    return None
