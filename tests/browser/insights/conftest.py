"""A stack that `make demo` has filled, with an experiment and a busy half hour; operators look at it."""

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from tests.end_to_end.local_stack import PROJECT, LocalStack, eventually

DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
PATIENCE = 30_000
# So many that two arms can be compared.
READERS = 320
ZONE = "Europe/Berlin"
OPERATOR = "openid footfall:read footfall:admin"
AGENTS = {
    "desktop": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36",
    "mobile": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1"
    " Mobile/15E148 Safari/604.1",
    "tablet": "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5"
    " Mobile/15E148 Safari/604.1",
}
Json = dict[str, Any]
Database = psycopg.Connection[Any]
Open = Callable[..., AbstractContextManager[Page]]


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """In which four of ten visitors go without personal feeds, so that there is something to compare."""
    folder = tmp_path_factory.mktemp("insights") / "data"
    started = LocalStack(folder, PARAMETERS="HoldoutPercent=40 ExplorationPercent=3")
    started.start()
    try:
        yield started
    finally:
        started.kill()


@dataclass(frozen=True)
class Filled:
    stack: LocalStack
    person: str
    """Of whom much is known."""


@pytest.fixture(scope="session")
def filled(stack: LocalStack) -> Filled:
    options = ["--seed", "insights", "--users", "150", "--days", "28", "--events", "8000"]
    command = [sys.executable, "-m", "local.demo", *options]
    subprocess.run(command, cwd=PROJECT, env=stack.environment(), capture_output=True, check=True)
    people = stack.get("/demo/api/characters").body
    person = max(people, key=lambda one: one["activities"])["user_id"]
    _try_feeds(stack)
    _break_some(stack)
    token = stack.token("test", "footfall:read")
    eventually(lambda: stack.get(f"/v1/users/{person}/similar-users", token).body["users"])
    eventually(lambda: stack.get("/v1/analytics/activity", token).body["events"] > 5000)
    return Filled(stack, person)


def _try_feeds(stack: LocalStack) -> None:
    """Many are shown a feed, and click: more often where it is personal."""
    dice = random.Random(9)
    key = stack.local()["server_key"]
    token = stack.token("test", "footfall:read")
    catalogue = stack.get("/v1/analytics/content", token).body["items"]
    liking = []
    for number in range(READERS):
        for item in dice.sample(catalogue, 3):
            named = {name: item[name] for name in ("content_type", "content_id")}
            at = datetime.now(UTC) - timedelta(days=dice.uniform(1, 26))
            viewed = {"interaction_type": "view", "created_at": at.isoformat()}
            liking.append({"type": "interaction", "user_id": f"reader-{number}", **viewed, **named})
    send(stack, liking)
    clicks = []
    for number in range(READERS):
        feed = stack.get(f"/v1/users/reader-{number}/feed?limit=8", key).body
        chance = 0.25 if feed["strategy"] == "holdout" else 0.5
        if dice.random() < chance:
            position = dice.choice([0, 0, 0, 1, 1, 2, 3])
            item = feed["items"][position]
            named = {name: item[name] for name in ("content_type", "content_id")}
            clicked = {"interaction_type": "click", "feed_id": feed["feed_id"], "position": position}
            clicks.append({"type": "interaction", "user_id": f"reader-{number}", **named, **clicked})
    send(stack, clicks)


def _break_some(stack: LocalStack) -> None:
    key = stack.local()["server_key"]
    wrong = [
        {"event_type": "page_view", "created_at": "yesterday", "anonymous_id": f"a-{n}"} for n in range(3)
    ]
    good = {"event_type": "page_view", "page_path": "/demo/", "anonymous_id": "a-good"}
    stack.post(f"/v1/events?write_key={key}", {"events": [good, *wrong]})


def send(stack: LocalStack, events: list[Json]) -> None:
    """Has a server send them, and waits until they are stored."""
    key = stack.local()["server_key"]
    for start in range(0, len(events), 500):
        sent = stack.post(f"/v1/events?write_key={key}", {"events": events[start : start + 500]})
        assert (sent.status, sent.body["rejected"]) == (202, []), sent
    token = stack.token("test", OPERATOR)
    eventually(lambda: is_empty(stack.get("/v1/operations", token).body["queue"]))


