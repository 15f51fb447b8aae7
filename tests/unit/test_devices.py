"""The device behind a request: by its user agent, by client hints, by touch; and what is no person's."""

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.session.devices import Device, Hints, device_of, hints_of

# Kind, browser, system, whether it is a bot (of which nothing else is asked), and the agent as it was sent.
ROWS = [
    line.split("\t")
    for line in Path(__file__).with_name("user_agents.tsv").read_text(encoding="utf-8").splitlines()
]
PERSONS = [(row[4], Device(row[0] or None, row[1] or None, row[2] or None)) for row in ROWS if not row[3]]
BOTS = [row[4] for row in ROWS if row[3]]
_KHTML = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
MAC_SAFARI = f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_KHTML} Version/18.5 Safari/605.1.15"
CHROME = "(KHTML, like Gecko) Chrome/142.0.0.0"
WINDOWS = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 {CHROME} Safari/537.36"
LINUX = f"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 {CHROME} Safari/537.36"
MAC_CHROME = f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 {CHROME} Safari/537.36"
IPAD = {"touch": True, "screen": {"width": 1024, "height": 1366}}


def seen(agent: str, context: object = None, **request: Any) -> Device:
    return device_of(agent, hints_of({"metadata": {"context": context}}, Hints(**request)))


def test_the_corpus_is_one() -> None:
    assert len(PERSONS) >= 60
    assert len(BOTS) >= 30
    assert len({row[4] for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize(("agent", "device"), PERSONS)
def test_a_persons_device_is_recognised(agent: str, device: Device) -> None:
    assert device_of(agent) == device


@pytest.mark.parametrize("agent", BOTS)
def test_a_bot_is_recognised(agent: str) -> None:
    assert device_of(agent).is_bot


# ── Touch ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "context",
    [
        {"touch": True},
        {"touch": 5},
        {"maxTouchPoints": 5},
        {"touch": True, "screen": {"width": 1024, "height": 1366}},
        {"touch": True, "screen": {"width": 744, "height": 1133}},
        {"touch": True, "screen": "1366x1024"},
        {"touch": True, "screen": None},
    ],
)
def test_a_mac_that_is_touched_is_an_ipad(context: dict[str, Any]) -> None:
    assert seen(MAC_SAFARI, context) == Device("tablet", "Safari", "iOS")


@pytest.mark.parametrize("screen", [{"width": 393, "height": 852}, "393x852", "852 x 393"])
def test_an_iphone_that_asks_for_desktop_pages_is_a_phone(screen: Any) -> None:
    assert seen(MAC_SAFARI, {"touch": 5, "screen": screen}) == Device("mobile", "Safari", "iOS")


@pytest.mark.parametrize(
    "context",
    [
        None,
        {},
        [],
        "touch",
        {"touch": False},
        {"touch": 0},
        {"touch": None},
        {"touch": "no"},
        {"touch": {}},
        {"maxTouchPoints": 0, "screen": {"width": 390, "height": 844}},
    ],
)
def test_a_mac_that_is_not_touched_is_a_mac(context: Any) -> None:
    assert seen(MAC_SAFARI, context) == Device("desktop", "Safari", "macOS")


def test_touch_makes_nothing_else_an_ipad() -> None:
    assert seen(WINDOWS, IPAD) == Device("desktop", "Chrome", "Windows")
    assert seen(LINUX, IPAD) == Device("desktop", "Chrome", "Linux")
    on_a_mac = seen(MAC_CHROME, IPAD, brands='"Google Chrome";v="142"', mobile="?0", platform='"macOS"')
    assert on_a_mac == Device("desktop", "Chrome", "macOS")


# ── Client hints ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("brands", "browser"),
    [
        ('"Chromium";v="142", "Google Chrome";v="142", "Not_A Brand";v="99"', "Chrome"),
        ('"Chromium";v="142", "Microsoft Edge";v="142", "Not_A Brand";v="99"', "Edge"),
        ('"Not(A:Brand";v="8", "Chromium";v="140", "Brave";v="140"', "Brave"),
        ('"Opera";v="125", "Not.A/Brand";v="8", "Chromium";v="141"', "Opera"),
        ('"Samsung Internet";v="29", "Chromium";v="136"', "Samsung Internet"),
        ('"Not \\"A Brand";v="8","Vivaldi";v="7"', "Vivaldi"),
        ('"Chromium";v="142"', "Chrome"),
        ("", "Chrome"),
        ("Brave", "Chrome"),
        ('"', "Chrome"),
    ],
)
def test_brands_say_more_than_an_agent_that_says_chrome(brands: str, browser: str) -> None:
    assert seen(WINDOWS, brands=brands).browser == browser
    parts = [{"brand": brand, "version": "1"} for brand in brands.split('"')[1::2]]
    if "\\" not in brands:
        assert seen(WINDOWS, {"userAgentData": {"brands": parts}}).browser == browser


