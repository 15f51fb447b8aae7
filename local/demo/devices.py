"""What the people of the network hold in their hands, and where they are."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote

from local.demo.dice import pick, uuid4


@dataclass(frozen=True, slots=True)
class Place:
    time_zone: str
    country: str
    city: str


@dataclass(frozen=True, slots=True)
class Device:
    """A browser or an app: the random id that it keeps, and what is said of it.

    `headers` are those of its own requests, as they come through CloudFront; `forwarded` is what the
    product's server says of it in the events that it passes on; `context` is what it says itself.
    """

    anonymous_id: str
    is_app: bool
    headers: Mapping[str, str]
    forwarded: Mapping[str, str]
    context: Mapping[str, Any]


PLACES: Mapping[Place, float] = {
    Place("Europe/Berlin", "DE", "Berlin"): 5,
    Place("Europe/London", "GB", "London"): 4,
    Place("Europe/Lisbon", "PT", "Lisbon"): 2,
    Place("America/New_York", "US", "New York"): 5,
    Place("America/Los_Angeles", "US", "San Francisco"): 4,
    Place("America/Sao_Paulo", "BR", "São Paulo"): 4,
    Place("Asia/Kolkata", "IN", "Bengaluru"): 5,
    Place("Asia/Tokyo", "JP", "Tokyo"): 2,
    Place("Africa/Lagos", "NG", "Lagos"): 2,
    Place("Australia/Sydney", "AU", "Sydney"): 2,
}

_KHTML = "AppleWebKit/537.36 (KHTML, like Gecko)"
_WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
_CHROME = '"Chromium";v="140", "Google Chrome";v="140", "Not=A?Brand";v="24"'
_EDGE = '"Chromium";v="140", "Microsoft Edge";v="140", "Not=A?Brand";v="24"'


class Browser(NamedTuple):
    """As it names itself; the hints are Chromium's alone."""

    user_agent: str
    viewport: str
    brands: str = ""
    platform: str = ""
    mobile: str = "?0"


DESKTOPS: Mapping[Browser, float] = {
    Browser(
        f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_KHTML} Chrome/140.0.0.0 Safari/537.36",
        "1536x730",
        _CHROME,
        "Windows",
    ): 5,
    Browser(
        f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_KHTML} Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
        "1536x711",
        _EDGE,
        "Windows",
    ): 2,
    Browser(
        f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_KHTML} Chrome/140.0.0.0 Safari/537.36",
        "1440x789",
        _CHROME,
        "macOS",
    ): 3,
    Browser(
        f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_WEBKIT} Version/18.5 Safari/605.1.15", "1440x764"
    ): 2,
    Browser("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "1920x947"): 2,
}
HANDHELDS: Mapping[Browser, float] = {
    Browser(
        f"Mozilla/5.0 (Linux; Android 10; K) {_KHTML} Chrome/140.0.0.0 Mobile Safari/537.36",
        "412x785",
        _CHROME,
        "Android",
        "?1",
    ): 6,
    Browser(
        f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) {_WEBKIT}"
        " Version/18.5 Mobile/15E148 Safari/604.1",
        "390x664",
    ): 5,
    Browser(
        f"Mozilla/5.0 (iPad; CPU OS 17_6 like Mac OS X) {_WEBKIT} Version/17.6 Mobile/15E148 Safari/604.1",
        "820x1106",
    ): 1,
}
APPS: Mapping[Browser, float] = {
    Browser("Dalvik/2.1.0 (Linux; U; Android 15; Pixel 8 Build/AP3A.240905.015)", "412x915"): 5,
    Browser(f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) {_WEBKIT} Mobile/15E148", "390x844"): 5,
}
CRAWLERS: Mapping[Browser, float] = {
    Browser("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "1024x1024"): 4,
    Browser(f"Mozilla/5.0 {_KHTML}; compatible; GPTBot/1.2; +https://openai.com/gptbot)", "1024x1024"): 2,
    Browser(f"Mozilla/5.0 (X11; Linux x86_64) {_KHTML} HeadlessChrome/140.0.0.0 Safari/537.36", "800x600"): 1,
}


def device(source: random.Random, browsers: Mapping[Browser, float], place: Place) -> Device:
    """One of these browsers, there."""
    browser = pick(source, browsers)
    hints = {
        "sec-ch-ua": browser.brands,
        "sec-ch-ua-platform": f'"{browser.platform}"',
        "sec-ch-ua-mobile": browser.mobile,
    }
    # Of a network that is nobody's: it is kept for measurements (RFC 2544).
    address = f"198.{source.choice((18, 19))}.{source.randrange(256)}.{source.randrange(1, 255)}"
    edge = {
        "cloudfront-viewer-address": f"{address}:{source.randrange(1024, 65536)}",
        "cloudfront-viewer-country": place.country,
        "cloudfront-viewer-city": quote(place.city),
    }
    said = {"user_agent": browser.user_agent, "ip": address, "country": place.country, "city": place.city}
    return Device(
        anonymous_id=uuid4(source),
        is_app=browsers is APPS,
        headers={"user-agent": browser.user_agent, **(hints if browser.brands else {}), **edge},
        forwarded=said,
        context={"viewport": browser.viewport, "touch": browsers in (APPS, HANDHELDS)},
    )
