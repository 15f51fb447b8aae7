"""What the tracker sees by itself, sessions, and pages that are unlike others."""

import re
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.shop import Json, Shop
from tests.end_to_end.local_stack import eventually

pytestmark = pytest.mark.xdist_group("browser")


def views(shop: Shop) -> list[str]:
    found = [event for event in shop.door.taken if event.get("event_type") == "page_view"]
    unique = {event["id"]: event for event in found}
    return [event["page_path"] for event in sorted(unique.values(), key=lambda event: event["created_at"])]


def settled(page: Page, shop: Shop) -> list[str]:
    """The page views, once nothing more comes."""
    page.wait_for_timeout(3500)
    eventually(lambda: shop.door.taken)
    return views(shop)


def events(shop: Shop, action: str) -> list[Json]:
    return [event for event in shop.door.taken if event.get("event_action") == action]


# Page views ────────────────────────────────────────────────────────────────────────────────────────


def test_each_navigation_is_one_page_view(page: Page, shop: Shop) -> None:
    page.goto(f"{shop.url}/first")
    for step in (
        "history.pushState({}, '', '/second')",
        "history.pushState({}, '', '/second?tab=2')",
        "history.replaceState({}, '', '/second?tab=3#top')",
        "history.replaceState({}, '', '/third')",
        "() => { history.pushState({}, '', '/redirect'); history.replaceState({}, '', '/fourth') }",
        "() => { history.pushState({}, '', '/fifth'); tracker.trackPageView() }",
        "() => { history.pushState({}, '', '/sixth'); setTimeout(() => tracker.trackPageView(), 50) }",
        "history.back()",
    ):
        page.evaluate(step)
        page.wait_for_timeout(150)
    page.evaluate("tracker.trackPageView()")
    page.evaluate("tracker.trackPageView('/virtual')")
    paths = settled(page, shop)
    assert paths == ["/first", "/second", "/third", "/fourth", "/fifth", "/sixth", "/fifth", "/virtual"]


def test_a_view_has_title_address_and_where_it_came_from(page: Page, shop: Shop) -> None:
    page.goto(f"{shop.url}/first?q=1")
    page.evaluate("() => { history.pushState({}, '', '/second'); document.title = 'Second' }")
    settled(page, shop)
    page.evaluate("location.href = '/third'")
    page.wait_for_url("**/third")
    settled(page, shop)
    found = {event["page_path"]: (event["referrer"], event["metadata"]) for event in shop.door.taken}
    assert found == {
        "/first": ("", {"title": "Page /first", "url": f"{shop.url}/first?q=1"}),
        "/second": (f"{shop.url}/first?q=1", {"title": "Second", "url": f"{shop.url}/second"}),
        "/third": (f"{shop.url}/second", {"title": "Page /third", "url": f"{shop.url}/third"}),
    }


def test_a_script_that_is_not_deferred_waits_for_the_title(page: Page, shop: Shop) -> None:
    shop.has_tag, shop.head = False, shop.tag.replace("defer ", "")
    shop.body = "<script>document.title = 'Late'</script>"
    page.goto(shop.url)
    assert [event["metadata"]["title"] for event in eventually(lambda: shop.door.taken)] == ["Late"]


def test_fragments_are_paths_where_they_are_said_to_be(page: Page, shop: Shop) -> None:
    shop.attributes = {"hash": ""}
    page.goto(f"{shop.url}/app#/inbox")
    page.evaluate("location.hash = '/sent'")
    assert settled(page, shop) == ["/app#/inbox", "/app#/sent"]


def test_without_auto_only_calls_count(page: Page, shop: Shop, run: str) -> None:
    shop.attributes = {"auto": "false"}
    page.goto(shop.url)
    page.evaluate("history.pushState({}, '', '/second')")
    page.evaluate("(run) => tracker.trackAction(run, 'test')", run)
    assert settled(page, shop) == []


def test_a_page_from_the_back_forward_cache_is_viewed_again(page: Page, shop: Shop) -> None:
    page.goto(f"{shop.url}/first")
    page.evaluate("window.isTheSame = true")
    page.wait_for_timeout(3500)
    page.goto(f"{shop.url}/second")
    page.wait_for_timeout(3500)
    page.go_back(wait_until="commit")
    page.wait_for_timeout(500)
    assert page.evaluate("window.isTheSame"), "Chromium hasn't kept the page"
    assert settled(page, shop) == ["/first", "/second", "/first"]


PRERENDERING = """<script type="speculationrules">
  {"prerender": [{"source": "list", "urls": ["/next", "/never"], "eagerness": "immediate"}]}
</script>"""
GO_ON = """<script>
  const say = () => setTimeout(() => {
    tracker.trackAction('seen', 'test', {at: performance.getEntriesByType('navigation')[0].activationStart});
  }, 200);
  if (location.pathname == '/first') setTimeout(() => { location.href = '/next' }, 4000);
  else document.addEventListener('prerenderingchange', say);
</script>"""