def test_a_headless_browser_says_so_in_its_brands() -> None:
    assert seen(LINUX, brands='"HeadlessChrome";v="142", "Chromium";v="142"').is_bot
    assert not seen(LINUX, brands='"Google Chrome";v="142", "Chromium";v="142"').is_bot


@pytest.mark.parametrize(
    ("platform", "mobile", "device"),
    [
        ('"Windows"', "?0", Device("desktop", "Chrome", "Windows")),
        ('"Chrome OS"', "?0", Device("desktop", "Chrome", "Chrome OS")),
        ('"Chromium OS"', "?0", Device("desktop", "Chrome", "Chrome OS")),
        ('"Android"', "?1", Device("mobile", "Chrome", "Android")),
        ('"Android"', "?0", Device("tablet", "Chrome", "Android")),
        ('"Unknown"', "?0", Device("desktop", "Chrome", "Linux")),
        ('""', "", Device("desktop", "Chrome", "Linux")),
    ],
)
def test_hints_win_over_an_agent_that_hides_its_system(platform: str, mobile: str, device: Device) -> None:
    assert seen(LINUX, platform=platform, mobile=mobile) == device
    said = {"brands": [], "mobile": mobile == "?1", "platform": platform.strip('"')}
    # As Segment's libraries put it; their own word counts for more than that of the request.
    assert seen(LINUX, {"userAgentData": said}, platform='"macOS"', mobile="?0") == device


def test_what_a_server_says_of_a_device_is_not_mixed_with_its_own() -> None:
    record = {"user_agent": WINDOWS, "metadata": {"context": IPAD}}
    assert hints_of(record, Hints('"Brave";v="1"', "?1", '"Android"')) == Hints(touch=True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
CONTEXTS = st.fixed_dictionaries(
    {},
    optional={
        "touch": JSON,
        "maxTouchPoints": JSON,
        "screen": JSON | st.fixed_dictionaries({"width": JSON, "height": JSON}),
        "userAgentData": JSON
        | st.fixed_dictionaries(
            {}, optional={"brands": JSON | st.lists(JSON), "mobile": JSON, "platform": JSON}
        ),
    },
)


@given(
    JSON | CONTEXTS,
    st.text(st.characters(exclude_categories=()), max_size=200),
    st.sampled_from([MAC_SAFARI, LINUX, ""]),
    st.text(max_size=60),
)
def test_nothing_that_is_sent_breaks_it(context: Any, text: str, agent: str, hint: str) -> None:
    for device in (seen(agent, context), seen(text, context, brands=hint, mobile=hint, platform=hint)):
        assert isinstance(device, Device)
        assert all(
            len(said) <= 50 for said in (device.device_type, device.browser, device.os) if said is not None
        )
        assert device.browser != ""
        assert device.os != ""


@pytest.mark.parametrize(
    "one", ["\\", '"', "a", "(", "Mozilla/5.0 (", "Android ", "Mobile ", "bot", " ", "x" * 99 + "/"]
)
def test_a_hostile_agent_costs_no_time(one: str) -> None:
    started = time.process_time()
    device_of((one * 1000)[:1000], Hints(brands=(one * 300)[:300]))
    assert time.process_time() - started < 0.5
