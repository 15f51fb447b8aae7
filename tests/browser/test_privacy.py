"""What isn't tracked, stored or passed on."""

import threading

import pytest
from playwright.sync_api import Page

from tests.browser.shop import Instead, Shop, busy
from tests.end_to_end.local_stack import LocalStack, eventually

pytestmark = pytest.mark.xdist_group("browser")

STORED = "Object.keys({...localStorage, ...sessionStorage}).sort().concat(document.cookie || [])"
GPC = "Object.defineProperty(navigator, 'globalPrivacyControl', {value: true})"
DNT = "Object.defineProperty(navigator, 'doNotTrack', {value: '1'})"
DO_THINGS = """([run, token]) => {
  tracker.trackPageView('/more'); tracker.trackAction(run, 'test');
  tracker.viewContent('project', 'p-1').end();
  tracker.trackContentInteraction('project', 'p-1', 'like'); tracker.identify(token, {name: 'Ann'});
}"""


def posted(shop: Shop) -> int:
    return len([one for one in shop.door.seen if one.method != "GET"])


@pytest.mark.parametrize("signal", [GPC, DNT], ids=["GPC", "DNT"])
def test_signals_are_honoured_by_default(
    page: Page, shop: Shop, stack: LocalStack, run: str, signal: str
) -> None:
    page.add_init_script(signal)
    page.goto(shop.url)
    page.evaluate(DO_THINGS, [run, stack.token(run)])
    page.wait_for_timeout(4000)
    assert page.evaluate(STORED) == []
    page.goto(f"{shop.url}/next")
    page.wait_for_timeout(500)
    assert posted(shop) == 0


SILENT = "/silent"
LATER = "(run) => tracker.trackAction(`${run}-later`, 'test')"


def leave_unsent(page: Page, shop: Shop, run: str) -> None:
    """An event in the store that the door has refused, and a minute in which no page may send it."""
    page.clock.install()
    shop.door.instead = busy(503, retry_after="60")
    page.goto(shop.url)
    page.evaluate("(run) => tracker.trackAction(run, 'test')", run)
    eventually(lambda: shop.door.tries(run))
    page.wait_for_function("localStorage.footfall_r > Date.now()")


def assert_kept_unsent(page: Page, shop: Shop, run: str) -> None:
    """Neither is it sent when this page has had its time."""
    shop.door.instead = lambda method, path: None
    page.clock.fast_forward(61_000)
    page.wait_for_timeout(1000)
    page.goto("about:blank")
    page.wait_for_timeout(300)
    assert shop.door.taken == []


@pytest.mark.parametrize("signal", [GPC, DNT], ids=["GPC", "DNT"])
def test_what_waits_is_sent_only_without_a_signal(page: Page, shop: Shop, run: str, signal: str) -> None:
    page.add_init_script(f"if (location.pathname === '{SILENT}') {signal}")
    leave_unsent(page, shop, run)
    page.goto(shop.url + SILENT)
    assert_kept_unsent(page, shop, run)
    page.goto(f"{shop.url}/later")
    eventually(lambda: shop.door.actions()[run] == 1)


def test_what_waits_is_sent_only_with_consent(page: Page, shop: Shop, run: str) -> None:
    leave_unsent(page, shop, run)
    shop.attributes = {"consent": ""}
    page.goto(shop.url + SILENT)
    assert_kept_unsent(page, shop, run)
    page.goto(f"{shop.url}/later")
    page.evaluate("tracker.optIn()")
    eventually(lambda: shop.door.actions()[run] == 1)


