"""From what is said of a device to its kind, its browser, its system, and whether it is a machine's."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from ua_parser.core import Domain
from ua_parser.loaders import load_lazy_builtins
from ua_parser.regex import Resolver

# Automation that the parser takes for a person's browser, or doesn't know; not what apps are built with.
_BOT = re.compile(
    r"bot(?:\b|_)|crawl|spider|slurp|headless|lighthouse|phantomjs|puppeteer|playwright|selenium|cypress"
    r"|\b(?:curl|wget|httpie|postmanruntime|insomnia)/|python-requests|python-urllib|aiohttp|httpx"
    r"|go-http-client|libwww|scrapy|\bgot \(|node-fetch|axios/|facebookexternalhit|meta-externalagent"
    r"|-user/|google-extended|google-inspectiontool|googleother|mediapartners|feedfetcher|whatsapp/\d|embedly"
    r"|pingdom|uptime|statuscake|gtmetrix|datadog|site24x7|ia_archiver|bingpreview|uripreview",
    re.IGNORECASE,
)
# A maker of phones, whose name every list of crawlers catches.
_CUBOT = re.compile("cubot", re.IGNORECASE)
# What is held in no hand and stands on no desk.
_TV = re.compile(
    r"\b(?:smart-?tv|googletv|android ?tv|bravia|hbbtv|crkey|roku|aft[a-z]+)\b|web0s|appletv|playstation|xbox"
    r"|nintendo",
    re.IGNORECASE,
)
# On an iPad these claim to run on a Mac, where they don't exist.
_IOS_BROWSER = re.compile(r"\b(?:CriOS|FxiOS|EdgiOS|OPiOS|OPT|GSA|DuckDuckGo-iOS)/")
_TABLET = re.compile(
    r"iPad|Tablet(?! PC)|\bSM-[TXP]\d{3}|\bTab\b|\bPad\b|Kindle|\bKF[A-Z]{2,}", re.IGNORECASE
)
_PHONE = re.compile(r"Mobi|iPhone|iPod|Windows Phone|KAIOS|BlackBerry|BB10|Opera Mini|Dalvik", re.IGNORECASE)
_BRAND = re.compile(r'"((?:[^"\\]|\\.)*)"')
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
    "Opera Touch": "Opera",
    "Yandex": "Yandex Browser",
    "DuckDuckGo Mobile": "DuckDuckGo",
    "Brave Mobile": "Brave",
}
# Brands that say more than the user agent, which says Chrome for most of them.
_BRANDS = {
    "Microsoft Edge": "Edge",
    "Microsoft Edge WebView2": "Edge",
    "Opera": "Opera",
    "Opera GX": "Opera",
    "Opera Mobile": "Opera",
    "Brave": "Brave",
    "Vivaldi": "Vivaldi",
    "Samsung Internet": "Samsung Internet",
    "YaBrowser": "Yandex Browser",
    "Yandex": "Yandex Browser",
    "DuckDuckGo": "DuckDuckGo",
    "Whale": "Whale",
    "HuaweiBrowser": "Huawei Browser",
}
_SYSTEMS = {
    "Mac OS X": "macOS",
    "Mac OS": "macOS",
    "Chromium OS": "Chrome OS",
    "ChromeOS": "Chrome OS",
    **dict.fromkeys(
        ("Ubuntu", "Debian", "Fedora", "Red Hat", "Arch Linux", "SUSE", "openSUSE", "Gentoo"), "Linux"
    ),
}
_DESKTOPS = {"Windows", "macOS", "Linux", "Chrome OS", "FreeBSD", "OpenBSD", "NetBSD"}
# The narrow side of a phone's screen is shorter, in CSS pixels; that of an iPad is at least 744.
_PHONES_SCREEN = 600


@dataclass(frozen=True, slots=True)
class Device:
    """Null where nothing says it."""

    device_type: str | None = None
    browser: str | None = None
    os: str | None = None
    is_bot: bool = False


@dataclass(frozen=True, slots=True)
class Hints:
    """What is said beside the user agent: client hints as their headers spell them, and the screen.

    Source: https://wicg.github.io/ua-client-hints/
    """

    brands: str = ""
    mobile: str = ""
    platform: str = ""
    touch: bool = False
    small: bool = False


NO_HINTS = Hints()


@lru_cache(maxsize=8_192)
def device_of(user_agent: str, hints: Hints = NO_HINTS) -> Device:
    """Agents repeat, so most answers are known."""
    user_agent = _CUBOT.sub("phone", user_agent)
    said = _parser()(user_agent, Domain.ALL)
    brands = _BRAND.findall(hints.brands)
    os = _SYSTEMS.get(platform := hints.platform.strip('"'), platform)
    if not os or os == "Unknown":
        os = _system(said.os.family if said.os else "", user_agent, hints)
    return Device(
        device_type=_device_type(user_agent, os, hints),
        browser=_browser(said.user_agent.family if said.user_agent else "", user_agent, brands),
        os=os[:50] or None,
        is_bot=said.device is not None or bool(_BOT.search(user_agent)) or "HeadlessChrome" in brands,
    )


def hints_of(record: Mapping[str, Any], request: Mapping[str, Any]) -> Hints:
    """Of an event's own context, where a library put what it read in the page, else of its request."""
    context = _object(_object(record.get("metadata")).get("context"))
    about = _object(context.get("userAgentData"))
    touch = _is_touched(context.get("touch")) or _is_touched(context.get("maxTouchPoints"))
    small = touch and _is_small(context.get("screen"))
    if about:
        named = about.get("brands")
        listed = [_object(brand).get("brand") for brand in (named if isinstance(named, list) else [])[:10]]
        return Hints(
            brands=",".join(f'"{brand}"' for brand in listed)[:300],
            mobile="?1" if about.get("mobile") is True else "?0",
            platform=str(about.get("platform") or "")[:50],
            touch=touch,
            small=small,
        )
    if "user_agent" in record:
        return Hints(touch=touch, small=small)
    brands, mobile, platform = (request.get(name) or "" for name in ("brands", "mobile", "platform"))
    return Hints(brands, mobile, platform, touch, small)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_touched(value: object) -> bool:
    """True, or how many fingers the screen can tell apart."""
    return isinstance(value, (bool, int, float)) and value > 0