def test_a_prerendered_page_counts_once_it_is_seen(
    shop: Shop, launching: dict[str, Any], tmp_path: Path
) -> None:
    shop.head, shop.body = PRERENDERING, GO_ON
    # No page is prerendered in a browser that Playwright has started.
    options = [
        "--headless=new",
        f"--user-data-dir={tmp_path}",
        "--remote-debugging-port=0",
        f"{shop.url}/first",
    ]
    command = [launching["executable_path"], *launching["args"], *options]
    with subprocess.Popen(
        command, env=launching["env"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as chromium:
        try:
            [seen] = eventually(lambda: events(shop, "seen"))
            time.sleep(1)
        finally:
            chromium.terminate()
    assert seen["metadata"]["at"] > 3000
    assert views(shop) == ["/first", "/next"]


def test_events_tell_of_the_screen_and_the_time_zone(browser: Browser, shop: Shop) -> None:
    with browser.new_context(
        viewport={"width": 390, "height": 664},
        screen={"width": 390, "height": 844},
        has_touch=True,
        timezone_id="Asia/Kathmandu",
    ) as phone:
        phone.new_page().goto(shop.url)
        [event] = eventually(lambda: shop.door.taken)
    assert event["time_zone"] in {"Asia/Kathmandu", "Asia/Katmandu"}
    touch = event["context"].pop("touch")
    assert (event["context"], touch > 0) == ({"viewport": "390x664", "screen": "390x844"}, True)


def test_clicks_on_links_out_and_on_marked_elements(page: Page, shop: Shop) -> None:
    shop.attributes = {"outbound": "", "clicks": ""}
    shop.body = """
      <a href="/inside">in</a><a href="mailto:a@b.example">mail</a>
      <a href="http://elsewhere.example/?token=secret&page=1"><b>out</b></a>
      <button data-track="save_job" data-track-category="jobs" data-job="j-1"><i>save</i></button>
      <button data-track="plain">plain</button><button>nothing</button>
      <script>
        for (const name of ['click', 'auxclick']) addEventListener(name, (event) => event.preventDefault());
      </script>"""
    page.goto(shop.url)
    page.evaluate("tracker.init({})")
    for text in ("in", "mail", "out", "save", "plain", "nothing"):
        page.click(f"text=/^{text}$/")
    page.click("text=save", button="right")
    page.click("text=out", button="middle")
    settled(page, shop)
    found = [
        (event["event_action"], event["event_category"], event["metadata"])
        for event in shop.door.taken
        if event["event_type"] == "user_action"
    ]
    assert found == [
        ("outbound_click", "navigation", {"url": "http://elsewhere.example/?page=1"}),
        ("save_job", "jobs", {"job": "j-1"}),
        ("plain", "engagement", {}),
        ("outbound_click", "navigation", {"url": "http://elsewhere.example/?page=1"}),
    ]


def test_clicks_are_nobodys_business_by_default(page: Page, shop: Shop) -> None:
    shop.body = (
        "<button data-track=save>save</button><a href='http://elsewhere.example/' target=_blank>out</a>"
    )
    page.goto(shop.url)
    page.click("text=save")
    assert settled(page, shop) == ["/"]
    assert len(shop.door.taken) == 1


# Sessions ──────────────────────────────────────────────────────────────────────────────────────────


def act(page: Page, action: str) -> Json:
    """What was queued for the action."""
    found: Json = page.evaluate(
        """(action) => {
          tracker.trackAction(action, 'test');
          return Object.entries(localStorage).filter(([key]) => key.startsWith('footfall_e_'))
            .map(([, text]) => JSON.parse(text)).find((event) => event.event_action === action);
        }""",
        action,
    )
    return found


def rest(page: Page, minutes: float) -> None:
    """As if the last event were that long ago."""
    page.evaluate(
        """(minutes) => {
          const visitor = JSON.parse(localStorage.footfall);
          localStorage.footfall = JSON.stringify({...visitor, at: visitor.at - minutes * 60_000});
        }""",
        minutes,
    )


def test_a_session_ends_with_thirty_minutes_without_activity(page: Page, shop: Shop, run: str) -> None:
    page.goto(shop.url)
    first = act(page, "a")
    rest(page, 29)
    second = act(page, "b")
    rest(page, 29)
    third = act(page, "c")
    rest(page, 31)
    fourth = act(page, "d")
    sessions = [event["session_id"] for event in (first, second, third, fourth)]
    assert len(set(sessions[:3])) == 1
    assert sessions[3] != sessions[0]
    assert len({event["anonymous_id"] for event in (first, second, third, fourth)}) == 1


def test_reloads_and_tabs_share_visitor_and_session(context: BrowserContext, shop: Shop) -> None:
    page = context.new_page()
    page.goto(shop.url)
    first = act(page, "a")
    page.reload()
    other = context.new_page()
    other.goto(f"{shop.url}/other")
    for event in (act(page, "b"), act(other, "c")):
        assert event["session_id"] == first["session_id"]
        assert event["anonymous_id"] == first["anonymous_id"]
    version = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    assert re.fullmatch(version, first["id"])
    assert re.fullmatch(version, first["anonymous_id"])


def test_a_visitor_in_memory_leaves_nothing_in_the_browser(page: Page, shop: Shop, run: str) -> None:
    shop.attributes = {"storage": "memory"}
    for _ in range(2):
        page.goto(shop.url)
        page.evaluate("(run) => { tracker.trackAction(run, 'a'); tracker.trackAction(run, 'b') }", run)
        assert page.evaluate("localStorage.length + sessionStorage.length") == 0
    settled(page, shop)
    found = events(shop, run)
    assert len(found) == 4
    visitors = Counter((event["anonymous_id"], event["session_id"]) for event in found)
    assert sorted(visitors.values()) == [2, 2]


# Browsers that refuse ──────────────────────────────────────────────────────────────────────────────

BROKEN = {
    "no storage": "Object.defineProperty(window, 'localStorage', {get() { throw new Error('no') }})",
    "null storage": "Object.defineProperty(window, 'localStorage', {value: null})",
    "full storage": "Storage.prototype.setItem = () => { throw new Error('QuotaExceededError') }",
    "no locks": "Object.defineProperty(navigator, 'locks', {value: undefined})",
    "refused locks": "navigator.locks.request = () => Promise.reject(new Error('SecurityError'))",
    "no beacon, no keepalive": "delete Request.prototype.keepalive; delete Navigator.prototype.sendBeacon",
    "somebody else's words": "localStorage.footfall = '{oh'; localStorage.footfall_e_x = 'no'",
    "no timeouts": "delete AbortSignal.timeout",
    "a network that it denies": "Object.defineProperty(navigator, 'onLine', {value: false})",
    "refused beacon, no keepalive": "delete Request.prototype.keepalive; navigator.sendBeacon = () => false",
}


@pytest.mark.parametrize("broken", BROKEN)
def test_what_a_browser_lacks_stops_neither_page_nor_events(
    page: Page, shop: Shop, run: str, broken: str
) -> None:
    page.add_init_script(BROKEN[broken])
    page.goto(shop.url)
    page.evaluate("(run) => tracker.trackAction(run, 'test')", run)
    eventually(lambda: len(events(shop, run)) == 1)
    page.evaluate("() => { tracker.trackAction('last', 'test') }")
    shop.has_tag = False
    page.goto(f"{shop.url}/next")
    eventually(lambda: events(shop, "last"), 5)
    assert len(events(shop, run)) == 1


def test_a_full_store_makes_room_for_nobody_and_loses_nothing(page: Page, shop: Shop, run: str) -> None:
    page.goto(shop.url)
    fill = """() => { for (let size = 4e6; size >= 1; size /= 2)
      try { for (let i = 0; ; i++) localStorage[`theirs ${size} ${i}`] = 'x'.repeat(size) } catch {} }"""
    page.evaluate(fill)
    theirs = "Object.keys(localStorage).filter((key) => key.startsWith('theirs')).length"
    before = page.evaluate(theirs)
    page.evaluate("(run) => { for (let i = 0; i < 40; i++) tracker.trackAction(run, `n ${i}`) }", run)
    eventually(lambda: len(events(shop, run)) == 40)
    assert page.evaluate(theirs) == before


HOSTILE = """async () => {
  const circle = {}; circle.itself = circle;
  const trap = {get boom() { throw new Error('boom') }};
  const results = await Promise.all([
    tracker.track(), tracker.track(null), tracker.track({}), tracker.track({eventType: circle}),
    tracker.trackAction('a', 'b', circle), tracker.trackAction('a', 'b', trap),
    tracker.trackAction('a', 'b', 1n),
    tracker.trackAction('a', 'b', [1]), tracker.trackAction('a', 'b', '\\ud800\\u0000'),
    tracker.trackAction(Symbol('a'), () => {}), tracker.trackPageView(7), tracker.trackPageView({}),
    tracker.trackContentInteraction(), tracker.trackContentInteraction(circle, trap, 1, NaN),
    tracker.trackContentInteraction('project', 'p', 'view', 'long'),
    tracker.identify(), tracker.identify(7, circle),
    tracker.init({}), tracker.init(), tracker.reset('x'), tracker.optIn('y'),
  ]);
  tracker.viewContent().end();
  const view = tracker.viewContent(circle, circle, 7);
  view.end(); view.end();
  return results.every((result) => result === undefined);
}"""


def test_no_call_ever_throws_and_good_events_come_through(page: Page, shop: Shop, run: str) -> None:
    page.goto(shop.url)
    assert page.evaluate(HOSTILE) is True
    page.evaluate("(run) => tracker.trackAction(run, 'test')", run)
    eventually(lambda: events(shop, run))
    assert {"value": [1]} in [event.get("metadata") for event in shop.door.taken]


def test_calls_do_not_keep_the_page_waiting(page: Page, shop: Shop, run: str) -> None:
    page.goto(shop.url)
    spent: Any = page.evaluate(
        """() => {
          const begin = performance.now();
          for (let i = 0; i < 200; i++) tracker.trackAction('quick', 'test', {note: 'x'.repeat(200)});
          return (performance.now() - begin) / 200;
        }"""
    )
    print(f"{spent:.3f} ms a call")
    assert spent < 2
