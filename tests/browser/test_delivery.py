"""What was tracked arrives, once, whatever becomes of the page, the network or the server."""

import itertools
import json
import os
import signal
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Playwright

from tests.browser.conftest import Database
from tests.browser.shop import Door, Shop, busy, once
from tests.end_to_end.local_stack import LocalStack, eventually

pytestmark = pytest.mark.xdist_group("browser")

INTERVAL = 1
ORPHANED = 10
# What a page may have on its way when it closes.
QUOTA = 64 * 1024
NO_KEEPALIVE = """
  delete Request.prototype.keepalive;
  const real = fetch;
  window.fetch = (address, options) => real(address, {...options, keepalive: false});
"""
NO_LOCKS = "Object.defineProperty(navigator, 'locks', {value: undefined})"
REFUSED_LOCKS = "navigator.locks.request = () => Promise.reject(new Error('SecurityError'))"
BEACONS = """
  window.beacons = [];
  const beacon = navigator.sendBeacon.bind(navigator);
  navigator.sendBeacon = (address, body) => { beacons.push(body); return beacon(address, body) };
"""
HOUR = 3_600_000


def act(page: Page, *actions: str, metadata: object = None) -> None:
    page.evaluate(
        "([actions, data]) => actions.forEach((it) => tracker.trackAction(it, 'test', data))",
        [actions, metadata],
    )


def numbered(run: str, count: int) -> list[str]:
    return [f"{run}-{number}" for number in range(count)]


def arrived(shop: Shop, action: str) -> bool:
    return action in shop.door.actions()


def queue(page: Page) -> list[dict[str, Any]]:
    """What the browser keeps, oldest first."""
    stored = page.evaluate(
        "Object.entries(localStorage).filter(([key]) => key.startsWith('footfall_e_')).sort()"
    )
    return [json.loads(text) for _, text in stored]


def rows(database: Database, run: str) -> Counter[str]:
    found = database.execute(
        "SELECT event_action FROM user_activities WHERE event_action LIKE %s", (f"{run}%",)
    ).fetchall()
    return Counter(str(action) for (action,) in found)


def assert_stored(database: Database, run: str, actions: list[str], within: float = 60) -> None:
    """Exactly these are rows, each once, and the session counts each once."""
    eventually(lambda: len(rows(database, run)) >= len(actions), within)
    assert rows(database, run) == Counter(actions)
    counted = database.execute(
        "SELECT sum(actions_count) FROM user_sessions WHERE id IN"
        " (SELECT session_id FROM user_activities WHERE event_action LIKE %s)",
        (f"{run}%",),
    ).fetchone()
    assert counted == (len(actions),)


# Batches ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_few_events_go_together_after_a_second_without_a_preflight(
    page: Page, shop: Shop, run: str
) -> None:
    page.goto(shop.url)
    begin = time.monotonic()
    act(page, *numbered(run, 5))
    [post] = eventually(lambda: shop.door.posts)
    assert INTERVAL - 0.5 < post.at - begin < INTERVAL + 2
    assert len(post.events) == 6
    assert post.headers["content-type"] == "text/plain;charset=UTF-8"
    assert not {"cookie", "authorization"} & post.headers.keys()
    assert {one.method for one in shop.door.seen} == {"GET", "POST"}


def test_many_events_go_at_once(page: Page, shop: Shop, run: str) -> None:
    page.goto(shop.url)
    begin = time.monotonic()
    act(page, *numbered(run, 30))
    assert eventually(lambda: shop.door.posts)[0].at - begin < 1
    eventually(lambda: shop.door.actions() >= Counter(numbered(run, 30)))


def test_a_hidden_page_sends_at_once_and_only_once(page: Page, shop: Shop, run: str) -> None:
    page.goto(shop.url)
    act(page, f"{run}-before")
    page.evaluate(HIDE)
    eventually(lambda: f"{run}-before" in shop.door.actions(), 2)
    act(page, f"{run}-behind")
    eventually(lambda: f"{run}-behind" in shop.door.actions(), 2)
    page.evaluate(SHOW)
    page.wait_for_timeout((INTERVAL + 1) * 1000)
    assert set(shop.door.actions().values()) == {1}
    assert queue(page) == []