def _is_small(screen: Any) -> bool:
    """Of a screen as `{"width", "height"}` or "390x844"."""
    if isinstance(screen, dict):
        screen = f"{screen.get('width')}x{screen.get('height')}"
    sides = re.findall(r"\d+", str(screen)[:20])
    return any(int(side) < _PHONES_SCREEN for side in sides)


@cache
def _parser() -> Resolver:
    """Of its list of devices the crawlers alone: the thousand models of phones are of no use here."""
    agents, systems, devices = load_lazy_builtins()
    return Resolver(
        (agents, systems, [device for device in devices if getattr(device, "family", "") == "Spider"])
    )


def _system(family: str, user_agent: str, hints: Hints) -> str:
    os = "" if family == "Other" else _SYSTEMS.get(family, family)
    # An iPad says that it is a Mac, but Macs aren't touched; Chromium, which isn't on iPads, gives hints.
    touched = hints.touch and not hints.brands and "Safari/" in user_agent
    return "iOS" if os == "macOS" and (touched or _IOS_BROWSER.search(user_agent)) else os


def _device_type(user_agent: str, os: str, hints: Hints) -> str | None:
    if _TV.search(user_agent):
        return None
    if os == "iOS" and "Macintosh" in user_agent:
        return "mobile" if hints.small else "tablet"
    if _TABLET.search(user_agent):
        return "tablet"
    if hints.mobile == "?1" or _PHONE.search(user_agent) or os == "iOS":
        return "mobile"
    if os == "Android":
        # A browser on a phone says Mobile; what isn't a browser says nothing.
        return "tablet" if _is_browser(user_agent) else "mobile"
    return "desktop" if os in _DESKTOPS else None


def _browser(family: str, user_agent: str, brands: list[str]) -> str | None:
    known = next((_BRANDS[brand] for brand in brands if brand in _BRANDS), None)
    if known or not _is_browser(user_agent) or family == "Other":
        return known
    return _BROWSERS.get(family, family)[:50] or None


def _is_browser(user_agent: str) -> bool:
    """Apps and libraries name themselves; browsers still begin as they did in the nineties."""
    return user_agent.startswith(("Mozilla/", "Opera/"))
