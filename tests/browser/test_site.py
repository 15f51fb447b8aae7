"""The demo site as a newcomer meets it: what is clicked is learned, shown and explained."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Response, Route, expect

from footfall import ids
from tests.end_to_end.local_stack import PROJECT, LocalStack, eventually, running

pytestmark = pytest.mark.xdist_group("site")

# A machine under load takes its time; a person with a laptop waits for less than half of it.
PATIENCE = 20_000
QUERIES = ("postgres", "rust", "design", "react", "spark", "kotlin")
NONSENSE = re.compile(r"undefined|null|NaN|\[object|Invalid Date|Infinity")
CUT_OFF = """[...document.querySelectorAll("main *")]
  .filter((one) => one.getBoundingClientRect().right > innerWidth).map((one) => one.outerHTML.slice(0, 80))"""
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """New, so that the first who opens the site finds an empty network."""
    with running(tmp_path_factory.mktemp("site") / "data") as started:
        yield started


@pytest.fixture
def database(stack: LocalStack) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(stack.local()["database_url"], autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def demo(stack: LocalStack) -> str:
    """What `make demo` says when it is done, of a small network."""
    options = ["--seed", "site", "--users", "80", "--days", "10", "--events", "3000"]
    done = subprocess.run(
        [sys.executable, "-m", "local.demo", *options],
        cwd=PROJECT,
        env=stack.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@contextmanager
def visiting(browser: Browser, url: str, *, viewport: Any = DESKTOP, **more: Any) -> Iterator[Page]:
    """Somebody at the site whose console stays empty; a headless browser would pass for a bot."""
    agent = f"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/{browser.version} Safari/537.36"
    wrong: list[str] = []

    def note_message(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            wrong.append(message.text)

    def note_response(response: Response) -> None:
        if response.status >= 400:
            wrong.append(f"{response.status} {response.url}")

    with browser.new_context(user_agent=agent, viewport=viewport, **more) as context:
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.on("console", note_message)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("response", note_response)
        page.goto(f"{url}/demo/")
        yield page
        assert_sensible(page)
    assert wrong == []


@pytest.fixture
def site(browser: Browser, stack: LocalStack) -> Iterator[Page]:
    with visiting(browser, stack.url) as page:
        expect(page.locator(".projects .card").first).to_be_visible(timeout=PATIENCE)
        yield page


def assert_sensible(page: Page) -> None:
    text = page.locator("body").inner_text()
    assert not NONSENSE.search(text), text


def join(page: Page, name: str) -> str:
    """Signs in as somebody new; says under which id."""
    page.locator("#who button").click()
    page.get_by_placeholder("Your name").fill(name)
    page.get_by_role("button", name="Join").click()
    expect(page.locator("#next .message")).to_be_visible(timeout=PATIENCE)
    found: str = page.evaluate("JSON.parse(localStorage.getItem('wayside-visitor')).id")
    return found


def search(page: Page, query: str) -> None:
    page.get_by_role("searchbox").fill(query)
    page.get_by_role("searchbox").press("Enter")
    expect(page.locator("h1")).to_have_text(f"Results for “{query}”")


def open_project(page: Page, number: int) -> str:
    """Opens one of those on the list; says its title."""
    page.get_by_role("link", name="Projects", exact=True).click()
    expect(page.locator("h1")).to_have_text("Projects")
    card = page.locator(".projects .card").nth(number)
    title = card.locator("h3").inner_text()
    card.click()
    expect(page.locator("h1")).to_have_text(title)
    return title


def shown(page: Page) -> list[str]:
    return page.locator("#feed li b").all_inner_texts()


def everything_arrives(page: Page) -> None:
    expect(page.locator("#log summary")).to_have_text(re.compile(r"^\d+ events? arrived$"), timeout=PATIENCE)


# The first visit ──────────────────────────────────────────────────────────────────────────────────


def test_a_new_stack_is_furnished_when_it_is_first_opened(browser: Browser, stack: LocalStack) -> None:
    assert stack.get("/demo/api/network").body == {"contents": {}, "fill": "now"}
    with visiting(browser, stack.url) as page:
        expect(page.get_by_role("heading", name="New projects")).to_be_visible(timeout=PATIENCE)
        for heading in ("Open jobs", "New here", "Kind words"):
            expect(page.get_by_role("heading", name=heading)).to_be_visible()
        page.locator("#who button").click()
        expect(page.get_by_text("Nobody here has a past yet")).to_be_visible()
        page.keyboard.press("Escape")
    contents = stack.get("/demo/api/network").body["contents"]
    assert {"project": 72, "job": 60, "endorsement": 48}.items() <= contents.items()


def test_an_anonymous_visitor_is_counted_and_has_a_feed_though_nobody_knows_them(
    site: Page, database: psycopg.Connection[Any]
) -> None:
    expect(site.locator("#introduction h2")).to_have_text("You are anonymous")
    expect(site.locator("#feed > .why")).to_contain_text("nothing here rests on what you did")
    title = open_project(site, 0)
    address = site.url
    expect(site.locator("#feed > .why")).to_contain_text("what you viewed and like", timeout=PATIENCE)
    assert title not in shown(site)
    search(site, "design")
    site.go_back()
    expect(site).to_have_url(address)
    expect(site.locator("article.about")).to_be_visible()
    site.reload()
    expect(site.locator("article.about")).to_be_visible()
    everything_arrives(site)
    for part in ("next", "now", "likes", "hours"):
        assert site.locator(f"#{part}").inner_text() == ""
    anonymous_id = site.evaluate("[...noted.values()].at(-1).event.anonymous_id")
    seen = "SELECT page_path FROM user_activities WHERE anonymous_id = %s AND event_type = 'page_view'"

    def paths() -> list[str]:
        return [path for (path,) in database.execute(seen, [anonymous_id])]

    # Arrived is queued: what the visitor did last may be stored first.
    eventually(lambda: {"/demo/", "/demo/projects", "/demo/search", urlsplit(address).path} <= set(paths()))
    assert paths().count("/demo/projects") == 1
    assert paths().count("/demo/search") == 1


# What is learned ──────────────────────────────────────────────────────────────────────────────────


def test_six_searches_are_an_intent_within_seconds(site: Page) -> None:
    join(site, "Mira Holm")
    expect(site.locator("#now .value").first).to_have_text("Just browsing")
    for query in QUERIES:
        search(site, query)
    expect(site.locator("#now .value").first).to_have_text("Actively searching", timeout=PATIENCE)
    learned = site.locator("#learned li", has_text="You are actively searching")
    expect(learned).to_contain_text("Over 5 searches in the last 20 activities.")
    everything_arrives(site)
    site.get_by_role("link", name="Wayside").click()
    expect(site.locator("#try .done", has_text="Search six times")).to_be_visible()


def test_projects_make_a_preference_and_the_feed_follows(
    site: Page, database: psycopg.Connection[Any]
) -> None:
    user = join(site, "Ida Falk")
    expect(site.locator("#feed > .why")).to_contain_text("nothing here rests on what you did")
    expect(site.locator("#likes")).to_contain_text("Nothing yet")
    first = site.locator("#feed a").first
    title, content = first.locator("b").inner_text(), first.get_attribute("data-id") or ""
    first.click()
    expect(site.locator("h1")).to_have_text(title)
    for number in range(4):
        open_project(site, number)
        site.get_by_role("button", name="Like").click()
    expect(site.locator("#now .value").first).to_have_text("Researching", timeout=PATIENCE)
    expect(site.locator("#likes li").first).to_contain_text("Projects", timeout=PATIENCE)
    expect(site.locator("#feed > .why")).to_contain_text("what you viewed and like", timeout=PATIENCE)
    assert title not in shown(site)
    from_feed = (
        "SELECT count(*) FROM content_interactions WHERE user_id = %s AND content_id = %s AND position = 0"
    )
    asked = [ids.to_uuid("user", user), ids.to_uuid("content", content)]
    eventually(lambda: database.execute(from_feed, asked).fetchone() == (2,))


def test_what_happened_before_signing_in_becomes_ones_own(site: Page) -> None:
    for number in range(4):
        open_project(site, number)
    everything_arrives(site)
    join(site, "Tove Lund")
    expect(site.locator("#now .value").first).to_have_text("Researching", timeout=PATIENCE)


def test_signing_out_forgets(site: Page, database: psycopg.Connection[Any]) -> None:
    user = join(site, "Nils Berg")
    open_project(site, 0)
    expect(site.locator("#likes li").first).to_contain_text("Projects", timeout=PATIENCE)
    everything_arrives(site)
    site.get_by_role("button", name="Sign out").click()
    expect(site.locator("#introduction h2")).to_have_text("You are anonymous")
    assert "Nils Berg" not in site.locator("body").inner_text()
    for part in ("next", "now", "likes", "hours", "learned"):
        assert site.locator(f"#{part}").inner_text() == ""
    expect(site.locator("#feed")).not_to_contain_text("what you viewed and like")
    open_project(site, 1)
    everything_arrives(site)
    ours = "SELECT anonymous_id, user_id FROM user_activities WHERE anonymous_id = %s"
    anonymous_id = site.evaluate("[...noted.values()].at(-1).event.anonymous_id")
    assert set(eventually(lambda: database.execute(ours, [anonymous_id]).fetchall())) == {
        (database.execute("SELECT %s::uuid", [anonymous_id]).fetchone()[0], None)  # type: ignore[index]
    }
    assert join(site, "Olga Rask") != user
    expect(site.locator("#likes")).to_contain_text("Nothing yet")


def test_an_answer_that_comes_after_signing_out_shows_nothing(site: Page) -> None:
    join(site, "Una Vik")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    site.route("**/v1/users/me/insights", hold)
    with site.expect_request("**/v1/users/me/insights"):
        open_project(site, 0)
    site.get_by_role("button", name="Sign out").click()
    expect(site.locator("#introduction h2")).to_have_text("You are anonymous")
    with site.expect_response("**/v1/users/me/insights"):
        for route in held:
            route.continue_()
    site.wait_for_timeout(500)
    assert site.locator("#now").inner_text() == ""


def test_who_was_signed_in_still_is_after_a_reload(site: Page) -> None:
    join(site, "Pia Lind")
    site.reload()
    expect(site.locator("#who")).to_contain_text("Pia Lind")
    expect(site.locator("#next .message")).to_be_visible(timeout=PATIENCE)


# After make demo ──────────────────────────────────────────────────────────────────────────────────


def test_after_a_demo_every_item_of_a_feed_is_a_page(site: Page, stack: LocalStack, demo: str) -> None:
    assert f"{stack.url}/demo/" in demo
    people = stack.get("/demo/api/characters").body
    assert len(people) >= 3
    feeds = [stack.get("/v1/users/me/feed?limit=6", stack.token(one["user_id"])).body for one in people]
    pages = {item["url"]: item["title"] for feed in feeds for item in feed["items"]}
    assert len(pages) > 6
    for address, title in pages.items():
        site.goto(stack.url + address)
        expect(site.locator("h1")).to_have_text(title.split(", ")[0])
        assert_sensible(site)


def test_a_click_changes_what_the_feed_shows_and_why(site: Page, demo: str) -> None:
    join(site, "Alva Strand")
    feed = site.locator("#feed")
    expect(feed.locator("> .why")).to_contain_text("nothing here rests on what you did", timeout=PATIENCE)
    before, reasons = shown(site), feed.locator("li .why").all_inner_texts()
    title = feed.locator("a b").first.inner_text()
    feed.locator("a").first.click()
    expect(site.locator("h1")).to_have_text(title.split(", ")[0])
    expect(feed.locator("> .why")).to_contain_text("what you viewed and like", timeout=PATIENCE)
    assert title not in shown(site)
    assert shown(site) != before
    assert feed.locator("li .why").all_inner_texts() != reasons


def test_a_completed_profile_changes_stage_and_next_action(site: Page, stack: LocalStack, demo: str) -> None:
    unfinished = next(
        one for one in stack.get("/demo/api/characters").body if one["stage"] == "incomplete_profile"
    )
    site.locator("#who button").click()
    site.get_by_role("button", name=unfinished["name"]).click()
    expect(site.locator("#now")).to_contain_text("Unfinished profile", timeout=PATIENCE)
    suggested = site.locator("#next .message").inner_text()
    expect(site.locator("#next .why")).to_contain_text("Counted:")
    site.locator("#who .me").click()
    site.locator(".part", has_text="Add").nth(-1).click()
    expect(site.locator("#complete")).to_have_text("100 % complete")
    expect(site.locator("#now")).not_to_contain_text("Unfinished profile", timeout=PATIENCE)
    expect(site.locator("#next .message")).not_to_have_text(suggested, timeout=PATIENCE)
    expect(site.locator("#learned")).to_contain_text("Suggests:")


def test_a_project_that_somebody_adds_is_counted_in_the_next_action(
    site: Page, stack: LocalStack, demo: str
) -> None:
    token = stack.token("a-maker")
    profile = {"created_at": "2026-01-01T00:00:00Z", "profile_completeness": 20}
    stack.post("/v1/me/events", {"type": "identify", "traits": profile}, token)
    eventually(lambda: stack.get("/v1/users/me/insights", token).body["stage"] == "incomplete_profile")
    site.evaluate("localStorage.setItem('wayside-visitor', JSON.stringify({id: 'a-maker', name: 'A Maker'}))")
    site.goto(f"{stack.url}/demo/me")
    expect(site.locator("#next .message")).to_have_text("Add 2 projects to increase profile views")
    site.get_by_label("Title of a new project").fill("A bench of <walnut>")
    site.locator("#publish button").click()
    expect(site.locator(".projects h3")).to_have_text("A bench of <walnut>")
    expect(site.locator("#next .message")).to_have_text(
        "Add 1 project to increase profile views", timeout=PATIENCE
    )
    site.locator(".projects .card").click()
    expect(site.locator("h1")).to_have_text("A bench of <walnut>")


# Where it might go wrong ──────────────────────────────────────────────────────────────────────────


def test_somebodys_own_database_is_not_filled_unasked(
    browser: Browser, empty_database_url: str, tmp_path: Path
) -> None:
    own = LocalStack(tmp_path / "data", DATABASE_URL=empty_database_url)
    own.start()
    try:
        with visiting(browser, own.url) as page:
            expect(page.locator("h1")).to_have_text("This network is empty.")
            page.wait_for_timeout(2_000)
            assert own.get("/demo/api/network").body == {"contents": {}, "fill": "ask"}
            with psycopg.connect(empty_database_url) as connection:
                assert connection.execute("SELECT count(*) FROM user_activities").fetchone() == (0,)
            page.get_by_role("button", name="Furnish the network").click()
            expect(page.get_by_role("heading", name="New projects")).to_be_visible(timeout=PATIENCE)
            everything_arrives(page)
    finally:
        own.kill()


def test_on_a_phone_nothing_is_cut_off_and_the_panel_is_a_sheet(browser: Browser, stack: LocalStack) -> None:
    with visiting(browser, stack.url, viewport=PHONE, has_touch=True, is_mobile=True) as page:
        join(page, "Runa Dahl")
        for path in ("", "projects", "jobs", "profiles", "endorsements", "search?q=rust", "me"):
            page.goto(f"{stack.url}/demo/{path}")
            expect(page.locator("h1")).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"], path
            assert page.evaluate(CUT_OFF) == [], path
        page.goto(f"{stack.url}/demo/projects")
        page.locator(".card").first.click()
        expect(page.locator("#glance")).to_contain_text("new", timeout=PATIENCE)
        assert page.locator("#panel").evaluate("(panel) => panel.clientHeight") < 80
        page.locator("#grip").click()
        expect(page.locator("#glance")).not_to_contain_text("new")
        expect(page.locator("#feed a").first).to_be_in_viewport(timeout=PATIENCE)


def test_without_the_tracker_the_site_works_and_says_so(browser: Browser, stack: LocalStack) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        errors: list[object] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.route("**/tracker.js", lambda route: route.abort())
        page.goto(f"{stack.url}/demo/")
        expect(page.locator("#introduction")).to_contain_text("so nothing is learned")
        open_project(page, 0)
        page.get_by_role("button", name="Like").click()
        assert errors == []


def test_while_footfall_is_away_the_panel_says_so(browser: Browser, stack: LocalStack) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{stack.url}/demo/")
        join(page, "Siv Strand")
        page.route("**/v1/users/me/*", lambda route: route.abort())
        open_project(page, 0)
        warning = page.locator("#introduction .warning")
        expect(warning).to_have_text(re.compile("^Footfall doesn.t answer."), timeout=PATIENCE)
        expect(page.locator("#next .message")).to_be_visible()
        page.unroute("**/v1/users/me/*")
        expect(warning).to_have_count(0, timeout=PATIENCE)


def test_a_server_that_fails_is_said_and_asked_again(browser: Browser, stack: LocalStack) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        errors: list[object] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.route("**/demo/api/network", lambda route: route.fulfill(status=503))
        page.goto(f"{stack.url}/demo/")
        expect(page.locator("h1")).to_have_text(re.compile("^That didn.t work$"))
        expect(page.locator(".lead")).to_have_text("The network's server answered 503.")
        page.unroute("**/demo/api/network")
        page.route("**/demo/api/network", lambda route: route.fulfill(json={"contents": {}, "fill": "now"}))
        page.route("**/demo/api/fill", lambda route: route.fulfill(status=500))
        page.get_by_role("button", name="Try again").click()
        expect(page.locator(".lead")).to_have_text("The network's server answered 500.")
        page.unroute("**/demo/api/*")
        page.evaluate("localStorage.setItem('wayside-visitor', JSON.stringify({id: 'x', name: 'X'}))")
        page.route("**/local/token", lambda route: route.abort())
        page.reload()
        expect(page.locator(".lead")).to_have_text(re.compile("^Footfall doesn.t answer.$"))
        assert errors == []


def test_of_two_quick_clicks_the_later_one_wins(site: Page) -> None:
    held: list[Route] = []
    site.route("**/demo/api/contents?type=project*", lambda route: held.append(route))  # noqa: PLW0108 (it marks what it is given)
    with site.expect_request("**/demo/api/contents?type=project*"):
        site.get_by_role("link", name="Projects", exact=True).click()
    site.get_by_role("link", name="Jobs", exact=True).click()
    expect(site.locator("h1")).to_have_text("Jobs")
    for route in held:
        route.continue_()
    site.wait_for_timeout(500)
    expect(site.locator("h1")).to_have_text("Jobs")
    assert site.url.endswith("/demo/jobs")


def test_a_project_without_attributes_is_a_page(site: Page, stack: LocalStack) -> None:
    bare = ids.uuid7()
    described = {"content_type": "project", "content_id": bare, "url": f"/demo/projects/{bare}"}
    project = {"type": "content", "title": "A bare one", **described}
    key = stack.local()["server_key"]
    sent = stack.post(f"/v1/events?write_key={key}", {"events": [{"id": ids.uuid7(), **project}]})
    assert sent.body["rejected"] == [], sent
    eventually(lambda: stack.get(f"/demo/api/contents/project/{bare}").body)
    site.goto(f"{stack.url}/demo/projects/{bare}")
    expect(site.locator("h1")).to_have_text("A bare one")


@pytest.mark.parametrize("path", ["fill", "projects", "learn"])
def test_another_sites_page_can_do_nothing_here(stack: LocalStack, path: str) -> None:
    own = stack.url.removeprefix("http://")
    for headers in (
        {"sec-fetch-site": "cross-site", "origin": "https://evil.example"},
        {"sec-fetch-site": "same-site", "origin": stack.url},
        {"sec-fetch-site": "none"},
        {"origin": "https://evil.example"},
        {"origin": f"http://evil.example/{own}"},
        {"origin": "null"},
    ):
        reply = stack.post(f"/demo/api/{path}", {}, **headers)
        assert (reply.status, reply.body["code"]) == (403, "forbidden"), headers


@pytest.mark.parametrize(
    "headers",
    [{}, {"sec-fetch-site": "same-origin"}, {"origin": "the site's"}],
    ids=["none", "fetch", "origin"],
)
def test_the_sites_own_page_and_a_program_can(stack: LocalStack, headers: dict[str, str]) -> None:
    said = {name: stack.url if value == "the site's" else value for name, value in headers.items()}
    assert stack.post("/demo/api/projects", {}, **said).status == 400


def test_files_of_the_sites_folder_are_served_and_no_others(stack: LocalStack) -> None:
    kinds = {"app.js": "text/javascript", "site.css": "text/css", "figtree.woff2": "font/woff2"}
    for name, kind in kinds.items():
        reply = stack.get(f"/demo/assets/{name}")
        assert (reply.status, reply.headers["content-type"]) == (200, kind)
    for name in (
        "../serving.py",
        "%2e%2e/serving.py",
        "..%2fserving.py",
        "..%2fpages%2fapp.js",
        "index.html",
        "",
    ):
        assert stack.get(f"/demo/assets/{name}").status == 404
    assert stack.get("/demo/nowhere").status == 404