HIDE = """() => {
  Object.defineProperty(document, 'visibilityState', {value: 'hidden', configurable: true});
  document.dispatchEvent(new Event('visibilitychange', {bubbles: true}));
}"""
SHOW = """() => {
  delete document.visibilityState;
  document.dispatchEvent(new Event('visibilitychange', {bubbles: true}));
}"""


# The last moment ───────────────────────────────────────────────────────────────────────────────────


def leave_by(way: str, page: Page, shop: Shop, action: str) -> None:
    call = f"tracker.trackAction('{action}', 'test')"
    if way == "close":
        page.evaluate(call)
        page.close(run_before_unload=False)
    elif way == "link":
        page.evaluate(f"() => {{ {call}; location.href = '/elsewhere' }}")
    elif way == "late listener":
        page.evaluate(f"() => addEventListener('visibilitychange', () => {call})")
        page.goto(f"{shop.url}/elsewhere")
    elif way == "click on a link":
        page.evaluate("() => document.body.innerHTML = '<a href=/elsewhere>go</a>'")
        page.evaluate(f"() => document.querySelector('a').onclick = () => {{ {call} }}")
        page.click("a")


@pytest.mark.parametrize("how", ["", NO_KEEPALIVE], ids=["keepalive", "beacon"])
@pytest.mark.parametrize("way", ["close", "link", "late listener", "click on a link"])
def test_what_is_tracked_right_before_the_page_goes_arrives_without_another_visit(
    context: BrowserContext, shop: Shop, database: Database, run: str, way: str, how: str
) -> None:
    actions = numbered(run, 4)
    for action in actions:
        page = context.new_page()
        page.add_init_script(how)
        page.goto(shop.url)
        # A request that dies with its page would be through, if the network were as near as here.
        slow = {"offline": False, "latency": 300, "downloadThroughput": -1, "uploadThroughput": -1}
        context.new_cdp_session(page).send("Network.emulateNetworkConditions", slow)
        # Where it leads to there is no tracker that could send what this one left.
        shop.has_tag = False
        leave_by(way, page, shop, action)
        eventually(partial(arrived, shop, action), 5)
        # The next page with a tracker will send it again if that isn't soon: nobody heard the answer.
        assert shop.door.actions()[action] == 1
        page.close()
        shop.has_tag = True
    assert_stored(database, run, actions)


@pytest.mark.parametrize("how", ["", NO_KEEPALIVE], ids=["keepalive", "beacon"])
def test_what_the_server_refused_of_a_closing_page_is_sent_by_the_next(
    context: BrowserContext, shop: Shop, database: Database, run: str, how: str
) -> None:
    context.add_init_script(how)
    page = context.new_page()
    page.goto(shop.url)
    shop.door.instead = busy(503)
    shop.has_tag = False
    leave_by("link", page, shop, run)
    eventually(lambda: shop.door.posts)
    shop.door.instead = lambda method, path: None
    shop.has_tag = True
    context.new_page().goto(shop.url)
    assert_stored(database, run, [run])


def test_what_a_navigation_left_in_doubt_is_sent_again_and_counts_once(
    page: Page, shop: Shop, database: Database, run: str
) -> None:
    page.goto(shop.url)
    leave_by("link", page, shop, f"{run}-left")
    page.wait_for_url("**/elsewhere")
    eventually(lambda: shop.door.actions()[f"{run}-left"] == 2, ORPHANED + INTERVAL + 5)
    eventually(lambda: queue(page) == [])
    assert_stored(database, run, [f"{run}-left"])


def test_where_fetch_can_keep_alive_no_beacon_is_used(page: Page, shop: Shop, run: str) -> None:
    page.add_init_script(BEACONS)
    page.goto(shop.url)
    act(page, run)
    page.evaluate(HIDE)
    eventually(lambda: run in shop.door.actions())
    assert page.evaluate("beacons") == []


