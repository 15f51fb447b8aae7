"""Addresses are stored as operators decided, whatever form they come in; places are said or looked up."""

import json
import time
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.session.origins import Origins, Place, places_of
from tests.cities import BERLIN as CITY
from tests.cities import write_cities

BERLIN, LISBON = "203.0.113.7", "2001:db8:1:2::3"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With cities, a country without one, and a network of which nothing of use is known."""
    networks = {
        "203.0.113.0/25": CITY,
        "203.0.113.128/25": {"country": {"iso_code": "AT"}},
        "2001:db8:1::/48": CITY | {"country": {"iso_code": "PT"}},
        "198.51.100.0/24": {"continent": {"code": "EU"}},
    }
    return write_cities(tmp_path_factory.mktemp("geoip") / "cities.mmdb", networks)


# ── Addresses ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("address", "whole", "truncated"),
    [
        (BERLIN, BERLIN, "203.0.113.0"),
        ("203.0.113.7:46532", BERLIN, "203.0.113.0"),
        (LISBON, LISBON, "2001:db8:1::"),
        ("[2001:db8:1:2::3]:46532", LISBON, "2001:db8:1::"),
        ("2001:db8:1:2:0:0:0:3:46532", LISBON, "2001:db8:1::"),
        ("::ffff:203.0.113.7", BERLIN, "203.0.113.0"),
        ("fe80::1%eth0", "fe80::1", "fe80::"),
        ("", None, None),
        ("somewhere", None, None),
        ("203.0.113.7, 10.0.0.1", None, None),
        ("203.0.113.007", None, None),
    ],
)
def test_an_address_is_kept_as_far_as_it_may_be(
    address: str, whole: str | None, truncated: str | None
) -> None:
    assert Origins("whole").of(address).ip == whole
    assert Origins("truncated").of(address).ip == truncated
    assert Origins("none").of(address).ip is None
    assert Origins().of(address).ip == truncated


@given(st.ip_addresses())
def test_a_truncated_address_names_a_network_that_its_owner_is_in(address: Any) -> None:
    kept = ip_address(str(Origins().of(str(address)).ip))
    if kept.version == address.version:
        bits = {4: 24, 6: 48}[address.version]
        assert address in ip_network((kept, bits))
        assert int(kept) % 2 ** (address.max_prefixlen - bits) == 0


@pytest.mark.parametrize(("kept", "stored"), [("whole", BERLIN), ("truncated", "203.0.113.0"), ("none", "")])
def test_in_a_text_addresses_are_kept_no_further(kept: Any, stored: str) -> None:
    event = {"context": {"ip": BERLIN, "zip": "10115"}, "raw": json.dumps({"ip": BERLIN})}
    message = {"ip": BERLIN, "viewer": f"{BERLIN}:443", "received_at": "today", "events": [event]}
    event_kept = {"context": {"ip": stored, "zip": "10115"}, "raw": json.dumps({"ip": stored})}
    expected = {**message, "ip": stored, "viewer": stored, "events": [event_kept]}
    for separators in ((",", ":"), (", ", ": ")):
        text = Origins(kept).shortened(json.dumps(message, separators=separators))
        assert json.loads(text) == expected
        # As it lies in a message that holds a message.
        assert json.loads(json.loads(Origins(kept).shortened(json.dumps(text)))) == expected


def test_an_address_in_a_list_is_shortened_and_a_time_is_not() -> None:
    text = '["agent","198.51.100.23",null,["x","10:30:00","2001:db8:1:2::3"]]'
    assert json.loads(Origins().shortened(text)) == [
        *("agent", "198.51.100.0", None),
        ["x", "10:30:00", "2001:db8:1::"],
    ]


@pytest.mark.parametrize("one", ["\\", '"ip', '"ip"', '"ip":"', " ", '\\"ip\\"'])
def test_a_hostile_text_costs_no_time(one: str) -> None:
    text = (one * 1_000_000)[:1_000_000]
    started = time.process_time()
    Origins().shortened(text)
    assert time.process_time() - started < 3


# ── Places ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("address", "country", "city"),
    [
        (BERLIN, "DE", "Berlin"),
        ("203.0.113.200", "AT", None),
        (LISBON, "PT", "Berlin"),
        ("198.51.100.1", None, None),
        ("192.0.2.1", None, None),
        ("somewhere", None, None),
    ],
)
@pytest.mark.parametrize("kept", ["whole", "truncated", "none"])
def test_a_place_is_looked_up_by_the_whole_address(
    file: Path, kept: Any, address: str, country: str | None, city: str | None
) -> None:
    origins = Origins(kept, places_of(str(file)))
    for _ in range(2):
        assert origins.of(address)[1:] == (country, city)
    assert Origins(kept).of(address)[1:] == (None, None)


@pytest.mark.parametrize(
    ("country", "city", "expected"),
    [
        ("", "", ("DE", "Berlin")),
        ("PT", "Lisboa", ("PT", "Lisboa")),
        ("DE", "", ("DE", "Berlin")),
        ("PT", "", ("PT", None)),
        ("", "Lisboa", ("DE", "Lisboa")),
        ("DE", "K%C3%B6ln", ("DE", "Köln")),
        ("DE", "100%", ("DE", "100%")),
    ],
)
def test_what_was_said_wins_over_what_is_looked_up(
    file: Path, country: str, city: str, expected: tuple[str | None, ...]
) -> None:
    assert Origins("none", places_of(str(file))).of(BERLIN, country, city)[1:] == expected


@pytest.mark.parametrize("content", [None, b"", b"no file of places"])
def test_a_file_that_cannot_be_read_is_named_and_stops_nothing(
    tmp_path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "cities.mmdb"
    if content is not None:
        path.write_bytes(content)
    assert Origins("whole", places_of(str(path))).of(BERLIN) == (BERLIN, None, None)
    [said] = caplog.records
    assert (said.levelname, said.getMessage()) == ("ERROR", "GEOIP_DATABASE can't be read")
    assert said.__dict__["path"] == str(path)


def test_a_damaged_file_costs_places_alone(file: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "cities.mmdb"
    content = bytearray(file.read_bytes())
    start = content.index(b"Berlin") - 40
    content[start : start + 40] = b"\xff" * 40
    damaged.write_bytes(content)
    assert Origins("whole", places_of(str(damaged))).of(BERLIN) == (BERLIN, None, None)


def test_what_percent_encoding_hides_is_stored_as_far_as_it_can_be() -> None:
    assert Origins().of("203.0.113.7", "DE", "%41" * 300).city == "A" * 100
    assert Origins().of("203.0.113.7", "DE", "a%00b").city == "a\ufffdb"


OCTETS = st.integers(0, 300).map(str) | st.sampled_from(["", "01", "1e1", "٣", "-1", "1 "])


@given(st.lists(OCTETS, min_size=3, max_size=5).map(".".join) | st.text("0123456789.:\n", max_size=16))
def test_the_quick_way_with_addresses_is_the_slow_way(text: str) -> None:
    looks_up = Origins("truncated", lambda _: Place())
    assert Origins("truncated").of(text) == looks_up.of(text)