def is_empty(queue: Json) -> bool:
    return (queue["waiting"], queue["in_flight"]) == (0, 0)


def be_busy(stack: LocalStack) -> None:
    """Visitors of the last half hour."""
    dice, now = random.Random(4), datetime.now(UTC)
    token = stack.token("test", "footfall:read")
    met = stack.get("/v1/analytics/content", token).body["items"][:14]
    pages = ["/demo/", "/demo/projects", "/demo/jobs", "/demo/profiles", "/demo/search"]
    events: list[Json] = []
    for number in range(240):
        visitor = f"busy-{now:%H%M%S}-{number}"
        agent = dice.choices(list(AGENTS.values()), [6, 4, 1])[0]
        country = dice.choices(["DE", "US", "IN", "BR", "GB", "FR"], [6, 5, 3, 2, 2, 2])[0]
        at = now - timedelta(minutes=dice.triangular(0, 29, 4))
        for _ in range(dice.randint(3, 12)):
            common = {
                "anonymous_id": visitor,
                "session_id": visitor,
                "created_at": at.isoformat(),
                "context": {"user_agent": agent, "country": country},
            }
            chosen = dice.choice(met)
            item = {name: chosen[name] for name in ("content_type", "content_id")}
            view = {"event_type": "page_view", "event_category": "navigation", "event_action": "view"}
            events.append(
                {**common, **view, "page_path": dice.choice(pages)}
                if dice.random() < 0.5
                else {**common, "type": "interaction", "interaction_type": "view", **item}
            )
            at += timedelta(seconds=dice.randint(4, 70))
            if at > now:
                break
    send(stack, events)


@pytest.fixture(scope="module")
def looking(browser: Browser, stack: LocalStack) -> Open:
    """Opens the page signed in, as `looking("funnel?days=7")`; its console must stay empty but for `but`."""

    @contextmanager
    def opened(view: str, *, scope: str = OPERATOR, but: str = "", **more: Any) -> Iterator[Page]:
        options = {"viewport": DESKTOP, "timezone_id": ZONE, "accept_downloads": True, **more}
        with browser.new_context(**options) as context:
            context.set_default_timeout(PATIENCE)
            page = context.new_page()
            wrong: list[str] = []
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on(
                "console",
                lambda said: (
                    wrong.append(said.text) if said.type in ("error", "warning") and not but else None
                ),
            )
            sign_in(context, page, f"{stack.url}/insights/{view}", scope)
            yield page
        assert wrong == []

    return opened


def sign_in(context: BrowserContext, page: Page, address: str, scope: str = OPERATOR) -> None:
    """As an issuer does it that grants no more than `scope`."""

    def grant(route: Route) -> None:
        asked = route.request.url.replace("openid+footfall%3Aread+footfall%3Aadmin", scope.replace(" ", "+"))
        asked = asked.replace("openid%20footfall%3Aread%20footfall%3Aadmin", scope.replace(" ", "%20"))
        assert f"scope={scope.partition(' ')[0]}" in asked
        route.continue_(url=asked)

    context.route("**/local/issuer/authorize*", grant)
    page.goto(address)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".frame h1")).to_be_visible(timeout=PATIENCE)


def settled(page: Page) -> None:
    """Everything that the view asked for is shown."""
    expect(page.locator(".frame h1")).to_be_visible(timeout=PATIENCE)
    expect(page.locator(".waiting, .footfall-waiting, [aria-busy=true]")).to_have_count(0, timeout=PATIENCE)


def rows_of(page: Page, caption: str) -> list[list[str]]:
    """A table's cells as they are shown, its heads first."""
    table = page.get_by_role("table", name=caption, exact=True)
    found: list[list[str]] = table.evaluate(
        "(table) => [...table.rows].map((row) => [...row.cells].map((cell) => cell.innerText.trim()))"
    )
    return found


def csv_of(page: Page, caption: str) -> str:
    with page.expect_download() as download:
        page.get_by_role("button", name=f"CSV of {caption}", exact=True).click()
    return Path(download.value.path()).read_bytes().decode()


def answered(stack: LocalStack, path: str) -> Any:
    reply = stack.get(path, stack.token("test", OPERATOR))
    assert reply.status == 200, json.dumps(reply.body)
    return reply.body
