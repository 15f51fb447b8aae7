"""A file of places as MaxMind's and DB-IP's are, with a few networks in it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmdb_writer import MMDBWriter
from netaddr import IPSet

BERLIN = {"country": {"iso_code": "DE"}, "city": {"names": {"de": "Berlin", "en": "Berlin"}}}


def write_cities(path: Path, networks: Mapping[str, Any]) -> Path:
    writer = MMDBWriter(6, "GeoLite2-City", ["en"], "Made by a test", ipv4_compatible=True)
    for network, known in networks.items():
        writer.insert_network(IPSet([network]), known)
    writer.to_db_file(str(path))
    return path
