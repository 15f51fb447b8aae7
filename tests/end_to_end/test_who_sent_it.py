"""What a request says of itself, from the gateway to the tables: device, place, and its page's key."""

import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from local.keys import digest
from tests.cities import BERLIN, write_cities
from tests.end_to_end.local_stack import LocalStack, Reply, eventually

pytestmark = pytest.mark.xdist_group("stack")

SHOP, STRANGER = "https://shop.example", "https://stranger.example"
MAC = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " Version/18.5 Safari/605.1.15"
)
CHROME = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """Of an operator who has a file of places, and whose page's key is for that page alone."""
    folder = tmp_path_factory.mktemp("shop")
    cities = write_cities(folder / "cities.mmdb", {"127.0.0.0/8": BERLIN})
    keys = f"{digest('shop')}@{SHOP},{digest('anywhere')}"
    parameters = f"BrowserKeyHashes={keys} ServerKeyHashes={digest('server')} GeoipDatabase={cities}"
    stack = LocalStack(folder / "data", PARAMETERS=parameters)
    try:
        stack.start()
        yield stack
    finally:
        stack.kill()


def send(stack: LocalStack, key: str, visitor: str = "", context: Any = None, **headers: str) -> Reply:
    event = {"event_type": "page_view", "anonymous_id": visitor or str(uuid.uuid4()), "context": context}
    return stack.post(f"/v1/events?write_key={key}", event, **headers)


@pytest.mark.parametrize(
    ("context", "headers", "device"),
    [
        ({"touch": True, "screen": "1024x1366"}, {"user-agent": MAC}, ("tablet", "Safari", "iOS", False)),
        ({"touch": False}, {"user-agent": MAC}, ("desktop", "Safari", "macOS", False)),
        (
            None,
            {
                "user-agent": CHROME,
                "sec-ch-ua": '"Brave";v="142", "Chromium";v="142"',
                "sec-ch-ua-mobile": "?1",
                "sec-ch-ua-platform": '"Android"',
            },
            ("mobile", "Brave", "Android", False),
        ),
        (
            None,
            {"user-agent": CHROME, "sec-purpose": "prefetch;prerender"},
            ("desktop", "Chrome", "Linux", True),
        ),
    ],
)
def test_device_and_place_are_stored_and_the_address_truncated(
    shop: LocalStack, context: Any, headers: dict[str, str], device: tuple[Any, ...]
) -> None:
    visitor = str(uuid.uuid4())
    assert send(shop, "anywhere", visitor, context, **headers).status == 202
    query = (
        "SELECT device_type, browser, os, is_bot, country, city, host(ip_address) FROM user_activities"
        " WHERE anonymous_id = %s"
    )
    with psycopg.connect(shop.local()["database_url"], autocommit=True) as connection:
        row = eventually(lambda: connection.execute(query, [visitor]).fetchone())
    assert row == (*device, "DE", "Berlin", "127.0.0.0")


@pytest.mark.parametrize(
    ("key", "origin", "status", "code"),
    [
        ("shop", SHOP, 202, None),
        ("shop", STRANGER, 403, "forbidden"),
        ("anywhere", STRANGER, 202, None),
        ("server", SHOP, 403, "forbidden"),
        ("wrong", SHOP, 401, "unauthorized"),
    ],
)
def test_a_key_is_good_where_it_belongs(
    shop: LocalStack, key: str, origin: str, status: int, code: str | None
) -> None:
    reply = send(shop, key, origin=origin)
    assert (reply.status, reply.body.get("code")) == (status, code)
    assert (code is None) == ("message" not in reply.body)
    assert reply.headers["access-control-allow-origin"] == "*", "or a page couldn't read why"


def test_a_pages_library_is_told_at_once_where_its_key_is_no_good(shop: LocalStack) -> None:
    for origin, status in ((SHOP, 200), (STRANGER, 403)):
        reply = shop.request("GET", "/v1/projects/shop/settings", origin=origin)
        assert reply.status == status