def test_what_waits_in_a_tab_is_forgotten_when_somebody_opts_out_in_another(
    page: Page, shop: Shop, stack: LocalStack, run: str
) -> None:
    leave_unsent(page, shop, run)
    page.evaluate("(token) => tracker.identify(token, {name: 'Ann'})", stack.token(run))
    page.evaluate("() => { window.view = tracker.viewContent('project', 'p-1') }")
    other = page.context.new_page()
    other.goto(f"{shop.url}/other")
    other.evaluate("tracker.optOut()")
    assert other.evaluate(STORED) == ["footfall_choice"]
    shop.door.instead = lambda method, path: None
    page.clock.fast_forward(61_000)
    page.wait_for_timeout(500)
    other.evaluate("tracker.optIn()")
    page.wait_for_function("localStorage.footfall_choice === 'in'")
    page.evaluate("view.end()")
    page.evaluate(LATER, run)
    page.evaluate("(token) => tracker.identify(token, {name: 'Later'})", stack.token(run))
    eventually(
        lambda: [post for post in shop.door.posts if post.path == "/v1/me/events" and post.status == 202]
    )
    assert [(e.get("event_action"), e.get("traits")) for e in shop.door.taken] == [
        (f"{run}-later", None),
        (None, {"name": "Later"}),
    ]


@pytest.mark.parametrize("signal", [GPC, DNT, "Object.defineProperty(navigator, 'doNotTrack', {value: '0'})"])
def test_a_site_may_say_otherwise(page: Page, shop: Shop, run: str, signal: str) -> None:
    shop.attributes = {"signals": "false"} if "'1'" in signal or "true" in signal else {}
    page.add_init_script(signal)
    page.goto(shop.url)
    eventually(lambda: shop.door.taken)


def test_without_consent_all_is_held_and_nothing_stored(
    page: Page, shop: Shop, stack: LocalStack, run: str
) -> None:
    shop.attributes = {"consent": ""}
    page.goto(shop.url)
    page.evaluate(DO_THINGS, [run, stack.token(run)])
    page.wait_for_timeout(4000)
    assert page.evaluate(STORED) == []
    assert posted(shop) == 0
    other = page.context.new_page()
    other.goto(f"{shop.url}/other")
    page.evaluate("tracker.optIn()")
    eventually(lambda: len([e for e in shop.door.taken if e.get("event_type") == "page_view"]) == 3)
    eventually(
        lambda: [post for post in shop.door.posts if post.path == "/v1/me/events" and post.status == 202]
    )
    assert run in shop.door.actions()
    assert len({e["anonymous_id"] for e in shop.door.taken}) == 1
    shop.door.seen.clear()
    page.goto(f"{shop.url}/later")
    eventually(lambda: "/later" in [e["page_path"] for e in shop.door.taken])


def test_what_was_done_before_a_refusal_is_forgotten(
    page: Page, shop: Shop, stack: LocalStack, run: str
) -> None:
    shop.attributes = {"consent": ""}
    page.clock.install()
    page.goto(shop.url)
    page.evaluate(DO_THINGS, [run, stack.token(run)])
    page.evaluate("() => { window.view = tracker.viewContent('project', 'p-2') }")
    page.clock.fast_forward(5000)
    page.evaluate("tracker.optOut()")
    page.evaluate("tracker.optIn()")
    page.evaluate("view.end()")
    assert_only_later(page, shop, run)


def assert_only_later(page: Page, shop: Shop, run: str) -> None:
    """Of what is tracked from now on, all arrives, and nothing of before."""
    now = page.evaluate("new Date().toISOString()")
    page.evaluate(LATER, run)
    page.evaluate("tracker.trackContentInteraction('project', 'p-1', 'like', 41)")
    page.evaluate("tracker.optIn()")
    eventually(lambda: f"{run}-later" in shop.door.actions())
    eventually(lambda: [e for e in shop.door.taken if e.get("duration_seconds") == 41])
    assert [e.get("event_action") for e in shop.door.taken] == [f"{run}-later", None]
    assert min(e["created_at"] for e in shop.door.taken) >= now


def test_what_is_held_at_a_logout_is_of_who_was_there_before(
    page: Page, shop: Shop, stack: LocalStack, run: str
) -> None:
    shop.attributes = {"consent": ""}
    page.goto(shop.url)
    page.evaluate(DO_THINGS, [run, stack.token(run)])
    page.evaluate("tracker.reset()")
    assert_only_later(page, shop, run)