def test_elsewhere_a_beacon_is_used_at_unload_and_what_went_by_it_is_on_its_way_for_a_while(
    page: Page, shop: Shop, database: Database, run: str
) -> None:
    page.add_init_script(NO_KEEPALIVE + BEACONS)
    page.clock.install()
    page.goto(shop.url)
    act(page, f"{run}-seen")
    eventually(lambda: f"{run}-seen" in shop.door.actions())
    assert page.evaluate("beacons") == []
    act(page, f"{run}-hidden")
    page.evaluate(HIDE)
    page.evaluate(SHOW)
    assert len(page.evaluate("beacons")) == 1
    # Meanwhile what is new goes as ever.
    for turn in range(2):
        act(page, f"{run}-{turn}")
        page.clock.fast_forward(2000)
        eventually(partial(arrived, shop, f"{run}-{turn}"))
    assert shop.door.tries(f"{run}-hidden") == 1
    page.clock.fast_forward(ORPHANED * 1000)
    eventually(lambda: shop.door.tries(f"{run}-hidden") == 2)
    assert len(page.evaluate("beacons")) == 1
    eventually(lambda: queue(page) == [])
    assert_stored(database, run, [f"{run}-seen", f"{run}-hidden", *numbered(run, 2)])


def test_what_does_not_fit_into_the_last_request_waits_for_the_next_page(
    context: BrowserContext, shop: Shop, database: Database, run: str
) -> None:
    page = context.new_page()
    page.goto(shop.url)
    actions = numbered(run, 15)
    act(page, *actions, metadata={"note": "ü" * 5000})
    page.close()
    eventually(lambda: shop.door.posts)
    time.sleep(1)
    early = set(shop.door.actions()) & set(actions)
    assert 0 < len(early) < 15
    assert all(len(post.body) < QUOTA for post in shop.door.posts)
    context.new_page().goto(shop.url)
    assert_stored(database, run, actions)
    assert all(len(post.body) < QUOTA for post in shop.door.posts)


def test_an_event_larger_than_a_last_request_is_sent_while_there_is_time(
    page: Page, shop: Shop, database: Database, run: str
) -> None:
    page.goto(shop.url)
    act(page, f"{run}-before")
    act(page, f"{run}-large", metadata={"note": "x" * 200_000})
    act(page, f"{run}-small")
    assert_stored(database, run, [f"{run}-before", f"{run}-large", f"{run}-small"])
    [alone] = [post.events for post in shop.door.posts if len(post.body) > QUOTA]
    assert [event["event_action"] for event in alone] == [f"{run}-large"]
    assert queue(page) == []


def test_an_event_larger_than_the_whole_queue_is_dropped_and_nothing_beside_it(
    page: Page, shop: Shop, run: str
) -> None:
    shop.door.instead = busy(503)
    page.goto(shop.url)
    act(page, f"{run}-before")
    act(page, f"{run}-huge", metadata={"note": "x" * 1_000_000})
    act(page, f"{run}-behind")
    kept = {event["event_action"] for event in queue(page)}
    assert kept == {"view", f"{run}-before", f"{run}-behind"}
    shop.door.instead = lambda method, path: None
    eventually(lambda: shop.door.actions().keys() >= {f"{run}-before", f"{run}-behind"})
    assert shop.door.tries(f"{run}-huge") == 0


# Without a network ─────────────────────────────────────────────────────────────────────────────────


def test_two_hundred_events_offline_over_a_restart_of_the_browser_arrive_once(
    playwright: Playwright,
    launching: dict[str, Any],
    tmp_path: Path,
    shop: Shop,
    database: Database,
    run: str,
) -> None:
    actions = numbered(run, 200)
    with playwright.chromium.launch_persistent_context(tmp_path, **launching) as first:
        page = first.new_page()
        page.goto(shop.url)
        eventually(lambda: queue(page) == [] and shop.door.posts)
        first.set_offline(True)
        act(page, *actions[:120])
        page.wait_for_timeout(500)
        act(page, *actions[120:])
        page.wait_for_timeout(1500)
        assert len(queue(page)) == 200
    assert shop.door.actions().keys().isdisjoint(actions)
    with playwright.chromium.launch_persistent_context(tmp_path, **launching) as second:
        page = second.new_page()
        page.goto(shop.url)
        assert_stored(database, run, actions)
        eventually(lambda: queue(page) == [])
    sent = shop.door.actions()
    assert {sent[action] for action in actions} == {1}


