"""The API: the original's calls and its examples, and those beside them."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.browser.conftest import Database
from tests.browser.shop import Json, Shop, busy, once
from tests.end_to_end.local_stack import LocalStack, eventually
from tests.needing import NODE, PROJECT, missing

pytestmark = pytest.mark.xdist_group("browser")

TRACKER = PROJECT / "web/tracker"
EXAMPLES = Path(__file__).parent / "examples.tsx"
SHOWN = {
    *("event_type", "event_category", "event_action", "metadata", "page_path"),
    *("type", "content_type", "content_id", "interaction_type", "duration_seconds", "feed_id", "position"),
}


def shown(event: Json) -> Json:
    return {name: value for name, value in event.items() if name in SHOWN}


def taken(shop: Shop, count: int) -> list[Json]:
    """The first events that the API took, in their order."""
    eventually(lambda: len(shop.door.taken) >= count)
    return [shown(event) for event in sorted(shop.door.taken, key=lambda event: event["sequence"])[:count]]


def test_the_calls_send_what_the_original_says(page: Page, shop: Shop) -> None:
    shop.attributes = {"auto": "false"}
    page.goto(f"{shop.url}/projects?page=2")
    kept = page.evaluate(
        """async () => [
          await tracker.track({eventType: 'vote', eventCategory: 'polls', eventAction: 'up',
                               metadata: {poll: 7}, pagePath: '/polls'}),
          await tracker.trackPageView(),
          await tracker.trackPageView('/virtual'),
          await tracker.trackAction('search', 'content_discovery', {query: 'rust'}),
          await tracker.trackContentInteraction('project', 'p-1', 'like'),
          await tracker.trackContentInteraction('job', 'j-1', 'click', undefined,
                                                {feedId: 'f-1', position: 3}),
        ]"""
    )
    assert kept == [None] * 6
    view = {"event_type": "page_view", "event_category": "navigation", "event_action": "view"}
    seen = {"title": "Page /projects", "url": f"{shop.url}/projects?page=2"}
    here = {"page_path": "/projects"}
    assert taken(shop, 6) == [
        {
            "event_type": "vote",
            "event_category": "polls",
            "event_action": "up",
            "metadata": {"poll": 7},
            "page_path": "/polls",
        },
        {**view, "metadata": seen, **here},
        {**view, "metadata": seen, "page_path": "/virtual"},
        {
            "event_type": "user_action",
            "event_category": "content_discovery",
            "event_action": "search",
            "metadata": {"query": "rust"},
            **here,
        },
        {
            "type": "interaction",
            "content_type": "project",
            "content_id": "p-1",
            "interaction_type": "like",
            **here,
        },
        {
            "type": "interaction",
            "content_type": "job",
            "content_id": "j-1",
            "interaction_type": "click",
            "feed_id": "f-1",
            "position": 3,
            **here,
        },
    ]


# In React ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def examples(shop: Shop, tmp_path: Path) -> Shop:
    """A site whose only script is the module in a React application."""
    esbuild = TRACKER / "node_modules/esbuild/bin/esbuild"
    if not NODE.exists() or not (TRACKER / "node_modules/done").exists():
        missing("Node and what the tracker is built with; `make tracker` brings them")
    built = tmp_path / "app.js"
    aliases = {
        "@/utils/tracking/eventTracker": TRACKER / "src/index.ts",
        "@footfall/tracker/react": TRACKER / "src/react.ts",
        "@footfall/tracker": TRACKER / "src/index.ts",
    }
    options = [f"--alias:{name}={path}" for name, path in aliases.items()]
    subprocess.run(
        [NODE, esbuild, EXAMPLES, "--bundle", f"--outfile={built}", "--jsx=automatic", *options],
        check=True,
        env={"NODE_PATH": str(TRACKER / "node_modules")},
        capture_output=True,
    )
    shop.files["/app.js"] = built.read_bytes()
    shop.has_tag = False
    said = json.dumps({"endpoint": shop.door.url, "writeKey": shop.key})
    shop.body = f"<div id=root></div><script>window.settings = {said}</script><script src=/app.js></script>"
    return shop


def test_the_five_usage_examples_run_verbatim(page: Page, examples: Shop, database: Database) -> None:
    page.goto(f"{examples.url}/dashboard")
    page.click("text=Create Project")
    page.click("text=Search")
    page.click("text=Ask")
    page.click("text=Ann's profile")
    page.wait_for_timeout(2200)
    page.click("text=Close")
    eventually(lambda: [e for e in examples.door.taken if e.get("duration_seconds")])
    page.wait_for_timeout(500)
    actions = {
        e["event_action"]: shown(e) for e in examples.door.taken if e.get("event_type") == "user_action"
    }
    here = {"event_type": "user_action", "page_path": "/dashboard"}
    assert actions == {
        "click_create_project": {
            "event_action": "click_create_project",
            "event_category": "engagement",
            "metadata": {"button_location": "dashboard", "user_role": "founder"},
            **here,
        },
        "search": {
            "event_action": "search",
            "event_category": "content_discovery",
            "metadata": {"query": "rust", "results_count": 2, "filters_used": ["remote"]},
            **here,
        },
        "request_endorsement": {
            "event_action": "request_endorsement",
            "event_category": "engagement",
            "metadata": {"endorser_id": "bob", "skill": "sql", "relationship": "colleague"},
            **here,
        },
    }
    views = [e for e in examples.door.taken if e.get("event_type") == "page_view"]
    assert [e["page_path"] for e in views] == ["/dashboard", "/profiles/ann", "/dashboard"]
    profile = [e for e in examples.door.taken if e.get("content_type") == "profile"]
    assert len({(e["id"], e["created_at"]) for e in profile}) == 1
    duration = profile[-1]["duration_seconds"]
    assert 2 <= duration <= 4
    dwell = "SELECT content_type, interaction_type, duration_seconds FROM content_interactions WHERE id = %s"
    stored = eventually(
        lambda: [row for row in database.execute(dwell, (profile[0]["id"],)).fetchall() if row[2] is not None]
    )
    assert stored == [("profile", "view", duration)]


def test_hooks_count_views_and_dwell(page: Page, examples: Shop) -> None:
    page.goto(f"{examples.url}/hooks")
    page.click("text=Next item")
    page.wait_for_timeout(1300)
    page.click("text=Next path")
    page.click("text=Gone")
    eventually(lambda: [e for e in examples.door.taken if e.get("duration_seconds")])
    eventually(lambda: "/hooks/1" in [e["page_path"] for e in examples.door.taken])
    assert "early" in examples.door.actions()
    interactions = {
        (e["content_id"], e["feed_id"], e["position"]) for e in examples.door.taken if e.get("content_id")
    }
    assert interactions == {("item 0", "f-1", 0), ("item 1", "f-1", 1)}
    views = [e["page_path"] for e in examples.door.taken if e.get("event_type") == "page_view"]
    assert views == ["/hooks", "/hooks/1"]
    dwell = {
        e["content_id"]: e.get("duration_seconds", 0) for e in examples.door.taken if e.get("content_id")
    }
    assert dwell["item 0"] < dwell["item 1"] <= 3


def test_the_script_and_the_module_are_one_tracker(page: Page, examples: Shop) -> None:
    examples.has_tag = True
    page.goto(f"{examples.url}/dashboard")
    assert page.evaluate("module === tracker")
    eventually(lambda: examples.door.taken)
    page.wait_for_timeout(3500)
    assert [e["event_type"] for e in examples.door.taken] == ["page_view"]


# Dwell ─────────────────────────────────────────────────────────────────────────────────────────────

AWAY = "() => { document.hasFocus = () => false; dispatchEvent(new Event('blur')) }"
BACK = "() => { delete document.hasFocus; dispatchEvent(new Event('focus')) }"
VIEW = "() => { window.view = tracker.viewContent('project', 'p-1', {feedId: 'f-1', position: 0}) }"


def dwells(shop: Shop) -> list[Any]:
    return [e.get("duration_seconds") for e in shop.door.taken if e.get("content_id")]


def test_dwell_is_visible_and_focused_time(page: Page, shop: Shop, database: Database) -> None:
    page.goto(shop.url)
    page.evaluate(VIEW)
    page.wait_for_timeout(1200)
    page.evaluate(AWAY)
    page.wait_for_timeout(3000)
    page.evaluate(BACK)
    page.wait_for_timeout(1200)
    page.evaluate("() => { view.end(); view.end() }")
    # Of more than five seconds.
    eventually(lambda: dwells(shop)[1:] in ([2], [3], [4]))
    [first, last] = dwells(shop)
    assert first is None
    page.wait_for_timeout(1500)
    page.goto(f"{shop.url}/next")
    page.wait_for_timeout(500)
    assert dwells(shop) == [first, last]
    said = [e for e in shop.door.taken if e.get("content_id")]
    assert len({(e["id"], e["created_at"]) for e in said}) == 1
    assert [shown(e)["feed_id"] for e in said] == ["f-1", "f-1"]


@pytest.mark.parametrize("way", ["close", "navigate"])
def test_dwell_is_sent_when_the_page_is_left(context: BrowserContext, shop: Shop, way: str) -> None:
    page = context.new_page()
    page.goto(shop.url)
    page.evaluate(VIEW)
    page.wait_for_timeout(1300)
    shop.has_tag = False
    if way == "close":
        page.close()
    else:
        page.goto(f"{shop.url}/next")
    eventually(lambda: dwells(shop)[-1:] in ([1], [2]), 5)


# Who it is ─────────────────────────────────────────────────────────────────────────────────────────


def whose(database: Database, action: str) -> Any:
    """The user of an event, once it is stored."""
    asked = "SELECT user_id, anonymous_id FROM user_activities WHERE event_action = %s"
    return eventually(lambda: database.execute(asked, (action,)).fetchone())


def act(page: Page, action: str) -> None:
    page.evaluate("(action) => tracker.trackAction(action, 'test')", action)


def identify(page: Page, token: str, traits: Json | None = None) -> None:
    page.evaluate("([token, traits]) => tracker.identify(token, traits ?? undefined)", [token, traits])


def identified(shop: Shop) -> int:
    return sum(post.path == "/v1/me/events" and post.status == 202 for post in shop.door.posts)


def test_identify_ties_the_visitor_and_keeps_the_token_nowhere(
    page: Page, shop: Shop, stack: LocalStack, database: Database, run: str
) -> None:
    token = stack.token(run)
    page.goto(shop.url)
    act(page, f"{run}-before")
    identify(page, token, {"profile_completeness": 60})
    eventually(lambda: identified(shop) == 1)
    kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    assert token.split(".")[1] not in kept
    assert run not in kept.replace(f"{run}-before", "")
    act(page, f"{run}-after")
    before, after = whose(database, f"{run}-before"), whose(database, f"{run}-after")
    assert before[1] == after[1]
    tied = "SELECT user_id FROM user_activities WHERE event_action LIKE %s AND user_id IS NOT NULL"
    eventually(lambda: len(database.execute(tied, (f"{run}%",)).fetchall()) == 2)
    sent = [post for post in shop.door.posts if post.path == "/v1/events"]
    assert all("authorization" not in post.headers and token.encode() not in post.body for post in sent)


def test_identify_is_sent_once_a_session_and_again_where_it_was_not_delivered(
    page: Page, shop: Shop, stack: LocalStack, run: str
) -> None:
    token = stack.token(run)
    shop.door.instead = lambda method, path: (503, {}) if path == "/v1/me/events" else None
    page.goto(shop.url)
    identify(page, token)
    page.wait_for_timeout(500)
    assert identified(shop) == 0
    shop.door.instead = lambda method, path: None
    page.goto(shop.url)
    identify(page, token)
    eventually(lambda: identified(shop) == 1)
    page.wait_for_timeout(300)
    page.goto(shop.url)
    identify(page, token)
    page.wait_for_timeout(1000)
    assert identified(shop) == 1
    identify(page, token, {"profile_completeness": 80})
    eventually(lambda: identified(shop) == 2)


def test_another_user_is_another_visitor_and_so_is_one_after_reset(
    page: Page, shop: Shop, stack: LocalStack, database: Database, run: str
) -> None:
    page.goto(shop.url)
    identify(page, stack.token(f"{run} ann"))
    act(page, f"{run}-ann")
    identify(page, stack.token(f"{run} bob"))
    act(page, f"{run}-bob")
    page.evaluate("tracker.reset()")
    act(page, f"{run}-nobody")
    identify(page, stack.token(f"{run} ann", "", expires_in=1800))
    eventually(lambda: identified(shop) == 3)
    visitors = [whose(database, f"{run}-{who}")[1] for who in ("ann", "bob", "nobody")]
    assert len(set(visitors)) == 3
    sessions = {e["session_id"] for e in shop.door.taken if e.get("event_action", "").startswith(run)}
    assert len(sessions) == 3


def test_a_refused_token_blocks_nothing(page: Page, shop: Shop, stack: LocalStack, run: str) -> None:
    page.goto(shop.url)
    identify(page, "no.real.token")
    eventually(lambda: [one.status for one in shop.door.posts if one.path == "/v1/me/events"] == [403])
    act(page, run)
    identify(page, stack.token(run))
    eventually(lambda: run in shop.door.actions() and identified(shop) == 1)


@pytest.mark.parametrize("status", [400, 401, 403, 413])
def test_a_token_that_is_refused_is_given_up(
    page: Page, shop: Shop, stack: LocalStack, run: str, status: int
) -> None:
    assert told_of_a_token(page, shop, stack, run, status) == ["refused", "later"]


@pytest.mark.parametrize("status", [404, 503])
def test_a_token_is_kept_where_it_is_not_to_blame(
    page: Page, shop: Shop, stack: LocalStack, run: str, status: int
) -> None:
    assert told_of_a_token(page, shop, stack, run, status) == ["refused", "refused", "later"]


def told_of_a_token(page: Page, shop: Shop, stack: LocalStack, run: str, status: int) -> list[Any]:
    """Which identifies are sent, where the first one was answered so, once."""
    page.goto(shop.url)
    eventually(lambda: shop.door.taken)
    shop.door.instead = once(busy(status))
    identify(page, stack.token(run), {"name": "refused"})
    eventually(lambda: shop.door.posts[1:])
    identify(page, stack.token(run), {"name": "later"})
    eventually(lambda: shop.door.posts[-1].events[0].get("traits") == {"name": "later"})
    return [post.events[0]["traits"]["name"] for post in shop.door.posts if post.path == "/v1/me/events"]


def test_an_undelivered_identify_waits_its_turn(page: Page, shop: Shop, stack: LocalStack, run: str) -> None:
    page.goto(shop.url)
    shop.door.instead = busy(503)
    identify(page, stack.token(run))
    eventually(lambda: len(shop.door.posts) >= 2)
    shop.door.instead = lambda method, path: None
    eventually(lambda: identified(shop) == 1)