def test_what_waits_for_the_start_outlives_a_reset(page: Page, shop: Shop, run: str) -> None:
    page.add_init_script("Object.defineProperty(document, 'prerendering', {value: true})")
    page.goto(shop.url)
    page.evaluate("(run) => { tracker.trackAction(run, 'test'); tracker.reset() }", run)
    page.evaluate("document.dispatchEvent(new Event('prerenderingchange'))")
    eventually(lambda: run in shop.door.actions())


def test_opting_out_leaves_the_choice_and_what_is_the_pages_own(page: Page, shop: Shop, run: str) -> None:
    shop.attributes = {"debug": ""}
    asked, opted_out = threading.Event(), threading.Event()

    def late(method: str, path: str) -> Instead | None:
        if method == "POST":
            asked.set()
            opted_out.wait(30)
        return busy(503, retry_after="60")(method, path)

    shop.door.instead = late
    page.goto(shop.url)
    assert asked.wait(30)
    page.evaluate("() => { localStorage.footfallish = localStorage.footfall_r = 'kept or not' }")
    page.evaluate("tracker.trackAction('a', 'test')")
    page.evaluate("tracker.optOut()")
    with page.expect_console_message(lambda said: "waiting" in said.text):
        opted_out.set()
    assert page.evaluate(STORED) == ["footfall_choice", "footfallish"]


def test_opting_out_while_a_token_is_on_its_way_leaves_no_visitor(
    page: Page, shop: Shop, stack: LocalStack, run: str
) -> None:
    shop.attributes = {"debug": ""}
    asked, opted_out = threading.Event(), threading.Event()

    def slowly(method: str, path: str) -> None:
        if (method, path) == ("POST", "/v1/me/events"):
            asked.set()
            opted_out.wait(30)

    shop.door.instead = slowly
    page.goto(shop.url)
    eventually(lambda: shop.door.taken)
    page.evaluate("(token) => tracker.identify(token)", stack.token(run))
    assert asked.wait(30)
    page.evaluate("tracker.optOut()")
    with page.expect_console_message(lambda said: "sent" in said.text):
        opted_out.set()
    assert page.evaluate(STORED) == ["footfall_choice"]


@pytest.mark.parametrize("attributes", [{}, {"storage": "memory"}], ids=["stored", "memory"])
def test_who_opts_out_leaves_nothing_and_stays_out(
    page: Page, shop: Shop, stack: LocalStack, run: str, attributes: dict[str, str]
) -> None:
    shop.attributes = attributes
    page.goto(shop.url)
    page.evaluate(DO_THINGS, [run, stack.token(run)])
    page.evaluate("window.view = tracker.viewContent('project', 'p-2')")
    page.evaluate("tracker.optOut()")
    page.wait_for_timeout(1100)
    page.evaluate(DO_THINGS, [run, stack.token(run)])
    page.evaluate("view.end()")
    page.wait_for_timeout(3500)
    shop.door.seen.clear()
    page.goto(f"{shop.url}/next")
    page.evaluate(DO_THINGS, [run, stack.token(run)])
    page.wait_for_timeout(4000)
    assert page.evaluate("Object.entries(localStorage)") == [["footfall_choice", "out"]]
    assert posted(shop) == 0
    page.evaluate("tracker.optIn()")
    page.evaluate("(run) => tracker.trackAction(run, 'test')", run)
    eventually(lambda: run in shop.door.actions())


ADDRESSES = {
    "/a?token=s&q=1": "/a?q=1",
    "/a?q=1&access_token=s": "/a?q=1",
    "/a?token=s&password=s#top": "/a#top",
    "/a?q=1&token=s&token=t&r=2#id_token=s&x=1": "/a?q=1&r=2#x=1",
    "/a#access_token=s": "/a",
    "/a?TOKEN=s": "/a",
    "/a?tokens=3&mytoken2=4": "/a?tokens=3&mytoken2=4",
}
NAMED = {
    ("utm_*, sid", "/a?utm_source=x&q=1&sid=7&utm_medium=y"): "/a?q=1",
    ("*", "/a?q=1&r=2#part"): "/a",
    ("user[id]", "/a?user[id]=7&q=1"): "/a?q=1",
    ("", "/a?token=s"): "/a?token=s",
    ("a.b", "/a?a.b=1&axb=2"): "/a?axb=2",
}