def test_it_sends_as_soon_as_the_network_is_back(page: Page, shop: Shop, run: str) -> None:
    page.goto(shop.url)
    page.context.set_offline(True)
    act(page, run)
    page.wait_for_timeout((INTERVAL + 1) * 1000)
    assert shop.door.posts == []
    page.context.set_offline(False)
    eventually(lambda: run in shop.door.actions(), 2)


def test_the_queue_has_a_limit_in_events_and_drops_the_oldest(page: Page, shop: Shop, run: str) -> None:
    page.goto(shop.url)
    page.context.set_offline(True)
    act(page, *numbered(run, 1100))
    eventually(lambda: len(queue(page)) <= 1000)
    kept = [event["event_action"] for event in sorted(queue(page), key=lambda event: event["sequence"])]
    assert kept[-1] == f"{run}-1099"
    assert len(kept) == 1000


def test_the_queue_has_a_limit_in_size(page: Page, shop: Shop, run: str) -> None:
    page.goto(shop.url)
    page.context.set_offline(True)
    for action in numbered(run, 60):
        act(page, action, metadata={"note": "x" * 20_000})
    size = "Object.entries(localStorage).reduce((sum, [, text]) => sum + text.length, 0)"
    eventually(lambda: 900_000 < page.evaluate(size) < 1_001_000)
    kept = {event["event_action"] for event in queue(page)}
    assert kept == set(numbered(run, 60)[-len(kept) :])


def test_what_is_older_than_thirty_days_is_dropped(page: Page, shop: Shop, run: str) -> None:
    page.goto(shop.url)
    days = "(days) => `footfall_e_0${(Date.now() - days * 864e5).toString(16)}-7000-8000-000000000000`"
    with_dash = f"((days) => ({days})(days).replace(/(footfall_e_.{{8}})/, '$1-'))"
    old, young = page.evaluate(f"[{with_dash}(31), {with_dash}(29)]")
    body = {"event_type": "user_action", "anonymous_id": "a-visitor", "created_at": "2026-11-01T00:00:00Z"}
    for key, action in ((old, f"{run}-old"), (young, f"{run}-young")):
        event = {**body, "id": key.removeprefix("footfall_e_"), "event_action": action}
        page.evaluate("([key, text]) => localStorage.setItem(key, text)", [key, json.dumps(event)])
    eventually(lambda: f"{run}-young" in shop.door.actions())
    assert queue(page) == []
    assert f"{run}-old" not in shop.door.actions()


def test_a_clock_that_was_fast_keeps_nothing_waiting(
    page: Page, shop: Shop, database: Database, run: str
) -> None:
    page.clock.install(time=datetime.now(UTC) + timedelta(hours=5))
    shop.door.instead = busy(503, retry_after="60")
    page.goto(shop.url)
    act(page, *numbered(run, 3))
    eventually(lambda: page.evaluate("+localStorage.footfall_r > Date.now()"))
    page.clock.set_system_time(datetime.now(UTC))
    shop.door.instead = busy(503)
    # A page that tracks nothing itself.
    shop.attributes = {"auto": "false"}
    page.goto(f"{shop.url}/next")
    # The last request of the page before.
    eventually(lambda: shop.door.tries(f"{run}-0") >= 2)
    shop.door.instead = lambda method, path: None
    assert_stored(database, run, numbered(run, 3), within=30)
    eventually(lambda: queue(page) == [])
    assert {shop.door.actions()[action] for action in numbered(run, 3)} == {1}


