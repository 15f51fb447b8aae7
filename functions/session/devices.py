"""From what is said of a device to its kind, its browser, its system, and whether it is a machine's."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, NamedTuple

from ua_parser.core import Device as Model
from ua_parser.core import Domain, Matcher
from ua_parser.lazy import DeviceMatcher
from ua_parser.loaders import load_lazy_builtins
from ua_parser.regex import Resolver

# What a device is, by the first of these that its agent has.
_KINDS = {
    # Automation that the parser takes for a person's browser, or doesn't know; not what apps are built with.
    "Spider": r"bot(?:\b|_)|crawl|spider|slurp|headless|lighthouse|phantomjs|puppeteer|playwright|selenium"
    r"|cypress|\b(?:curl|wget|httpie|postmanruntime|insomnia)/|python-requests|python-urllib|aiohttp|httpx"
    r"|go-http-client|libwww|scrapy|\bgot \(|node-fetch|axios/|facebookexternalhit|meta-externalagent"
    r"|-user/|google-extended|google-inspectiontool|googleother|mediapartners|feedfetcher|whatsapp/\d|embedly"
    r"|pingdom|uptime|statuscake|gtmetrix|datadog|site24x7|ia_archiver|bingpreview|uripreview",
    # Held in no hand, and on no desk.
    "Television": r"\b(?:smart-?tv|googletv|android ?tv|bravia|hbbtv|crkey|roku|aft[a-z]+)\b|web0s|appletv"
    r"|playstation|xbox|nintendo",
    # Not a Tablet PC, which is a desktop.
    "Tablet": r"ipad|tablet(?: [^p]|[^ ]|$)|\bsm-[txp]\d{3}|\btab\b|\bpad\b|kindle|\bkf[a-z]{2,}",
    "Phone": r"mobi|iphone|ipod|windows phone|kaios|blackberry|bb10|opera mini|dalvik",
}
# A maker of phones, whose name every list of crawlers catches.
_CUBOT = re.compile("cubot", re.IGNORECASE)
# On an iPad these claim to run on a Mac, where they don't exist.
_IOS_BROWSER = re.compile(r"\b(?:CriOS|FxiOS|EdgiOS|OPiOS|OPT|GSA|DuckDuckGo-iOS)/")
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


class Hints(NamedTuple):
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
    # The parser takes no lone surrogates.
    user_agent = _CUBOT.sub("phone", user_agent).encode(errors="replace").decode()
    said = _parser()(user_agent, Domain.ALL)
    brands = _BRAND.findall(hints.brands)
    os = _SYSTEMS.get(platform := hints.platform.strip('"'), platform)
    if not os or os == "Unknown":
        os = _system(said.os.family if said.os else "", user_agent, hints)
    kind = said.device.family if said.device else ""
    return Device(
        device_type=_device_type(kind, user_agent, os, hints),
        browser=_browser(said.user_agent.family if said.user_agent else "", user_agent, brands),
        os=os[:50] or None,
        is_bot=kind == "Spider" or "HeadlessChrome" in brands,
    )


def hints_of(record: Mapping[str, Any], request: Hints) -> Hints:
    """Of an event's own context, where a library put what it read in the page, else of its request."""
    hints = NO_HINTS if "user_agent" in record else request
    context = _object(_object(record.get("metadata")).get("context"))
    if "userAgentData" in context:
        hints = _hints(_object(context["userAgentData"])) or hints
    if _is_touched(context.get("touch")) or _is_touched(context.get("maxTouchPoints")):
        return hints._replace(touch=True, small=_is_small(context.get("screen")))
    return hints


def _hints(about: Mapping[str, Any]) -> Hints | None:
    """Of NavigatorUAData, as Segment's library sends it."""
    if not about:
        return None
    named = about.get("brands")
    brands = [_object(brand).get("brand") for brand in (named if isinstance(named, list) else [])[:10]]
    return Hints(
        brands=",".join(f'"{brand}"' for brand in brands)[:300],
        mobile="?1" if about.get("mobile") is True else "?0",
        platform=str(about.get("platform") or "")[:50],
    )


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
    kinds: list[Matcher[Model]] = [device for device in devices if "family='Spider'" in repr(device)]
    kinds += [DeviceMatcher(pattern, "i", family=kind) for kind, pattern in _KINDS.items()]
    return Resolver((agents, systems, kinds))


def _system(family: str, user_agent: str, hints: Hints) -> str:
    os = "" if family == "Other" else _SYSTEMS.get(family, family)
    # An iPad says that it is a Mac, but Macs aren't touched; Chromium, which isn't on iPads, gives hints.
    touched = hints.touch and not hints.brands and "Safari/" in user_agent
    return "iOS" if os == "macOS" and (touched or _IOS_BROWSER.search(user_agent)) else os


def _device_type(kind: str, user_agent: str, os: str, hints: Hints) -> str | None:
    if kind == "Television":
        return None
    if os == "iOS" and "Macintosh" in user_agent:
        return "mobile" if hints.small else "tablet"
    if kind == "Tablet":
        return "tablet"
    if hints.mobile == "?1" or kind == "Phone" or os == "iOS":
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
