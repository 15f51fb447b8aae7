"""From a user agent to a device: what kind, which browser, which system, and whether it is a machine's."""

import re
from dataclasses import dataclass
from functools import lru_cache

from user_agents import parse

# Automation that the parser takes for a person's browser, or doesn't know; not what apps are built with.
_BOT = re.compile(
    r"bot\b|crawl|spider|slurp|headless|lighthouse|phantomjs|puppeteer|playwright|selenium|curl/|wget/|httpie"
    r"|python-requests|python-urllib|aiohttp|httpx|go-http-client|libwww|scrapy"
    r"|bytespider|facebookexternalhit|pingdom|uptime",
    re.IGNORECASE,
)
_BROWSERS = {
    "Mobile Safari": "Safari",
    "Mobile Safari UI/WKWebView": "Safari",
    "Chrome Mobile": "Chrome",
    "Chrome Mobile iOS": "Chrome",
    "Chrome Mobile WebView": "Chrome",
    "Edge Mobile": "Edge",
    "Firefox Mobile": "Firefox",
    "Firefox iOS": "Firefox",
    "Opera Mobile": "Opera",
}
_SYSTEMS = {"Mac OS X": "macOS", "Ubuntu": "Linux", "Debian": "Linux", "Fedora": "Linux"}


@dataclass(frozen=True, slots=True)
class Device:
    """Null where the agent doesn't say."""

    device_type: str | None = None
    browser: str | None = None
    os: str | None = None
    is_bot: bool = False


@lru_cache(maxsize=8_192)
def device_of(user_agent: str) -> Device:
    """Parsing costs most of a millisecond, and agents repeat."""
    if not user_agent:
        return Device()
    agent = parse(user_agent)
    return Device(
        device_type=_device_type(agent),
        browser=_known(agent.browser.family, _BROWSERS),
        os=_known(agent.os.family, _SYSTEMS),
        is_bot=bool(agent.is_bot) or _BOT.search(user_agent) is not None,
    )


def _device_type(agent: object) -> str | None:
    for attribute, name in (("is_tablet", "tablet"), ("is_mobile", "mobile"), ("is_pc", "desktop")):
        if getattr(agent, attribute):
            return name
    return None


def _known(family: str, names: dict[str, str]) -> str | None:
    return None if family == "Other" else names.get(family, family)[:50]