# Crashes ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_crash_of_the_page_loses_nothing_that_is_a_second_old(
    playwright: Playwright, launching: dict[str, Any], shop: Shop, database: Database, run: str
) -> None:
    with playwright.chromium.launch(**launching) as browser:
        context = browser.new_context()
        page = context.new_page()
        page.goto(shop.url)
        shop.door.instead = busy(503)
        act(page, *numbered(run, 5))
        page.wait_for_timeout(1000)
        found = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
        with page.expect_event("crash"):
            for process in found:
                if process["type"] == "renderer":
                    os.kill(process["id"], signal.SIGKILL)
        assert not shop.door.actions().keys() & set(numbered(run, 5))
        shop.door.instead = lambda method, path: None
        context.new_page().goto(shop.url)
        assert_stored(database, run, numbered(run, 5))


# Several tabs ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("without", ["", NO_LOCKS, REFUSED_LOCKS], ids=["locks", "no locks", "refused locks"])
def test_two_tabs_share_a_session_and_send_everything_once(
    context: BrowserContext, shop: Shop, database: Database, run: str, without: str
) -> None:
    context.add_init_script(without)
    tabs = [context.new_page(), context.new_page()]
    for tab in tabs:
        tab.goto(shop.url)
    actions = numbered(run, 25)
    for action, tab in zip(actions, itertools.cycle(tabs), strict=False):
        act(tab, action)
        tab.wait_for_timeout(200)
    assert_stored(database, run, actions)
    eventually(lambda: queue(tabs[0]) == [])
    sent = shop.door.actions()
    # Without locks the server counts once what both send.
    assert without or {sent[action] for action in actions} == {1}
    said = [event for event in shop.door.taken if event["event_action"] in actions]
    assert len({(event["session_id"], event["anonymous_id"]) for event in said}) == 1


@pytest.mark.parametrize("without", ["", NO_LOCKS], ids=["locks", "no locks"])
def test_what_was_left_is_sent_by_one_of_two_tabs(
    context: BrowserContext, shop: Shop, run: str, without: str
) -> None:
    context.add_init_script(without)
    actions = numbered(run, 100)
    left = context.new_page()
    left.goto(shop.url)
    context.set_offline(True)
    act(left, *actions, metadata={"note": "x" * 1000})
    left.wait_for_timeout(ORPHANED * 1000)
    shop.door.instead = busy(0)
    left.goto("about:blank")
    # Chromium lets the last request of a page through while it pretends to be offline.
    left.wait_for_timeout(1000)
    shop.door.instead = lambda method, path: None
    context.set_offline(False)
    tabs = [context.new_page(), context.new_page()]
    for tab in tabs:
        tab.goto(shop.url)
    eventually(lambda: shop.door.actions().keys() >= set(actions))
    eventually(lambda: queue(tabs[0]) == [])
    sent = shop.door.actions()
    assert {sent[action] for action in actions} <= ({1, 2} if without else {1})


def test_what_a_hidden_tab_is_sending_another_one_leaves_alone(
    context: BrowserContext, shop: Shop, run: str
) -> None:
    first, second = context.new_page(), context.new_page()
    for tab in (first, second):
        tab.goto(shop.url)
    eventually(lambda: len(shop.door.taken) == 2)

    def slowly(method: str, path: str) -> None:
        time.sleep(5 if method == "POST" else 0)

    shop.door.instead = slowly
    act(first, f"{run}-hidden")
    first.evaluate(HIDE)
    act(second, f"{run}-seen")
    eventually(lambda: len(shop.door.actions()) >= 3)
    second.wait_for_timeout(1000)
    assert [shop.door.actions()[f"{run}-{which}"] for which in ("hidden", "seen")] == [1, 1]


# A server in trouble ───────────────────────────────────────────────────────────────────────────────


def attempts(door: Door) -> list[float]:
    return [one.at for one in door.posts]


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_honoured_by_every_tab_and_the_next_page(
    context: BrowserContext, shop: Shop, database: Database, run: str, form: str
) -> None:
    # A date has no fractions.
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=18), usegmt=True)
    shop.door.instead = busy(503, retry_after="12" if form == "seconds" else until)
    first, second = context.new_page(), context.new_page()
    for tab in (first, second):
        tab.goto(shop.url)
    act(first, f"{run}-0")
    refused = eventually(lambda: attempts(shop.door))[0]
    shop.door.instead = lambda method, path: None
    act(second, f"{run}-1")
    first.goto(f"{shop.url}/next")
    act(first, *[f"{run}-{number}" for number in range(2, 30)])
    assert_stored(database, run, numbered(run, 30))
    later = [at - refused for at in attempts(shop.door)[1:]]
    assert min(later) >= (12 if form == "seconds" else 10)


