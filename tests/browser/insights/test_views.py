"""Each view as it looks: on a desktop, in the dark and on a phone; and for who can't see it."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.insights.conftest import PHONE, Filled, Open, be_busy, settled
from tests.needing import PROJECT, missing

pytestmark = pytest.mark.xdist_group("insights")

AXE = PROJECT / "web/insights/node_modules/axe-core/axe.min.js"
NONSENSE = re.compile(r"undefined|\bnull\b|NaN|\[object|Invalid Date|Infinity")
CUT_OFF = """[...document.querySelectorAll("main *")]
  .filter((one) => one.getBoundingClientRect().right > innerWidth && !one.closest(".scroll"))
  .map((one) => one.outerHTML.slice(0, 80))"""
FUNNEL = "funnel?step=page%3A%2Fdemo%2F&step=type%3Acontent_interaction&step=content%3Aproject%2Flike"
VIEWS = {
    "live": "live",
    "people": "people?search=a",
    "person": "people/{person}",
    "activity": "activity",
    "sessions": "sessions",
    "funnel": FUNNEL,
    "retention": "retention",
    "paths": "paths",
    "content": "content",
    "recommendations": "recommendations",
    "health": "health",
}


@pytest.fixture(scope="module")
def axe() -> str:
    if not AXE.exists():
        missing("what the page is tested with; `make insights` brings it")
    return AXE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures are put: SCREENSHOTS, or a folder that is forgotten."""
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def faults(page: Page, axe: str) -> list[Any]:
    page.evaluate(axe)
    found = page.evaluate("axe.run()")
    return [
        (one["id"], one["help"], [node["html"][:120] for node in one["nodes"]][:3])
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]


def open_first_session(page: Page) -> None:
    page.locator(".session").first.click()
    expect(page.get_by_role("table", name="Events of the session")).to_be_visible()


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_is_whole_and_accessible(
    view: str, filled: Filled, looking: Open, axe: str, shots: Path
) -> None:
    if view == "live":
        be_busy(filled.stack)
    address = VIEWS[view].format(person=filled.person)
    with looking(address) as page:
        settled(page)
        expect(page).to_have_title(f"{page.locator('h1').inner_text()} · Footfall")
        page.screenshot(path=shots / f"{view}.png")
        if view == "person":
            open_first_session(page)
        assert not NONSENSE.search(page.locator("body").inner_text())
        if view != "health":
            expect(page.locator(".failure")).to_have_count(0)
        for name, scheme in (("desktop", "light"), ("dark", "dark")):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
            page.mouse.move(0, 0)
            assert faults(page, axe) == [], name
            page.screenshot(path=shots / f"{view}-{name}.png", full_page=True)
        page.emulate_media(color_scheme="light", reduced_motion="reduce")
        page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        assert page.evaluate(CUT_OFF) == []
        assert faults(page, axe) == [], "phone"
        page.screenshot(path=shots / f"{view}-phone.png", full_page=True)


def test_the_way_in_is_accessible(filled: Filled, page: Page, axe: str, shots: Path) -> None:
    page.goto(f"{filled.stack.url}/insights/")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    assert faults(page, axe) == []
    page.screenshot(path=shots / "sign-in.png")


def test_a_theme_that_was_chosen_stays(filled: Filled, looking: Open) -> None:
    with looking("live", color_scheme="light") as page:
        page.get_by_label("Colours").select_option("Dark")
        dark = "getComputedStyle(document.documentElement).backgroundColor"
        assert page.evaluate(dark) == "rgb(18, 20, 22)"
        page.reload()
        expect(page.locator("h1")).to_have_text("Live")
        assert page.evaluate(dark) == "rgb(18, 20, 22)"


def test_it_is_used_by_keys_alone(filled: Filled, looking: Open) -> None:
    with looking("sessions") as page:
        settled(page)
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the view")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("#main")).to_be_focused()
        chart = page.get_by_role("slider", name="Sessions a day")
        chart.focus()
        last = chart.get_attribute("aria-valuetext")
        page.keyboard.press("Home")
        first = chart.get_attribute("aria-valuetext")
        assert re.fullmatch(r"\d+ \w{3}: Sessions [\d,]+", first or "")
        assert first != last
        page.keyboard.press("ArrowRight")
        assert chart.get_attribute("aria-valuenow") == "1"
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        assert page.evaluate(outline) == "solid"


def test_on_a_phone_the_page_stays_where_it_was_scrolled_to(filled: Filled, looking: Open) -> None:
    with looking(f"people/{filled.person}", viewport=PHONE, has_touch=True, is_mobile=True) as page:
        settled(page)
        session = page.locator(".session").nth(2)
        session.scroll_into_view_if_needed()
        before = page.evaluate("scrollY")
        assert before > 500
        session.tap()
        expect(page.get_by_role("table", name="Events of the session")).to_be_visible()
        page.wait_for_timeout(1500)
        assert page.evaluate("scrollY") == before
        page.goto(f"{filled.stack.url}/insights/health")
        expect(page.locator("nav [aria-current]")).to_be_in_viewport()


def test_what_is_empty_says_what_to_do(filled: Filled, looking: Open) -> None:
    empty = "from=2020-01-01&to=2020-01-03"
    said = {
        f"activity?{empty}": "Choose a longer one",
        f"retention?{empty}": "Choose a longer one",
        f"content?{empty}": "Interactions tell of it",
        f"recommendations?{empty}": "No strategy has put anything",
        "people?search=nobody-at-all": "Ids must be whole",
        "people": "Look for somebody by the id",
        "people/nobody-at-all": "Is the id whole?",
        "funnel": "Which steps?",
    }
    for address, words in said.items():
        with looking(address) as page:
            expect(page.locator("main")).to_contain_text(words)
            settled(page)
            assert not NONSENSE.search(page.locator("body").inner_text())