@pytest.mark.parametrize(
    ("strip", "address", "kept"),
    [(None, address, kept) for address, kept in ADDRESSES.items()]
    + [(strip, address, kept) for (strip, address), kept in NAMED.items()],
)
def test_addresses_lose_the_parameters_that_settings_name(
    page: Page, shop: Shop, strip: str | None, address: str, kept: str
) -> None:
    shop.attributes = {} if strip is None else {"strip": strip}
    shop.has_tag = False
    page.goto(f"{shop.url}{address}")
    shop.has_tag = True
    page.evaluate("() => { document.body.innerHTML = '<a href=/b>on</a>' }")
    page.evaluate("() => document.querySelector('a').referrerPolicy = 'unsafe-url'")
    page.evaluate(
        "(tag) => document.head.append(document.createRange().createContextualFragment(tag))", shop.tag
    )
    page.wait_for_function("window.tracker")
    page.click("a")
    page.wait_for_url("**/b")
    eventually(lambda: {e["page_path"] for e in shop.door.taken} >= {"/a"})
    eventually(lambda: [e for e in shop.door.taken if e["page_path"] == "/b"])
    said = {e["page_path"]: e for e in shop.door.taken}
    assert said["/a"]["metadata"]["url"] == f"{shop.url}{kept}"
    # Browsers say no fragment of where somebody came from.
    assert said["/b"]["referrer"] == f"{shop.url}{kept}".partition("#")[0]


TOOLS = """
  window.told = [];
  const tell = (tool) => (...words) => {
    told.push(JSON.stringify([tool, ...words]));
    words.forEach((word) => { if (word.metadata) word.metadata.changed = true });
    throw new Error('theirs');
  };
  window.posthog = {capture: tell('posthog')};
  window.mixpanel = {track: tell('mixpanel')};
  window.gtag = tell('gtag');
"""


def test_other_analytics_are_told_what_happened_but_not_to_whom(
    page: Page, shop: Shop, stack: LocalStack, run: str
) -> None:
    token = stack.token(run)
    page.add_init_script(TOOLS)
    page.goto(shop.url)
    page.evaluate("(run) => tracker.trackAction('search', run, {query: 'rust'})", run)
    page.evaluate("tracker.trackContentInteraction('project', 'p-1', 'like')")
    page.evaluate("([token]) => tracker.identify(token, {name: 'Ann Lee'})", [token])
    eventually(lambda: len(shop.door.taken) >= 3)
    eventually(lambda: [post for post in shop.door.posts if post.path == "/v1/me/events"])
    told: list[str] = page.evaluate("told")
    secrets = {shop.door.taken[0]["anonymous_id"], shop.door.taken[0]["session_id"], token, "Ann Lee"}
    assert not [secret for secret in secrets if secret in "".join(told)]
    names = ["page_view", "user_action", "content_interaction"]
    assert [said.split(",")[:2] for said in told if "posthog" in said] == [
        ['["posthog"', f'"{name}"'] for name in names
    ]
    assert len([said for said in told if '["mixpanel"' in said]) == 3
    assert [said.split(",")[:3] for said in told if '["gtag"' in said] == [
        ['["gtag"', '"event"', f'"{name}"'] for name in names
    ]
    assert all('"event_category":"' + run in said for said in told if '"search"' in said)
    assert [e["metadata"] for e in shop.door.taken if e.get("event_action") == "search"] == [
        {"query": "rust"}
    ]


def test_other_analytics_can_be_left_alone(page: Page, shop: Shop, run: str) -> None:
    shop.attributes = {"forward": "false"}
    page.add_init_script(TOOLS)
    page.goto(shop.url)
    eventually(lambda: shop.door.taken)
    assert page.evaluate("told") == []