def test_what_a_tab_is_told_another_one_that_waits_for_it_hears(
    context: BrowserContext, shop: Shop, run: str
) -> None:
    page, other = context.new_page(), context.new_page()
    for tab in (page, other):
        tab.goto(shop.url)
    eventually(lambda: len(shop.door.taken) == 2)
    shop.door.instead = busy(503, retry_after="60")
    page.evaluate(
        """() => new Promise((held) => {
          navigator.locks.request('footfall', () => new Promise((done) => { window.done = done; held() }));
        })"""
    )
    for tab in (page, other):
        act(tab, run)
    locks = "navigator.locks.query().then(({held, pending}) => [held.length, pending.length])"
    eventually(lambda: page.evaluate(locks) == [1, 2])
    page.evaluate("done()")
    eventually(lambda: page.evaluate(locks) == [0, 0])
    assert shop.door.tries(run) == 1


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_nobody_is_told_to_wait_longer_than_an_hour(page: Page, shop: Shop, run: str, form: str) -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(days=30), usegmt=True)
    shop.door.instead = busy(503, retry_after="86400" if form == "seconds" else until)
    page.clock.install()
    page.goto(shop.url)
    act(page, run)
    eventually(lambda: page.evaluate("+localStorage.footfall_r > Date.now()"))
    shop.door.instead = lambda method, path: None
    page.clock.fast_forward(HOUR - 30_000)
    act(page, *numbered(run, 20))
    page.evaluate(HIDE)
    page.evaluate(SHOW)
    page.wait_for_timeout(300)
    assert shop.door.actions() == {}
    page.clock.fast_forward(31_000)
    eventually(lambda: shop.door.actions().keys() >= {run, *numbered(run, 20)}, 10)


def test_a_time_further_off_than_anybody_is_told_is_a_clock_set_right(
    page: Page, shop: Shop, run: str
) -> None:
    page.add_init_script(f"localStorage.footfall_r = Date.now() + {HOUR} + 60_000")
    page.goto(shop.url)
    act(page, run)
    eventually(lambda: run in shop.door.actions(), 10)


def test_while_it_fails_nothing_but_a_page_that_goes_is_sent_before_its_time(
    page: Page, shop: Shop, stack: LocalStack, run: str
) -> None:
    shop.attributes = {"debug": ""}
    shop.door.instead = busy(503)
    page.clock.install()
    waits: list[int] = []
    for turn in range(12):
        with page.expect_console_message(lambda said: "waiting" in said.text) as failure:
            page.clock.fast_forward(waits[-1]) if turn else page.goto(shop.url)
        waits.append(int(failure.value.text.split()[-2]))
        if turn == 6:
            act(page, *numbered(run, 25))
            page.evaluate("(token) => tracker.identify(token)", stack.token(run))
            page.evaluate(SHOW)
            page.clock.fast_forward(10_000)
            act(page, *numbered(run, 20))
            page.wait_for_timeout(300)
    assert len(shop.door.posts) == 12
    parts = [wait / min(1000 * 2**turn, 300_000) for turn, wait in enumerate(waits)]
    assert [0.499 <= part <= 1 for part in parts] == [True] * 12
    assert max(parts) - min(parts) > 0.05
    with page.expect_console_message(lambda said: "waiting" in said.text):
        page.evaluate(HIDE)
    assert len(shop.door.posts) == 13
    # Once something is taken, all is as if nothing had been.
    shop.door.instead = lambda method, path: None
    page.evaluate(HIDE)
    page.evaluate(SHOW)
    eventually(lambda: shop.door.taken)
    act(page, run)
    eventually(lambda: run in shop.door.actions(), 10)
    eventually(lambda: queue(page) == [])
    shop.door.instead = busy(503)
    with page.expect_console_message(lambda said: "waiting" in said.text) as failure:
        act(page, f"{run}-again")
    assert int(failure.value.text.split()[-2]) <= 1000


@pytest.mark.parametrize("status", [503, 429, 408, 401, 403, 404, 0])
def test_it_tries_again_ever_more_seldom_and_keeps_all_until_it_is_taken(
    page: Page, shop: Shop, database: Database, run: str, status: int
) -> None:
    page.goto(shop.url)
    shop.door.instead = busy(status)
    act(page, run)
    eventually(lambda: len(attempts(shop.door)) >= 4)
    assert [event["event_action"] for event in queue(page) if event["event_action"] == run] == [run]
    waits = [later - earlier for earlier, later in itertools.pairwise(attempts(shop.door)[:4])]
    # Half a second to one, one to two, two to four; the other two a browser repeats by itself as well.
    if status in {503, 429}:
        assert [0.5 * 2**turn - 0.1 <= wait <= 2**turn + 1.5 for turn, wait in enumerate(waits)] == [True] * 3
    shop.door.instead = lambda method, path: None
    assert_stored(database, run, [run])
    eventually(lambda: queue(page) == [])


def test_what_can_never_be_taken_blocks_nothing_behind_it(page: Page, shop: Shop, run: str) -> None:
    page.goto(shop.url)
    eventually(lambda: shop.door.posts)
    page.evaluate("tracker.track({})")
    eventually(lambda: [one.status for one in shop.door.posts][1:] == [400])
    eventually(lambda: queue(page) == [], 2)
    act(page, run)
    page.evaluate("tracker.track({})")
    eventually(lambda: run in shop.door.actions())
    eventually(lambda: queue(page) == [])


@pytest.mark.parametrize("status", [400, 413])
def test_what_is_refused_for_good_is_given_up(page: Page, shop: Shop, run: str, status: int) -> None:
    page.goto(shop.url)
    eventually(lambda: shop.door.taken)
    shop.door.instead = busy(status)
    act(page, f"{run}-refused")
    eventually(lambda: queue(page) == [])
    shop.door.instead = lambda method, path: None
    act(page, f"{run}-behind")
    eventually(lambda: f"{run}-behind" in shop.door.actions())
    assert shop.door.tries(f"{run}-refused") == 1


def test_an_unanswered_request_leaves_its_events_in_the_queue(page: Page, shop: Shop, run: str) -> None:
    held: list[float] = []

    def hang(method: str, path: str) -> None:
        if method == "POST":
            held.append(time.monotonic())
            time.sleep(2)

    page.goto(shop.url)
    shop.door.instead = hang
    act(page, run)
    eventually(lambda: held)
    assert run in [event["event_action"] for event in queue(page)]
    eventually(lambda: queue(page) == [])


def test_a_request_that_nobody_answers_is_given_up_in_time(page: Page, shop: Shop, run: str) -> None:
    # In a second instead of twenty.
    page.add_init_script(
        "const real = AbortSignal.timeout; AbortSignal.timeout = (time) => real.call(AbortSignal, time / 20)"
    )
    is_over = threading.Event()

    def hang(method: str, path: str) -> None:
        is_over.wait(30)

    shop.door.instead = once(hang)
    page.goto(shop.url)
    act(page, run)
    try:
        eventually(lambda: run in shop.door.actions(), 15)
    finally:
        is_over.set()


def test_a_dwell_that_grows_while_it_is_sent_is_sent_again(page: Page, shop: Shop, run: str) -> None:
    def slowly(method: str, path: str) -> None:
        time.sleep(2 if method == "POST" else 0)

    page.goto(shop.url)
    shop.door.instead = slowly
    page.evaluate("(id) => tracker.trackContentInteraction('project', id, 'view')", run)
    page.wait_for_timeout((INTERVAL + 1) * 1000)
    page.evaluate("(id) => tracker.trackContentInteraction('project', id, 'view', 41)", run)
    said = eventually(lambda: [e for e in shop.door.taken if e.get("duration_seconds") == 41])
    assert said[0]["content_id"] == run
    eventually(lambda: queue(page) == [])
