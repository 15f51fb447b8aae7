"""What operators do with the page, and whether what it says is so."""

import csv
import io
import re
import statistics
import time
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import boto3
import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect

from footfall import ids
from tests.browser.insights import counted
from tests.browser.insights.conftest import (
    AGENTS,
    DESKTOP,
    PATIENCE,
    ZONE,
    Database,
    Filled,
    Open,
    answered,
    csv_of,
    rows_of,
    send,
    settled,
    sign_in,
)
from tests.end_to_end.local_stack import LocalStack

pytestmark = pytest.mark.xdist_group("insights")

WITHIN_SECONDS = 3.0


@pytest.fixture
def database(stack: LocalStack) -> Iterator[Database]:
    with psycopg.connect(stack.local()["database_url"], autocommit=True) as connection:
        yield connection


# What is new shows ────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def visitor(browser: Browser, stack: LocalStack) -> Iterator[Page]:
    """Somebody at the demo site, who doesn't pass for a bot."""
    with browser.new_context(user_agent=AGENTS["desktop"], viewport=DESKTOP) as context:  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(f"{stack.url}/demo/projects")
        expect(page.locator(".projects .card").first).to_be_visible()
        yield page


def click_a_project(visitor: Page, number: int) -> tuple[str, str]:
    """Says which page it led to, and what that shows."""
    visitor.get_by_role("link", name="Projects", exact=True).click()
    expect(visitor.locator("h1")).to_have_text("Projects")
    card = visitor.locator(".projects .card").nth(number)
    title = card.locator("h3").inner_text()
    card.click()
    expect(visitor.locator("h1")).to_have_text(title)
    return visitor.url.partition("/demo/")[2], title


def test_a_click_in_the_demo_site_shows_live_within_three_seconds(
    filled: Filled, looking: Open, visitor: Page
) -> None:
    took = []
    with looking("live") as page:
        settled(page)
        for number in range(5):
            path, _ = click_a_project(visitor, number)
            clicked = time.monotonic()
            cell = page.get_by_role("table", name="Live pages").get_by_role("cell", name=f"/demo/{path}")
            expect(cell).to_be_visible()
            took.append(time.monotonic() - clicked)
    print("live after", *(f"{seconds:.2f} s" for seconds in took))
    assert statistics.median(took) <= WITHIN_SECONDS


def test_a_click_shows_in_its_persons_timeline_within_three_seconds(
    filled: Filled, looking: Open, visitor: Page
) -> None:
    visitor.locator("#who button").click()
    visitor.get_by_placeholder("Your name").fill("Ylva Holm")
    visitor.get_by_role("button", name="Join").click()
    expect(visitor.locator("#who")).to_contain_text("Ylva Holm")
    user = visitor.evaluate("JSON.parse(localStorage.getItem('wayside-visitor')).id")
    took = []
    with looking(f"people/{user}") as page:
        page.locator(".session").first.click()
        for number in range(3):
            _, title = click_a_project(visitor, number)
            clicked = time.monotonic()
            events = page.get_by_role("table", name="Events of the session")
            expect(events.get_by_role("cell", name=title, exact=True).first).to_be_visible()
            took.append(time.monotonic() - clicked)
    print("in the timeline after", *(f"{seconds:.2f} s" for seconds in took))
    assert statistics.median(took) <= WITHIN_SECONDS


def test_nothing_is_asked_while_nobody_looks(filled: Filled, looking: Open) -> None:
    with looking("live") as page:
        asked: list[float] = []
        page.on("request", lambda one: asked.append(time.monotonic()) if "/live" in one.url else None)
        page.wait_for_timeout(5_000)
        assert 3 <= len(asked) <= 6
        page.evaluate(
            "() => { Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
            " document.dispatchEvent(new Event('visibilitychange')) }"
        )
        page.wait_for_timeout(500)
        asked.clear()
        page.wait_for_timeout(5_000)
        assert asked == []
        page.evaluate(
            "() => { delete document.hidden; document.dispatchEvent(new Event('visibilitychange')) }"
        )
        page.wait_for_timeout(500)
        assert len(asked) == 1


# What is shown is so ──────────────────────────────────────────────────────────────────────────────


def shown_days(stack: LocalStack, report: str) -> tuple[date, date]:
    said = answered(stack, f"/v1/analytics/{report}")
    return date.fromisoformat(said["from"]), date.fromisoformat(said["to"])


def numbers(cells: list[str]) -> list[int]:
    return [int(cell.replace(",", "")) for cell in cells]


STEPS = ["page:/demo/", "action:search", "type:content_interaction", "content:project/like"]


@pytest.mark.parametrize("hours", [1, 168])
def test_the_funnel_is_that_of_the_raw_table(
    hours: int, filled: Filled, looking: Open, database: Database
) -> None:
    rows = counted.rows_of(database, *shown_days(filled.stack, "activity"))
    expected = counted.funnel(rows, STEPS, timedelta(hours=hours))
    assert expected[0] > expected[-1] > 5
    with looking("funnel?time_zone=UTC") as page:
        # The steps are chosen as an operator does it.
        for number, step in enumerate(STEPS, 1):
            if number > 3:
                page.get_by_role("button", name="Add a step").click()
            page.get_by_label(f"Step {number}", exact=True).fill(step)
        page.get_by_role("button", name="Count").click()
        page.get_by_label("All within").select_option(str(hours))
        settled(page)
        found = rows_of(page, "Funnel")[1:]
        assert [row[0] for row in found] == STEPS
        assert numbers([row[1] for row in found]) == expected
        told = page.locator(".funnel-head span").all_inner_texts()
        assert numbers([text.split()[0] for text in told]) == expected
        bars = page.locator(".funnel-bar").evaluate_all(
            "(bars) => bars.map((bar) => bar.firstChild.offsetWidth / bar.offsetWidth)"
        )
        assert bars == pytest.approx([count / expected[0] for count in expected], abs=0.01)


def test_retention_is_that_of_the_raw_table(filled: Filled, looking: Open, database: Database) -> None:
    first, last = shown_days(filled.stack, "retention")
    # Who came before these days is no newcomer.
    expected = counted.retention(counted.rows_of(database, first - timedelta(60), last))
    with looking("retention?time_zone=UTC") as page:
        settled(page)
        file = [*csv.reader(io.StringIO(csv_of(page, "retention")))]
        shown = page.get_by_role("table", name="Retention").evaluate(
            "(table) => [...table.tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.innerText))"
        )
    assert len(file) == len(shown) + 1 >= 4
    cells = 0
    for (monday, visitors, *came), row in zip(file[1:], shown, strict=True):
        counts = expected[date.fromisoformat(monday)]
        assert [int(visitors), int(row[1])] == [counts[0], counts[0]]
        for week, (said, cell) in enumerate(zip(came, row[2:], strict=True)):
            if said:
                count = counts[week] if week < len(counts) else 0
                assert (int(said), cell) == (count, f"{round_half_up(100 * count / counts[0])}%")
                cells += 1
            else:
                assert cell == ""
    assert cells >= 6


def round_half_up(number: float) -> int:
    return int(number + 0.5)


def test_paths_are_those_of_the_raw_table(filled: Filled, looking: Open, database: Database) -> None:
    first, last = shown_days(filled.stack, "paths")
    # A session that began the day before is of that day.
    expected = counted.links(counted.rows_of(database, first - timedelta(1), last), first, depth=4)
    with looking("paths?time_zone=UTC") as page:
        settled(page)
        _, *found = csv.reader(io.StringIO(csv_of(page, "Paths")))
        shown = rows_of(page, "Paths")[1:]
        drawn = page.locator(".band title").all_text_contents()
    named = {
        (int(step) - 1, one, to): int(visits) for step, one, to, visits in found if "other" not in (one, to)
    }
    assert len(named) > 20
    assert named == {link: expected[link] for link in named}
    assert max(expected.values()) == max(named.values())
    assert shown == [[*row[:3], f"{int(row[3]):,}"] for row in found[:10]]
    [(_, one, to), most] = expected.most_common(1)[0]
    assert f"{one} → {to}: {most:,}" in drawn


def test_a_table_and_its_csv_say_the_same(filled: Filled, looking: Open) -> None:
    nasty = '=HYPERLINK("https://evil.example","x, y")'
    content = {"content_type": "project", "content_id": "nasty"}
    views = [
        {"type": "interaction", "interaction_type": "view", "user_id": f"reader-{number}", **content}
        for number in range(200)
    ]
    send(filled.stack, [{"type": "content", "title": nasty, "url": "/", **content}, *views])
    with looking("content") as page:
        settled(page)
        page.get_by_role("button", name=re.compile("^Show all")).click()
        heads, *rows = rows_of(page, "Content")
        text = csv_of(page, "Content")
    assert text.count("\r\n") == text.count("\n") == len(rows) + 1
    file_heads, *lines = csv.reader(io.StringIO(text))
    assert file_heads == heads
    assert len(lines) == len(rows) > 50
    by_name = [dict(zip(heads, line, strict=True)) for line in lines]
    for row, line in zip(rows, by_name, strict=True):
        shown = dict(zip(heads, row, strict=True))
        assert line["Title"] == ("'" + nasty if shown["Title"] == nasty else shown["Title"])
        for name in ("Views", "Visitors", "Interactions", "Shown", "Clicked"):
            assert shown[name] == f"{int(line[name]):,}"
        assert shown["Type"].lower() == line["Type"]
        assert shown["Engagement"] == f"{float(line['Engagement']):.2f}"
        rate = line["Click-through"]
        assert shown["Click-through"] == (shown_share(float(rate)) if rate else "\u2013")
    assert [line["Views"] for line in by_name if line["Title"].endswith('"x, y")')] == ["200"]


def shown_share(share: float) -> str:
    return f"{round_half_up(1000 * share) / 10:g}%"


# A person ─────────────────────────────────────────────────────────────────────────────────────────


def test_somebody_is_found_by_name_and_by_id_and_known(filled: Filled, looking: Open) -> None:
    key = filled.stack.local()["server_key"]
    insights = filled.stack.get(f"/v1/users/{filled.person}/insights", key).body
    name = filled.person.rpartition("-")[0].replace("-", " ").title()
    with looking("people") as page:
        page.get_by_role("searchbox").fill(filled.person)
        page.keyboard.press("Enter")
        expect(page.get_by_role("table", name="People").get_by_role("link")).to_have_text([name])
        page.get_by_role("searchbox").fill(name[:8].lower())
        page.keyboard.press("Enter")
        page.get_by_role("link", name=name, exact=True).first.click()
        expect(page.locator("h1")).to_have_text(name)
        settled(page)
        text = page.locator("main").inner_text()
        assert insights["suggestion"]["message"] in text
        assert insights["intent"].replace("_", " ").capitalize() in text
        for preference in insights["preferences"]:
            assert f"{round_half_up(100 * preference['score'])} %" in text
        assert page.locator(".hours .busy").count() == len(insights["active_hours"]) == 3
        likely = page.locator(".likely li b").all_inner_texts()
        assert likely == [shown_percent(one["probability"]) for one in insights["journey"]]
        assert len(rows_of(page, "Feed")) == 11
        page.get_by_role("table", name="Similar users").get_by_role("link").first.click()
        expect(page.locator("h1")).not_to_have_text(name)


def shown_percent(share: float) -> str:
    return "< 1 %" if 0 < share < 0.005 else f"{round_half_up(100 * share)} %"


def test_an_operator_sees_a_feed_without_its_being_counted_as_shown(
    filled: Filled, looking: Open, database: psycopg.Connection[Any]
) -> None:
    shown = "SELECT count(*) FROM impressions WHERE user_id = %s"
    before = database.execute(shown, [ids.to_uuid("user", filled.person)]).fetchone()
    with looking(f"people/{filled.person}") as page:
        expect(page.locator("section", has=page.get_by_role("heading", name="Feed")).first).to_be_visible()
        settled(page)
    assert database.execute(shown, [ids.to_uuid("user", filled.person)]).fetchone() == before


@pytest.mark.parametrize("user", ["ada@shop.example", "a/b", "50%40"])
def test_whoever_has_signs_in_the_id_is_opened(user: str, filled: Filled, looking: Open) -> None:
    sent = {"event_type": "page_view", "page_path": "/", "session_id": f"of {user}"}
    send(filled.stack, [{**sent, "user_id": user}])
    with looking(f"people?search={quote(user, safe='')}") as page:
        with page.expect_request("**/timeline*") as asked:
            page.get_by_role("table", name="People").get_by_role("link").click()
        assert f"/v1/users/{quote(user, safe='')}/timeline" in asked.value.url
        expect(page.locator(".session")).to_have_count(1)


# Links ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_link_carries_the_whole_state_and_back_works(
    filled: Filled, looking: Open, browser: Browser
) -> None:
    with looking("sessions") as page:
        settled(page)
        everybody = rows_of(page, "Sessions by day")
        page.get_by_label("Device").select_option("mobile")
        page.get_by_label("Filters").get_by_label("Period").select_option("Last 7 days")
        page.get_by_label("Time zone").fill("Asia/Kathmandu")
        page.get_by_label("Time zone").press("Enter")
        page.get_by_label("With bots").check()
        page.wait_for_url("**bots=true**")
        settled(page)
        expect(page.locator(".head .note")).to_contain_text("Asia/Kathmandu")
        chosen, link = rows_of(page, "Sessions by day"), page.url
        assert chosen != everybody
        page.get_by_role("link", name="Activity").click()
        expect(page.get_by_label("Time zone")).to_have_value("Asia/Kathmandu")
        expect(page.get_by_label("Device")).to_have_value("mobile")
        page.go_back()
        settled(page)
        assert (page.url, rows_of(page, "Sessions by day")) == (link, chosen)
    with browser.new_context(timezone_id="America/Lima") as context:
        other = context.new_page()
        sign_in(context, other, link)
        settled(other)
        assert rows_of(other, "Sessions by day") == chosen


def test_a_path_with_signs_is_asked_for_as_it_is(filled: Filled, looking: Open) -> None:
    start = "page:/caf%C3%A9"
    with looking("live") as page:
        with page.expect_request("**/v1/analytics/paths*") as asked:
            page.goto(f"{filled.stack.url}/insights/paths?start={quote(start, safe='')}")
        assert parse_qs(urlsplit(asked.value.url).query)["start"] == [start]


def test_an_open_session_is_in_the_link(filled: Filled, looking: Open, browser: Browser) -> None:
    with looking(f"people/{filled.person}") as page:
        page.locator(".session").nth(1).click()
        shown, link = rows_of(page, "Events of the session"), page.url
    with browser.new_context(timezone_id=ZONE) as context:
        other = context.new_page()
        sign_in(context, other, link)
        assert rows_of(other, "Events of the session") == shown


# What goes wrong ──────────────────────────────────────────────────────────────────────────────────


def test_what_fails_is_said_and_asked_again(filled: Filled, looking: Open) -> None:
    with looking("live", but="what fails") as page:
        settled(page)
        page.route("**/v1/analytics/sessions*", lambda route: route.abort())
        page.get_by_role("link", name="Sessions").click()
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text(re.compile("^No sessions. Footfall doesn.t answer."))
        page.unroute("**/v1/analytics/sessions*")
        alert.get_by_role("button", name="Try again").click()
        expect(page.get_by_role("table", name="Sessions by day")).to_be_visible()
        expect(alert).to_have_count(0)


def test_the_apis_own_words_are_shown(filled: Filled, looking: Open) -> None:
    with looking("activity?by=hour&days=90", but="a report of hours") as page:
        expect(page.get_by_role("alert")).to_contain_text("No activity. by: hours are told of")


def test_live_counts_that_stop_are_told_from_live_ones_and_asked_for_less(
    filled: Filled, looking: Open
) -> None:
    with looking("live", but="a server in trouble") as page:
        settled(page)
        asked: list[float] = []

        def fail(route: Any) -> None:
            asked.append(time.monotonic())
            route.fulfill(status=503, json={"code": "unavailable", "message": "Try again in a moment."})

        page.route("**/v1/analytics/live", fail)
        expect(page.get_by_role("alert")).to_contain_text("This is older than it should be.")
        expect(page.locator(".pulse.stopped")).to_be_visible()
        expect(
            page.get_by_role("table", name="Live devices").or_(page.locator(".empty")).first
        ).to_be_visible()
        page.wait_for_timeout(9_000)
        pauses = [later - earlier for earlier, later in pairwise(asked)]
        assert len(pauses) >= 2
        assert all(later > 1.5 * earlier for earlier, later in pairwise(pauses))
        page.unroute("**/v1/analytics/live")
        page.get_by_role("button", name="Try again").click()
        expect(page.locator(".pulse:not(.stopped)")).to_be_visible()


def test_a_sign_in_that_is_over_leads_back_to_the_same_view(filled: Filled, looking: Open) -> None:
    with looking("sessions?days=7", but="a token that is over") as page:
        settled(page)
        page.evaluate(
            "() => { for (const [key, kept] of Object.entries(sessionStorage))"
            " if (key.startsWith('oidc.user'))"
            " sessionStorage.setItem(key, JSON.stringify({...JSON.parse(kept), expires_at: 1})) }"
        )
        page.reload()
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("h1")).to_have_text("Sessions")
        assert page.url.endswith("/insights/sessions?days=7")
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        assert not page.evaluate("Object.keys(sessionStorage).some((key) => key.startsWith('oidc.user'))")


# Health ───────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_given_up_or_refused_is_looked_at_and_sent_back(filled: Filled, looking: Open) -> None:
    facts = filled.stack.local()
    nobody = {"region_name": "eu-west-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
    queue = boto3.client("sqs", endpoint_url=facts["sqs_endpoint"], **nobody)
    for number in range(3):
        queue.send_message(QueueUrl=facts["dlq_url"], MessageBody=f'{{"given up": {number}}}')
    with looking("health") as page:
        verdict = page.locator(".verdict")
        expect(verdict).to_contain_text("3 messages were given up")
        expect(verdict).to_contain_text("events were refused")
        expect(page.get_by_role("table", name="Dead letters")).to_contain_text("given up")
        reasons = rows_of(page, "Reasons of quarantine")
        assert any("created_at" in row[0] for row in reasons)
        page.get_by_role("button", name="Send back…").click()
        dialog = page.get_by_role("dialog", name="Send back?")
        expect(dialog).to_contain_text("Send back 3 messages?")
        dialog.get_by_role("button", name="Cancel").click()
        expect(page.get_by_role("heading", name="Dead letters: 3")).to_be_visible()
        page.get_by_role("button", name="Send back…").click()
        dialog.get_by_role("button", name="Send back").click()
        # What a look has hidden is found at a later step.
        expect(page.get_by_text("3 replayed, 0 stayed.")).to_be_visible(timeout=PATIENCE)
        expect(page.get_by_role("heading", name="Dead letters: 0")).to_be_visible()
        page.get_by_role("button", name="Store again…").click()
        page.get_by_role("dialog", name="Store again?").get_by_role("button", name="Store again").click()
        expect(page.get_by_text(re.compile(r"^0 replayed, \d+ stayed\."))).to_be_visible(timeout=PATIENCE)


def test_a_part_that_cannot_be_asked_is_not_said_to_be_well(filled: Filled, looking: Open) -> None:
    said = answered(filled.stack, "/v1/operations")
    nothing = {
        "quarantine": {"waiting": 0, "reasons": [], "latest": []},
        "analyze": {"last_run_at": None, "lag_seconds": None, "tasks": []},
        "freshness": {"last_event_at": None, "last_live_count_at": None},
        "months": {"made_until": None},
        "dead_letters": {"waiting": 0, "messages": []},
        "unavailable": ["database"],
    }
    with looking("live") as page:
        page.route("**/v1/operations", lambda route: route.fulfill(json={**said, **nothing}))
        page.get_by_role("link", name="Health").click()
        expect(page.locator(".verdict.bad")).to_contain_text("Nobody answers for database")
        expect(page.get_by_role("heading", name="Quarantine: unknown")).to_be_visible()
        expect(page.locator("main")).not_to_contain_text("every event was understood")
        expect(page.locator("main")).not_to_contain_text("never")


# Who may see ──────────────────────────────────────────────────────────────────────────────────────

OF_OTHERS = [
    "/v1/analytics/live",
    "/v1/analytics/activity",
    "/v1/analytics/sessions",
    "/v1/analytics/funnel?step=type:page_view&step=type:page_view",
    "/v1/analytics/retention",
    "/v1/analytics/paths",
    "/v1/analytics/content",
    "/v1/analytics/recommendations",
    "/v1/operations",
    "/v1/users?search=a",
    *(f"/v1/users/{{person}}/{part}" for part in ("insights", "feed", "next-action", "similar-users")),
    *(f"/v1/users/{{person}}/{part}" for part in ("timeline", "preferences")),
]


@pytest.mark.parametrize("path", OF_OTHERS)
def test_without_the_scope_nobody_else_is_seen_by_a_direct_request(path: str, filled: Filled) -> None:
    reply = filled.stack.get(path.format(person=filled.person), filled.stack.token("curious", "openid"))
    assert (reply.status, reply.body["code"]) == (403, "forbidden")
    assert filled.stack.get(path.format(person=filled.person)).status == 401


def test_without_the_scope_nobody_else_is_seen_in_the_page(filled: Filled, looking: Open) -> None:
    with looking("live", scope="openid", but="what is refused") as page:
        for view in (
            "Live",
            "Activity",
            "Sessions",
            "Retention",
            "Paths",
            "Content",
            "Recommendations",
            "Health",
        ):
            page.get_by_role("link", name=view, exact=True).click()
            expect(page.get_by_role("alert")).to_contain_text("this needs the scope footfall:")
            assert page.locator("main table").count() == 0
        page.goto(f"{filled.stack.url}/insights/people/{filled.person}")
        expect(page.get_by_role("alert")).to_have_count(7)
        assert page.locator("main table").count() == 0
        page.goto(f"{filled.stack.url}/insights/people?search=a")
        expect(page.get_by_role("alert")).to_contain_text("this needs the scope footfall:read")
        page.goto(f"{filled.stack.url}/insights/people/me")
        expect(page.locator("h1")).to_have_text("You (operator)")
        expect(page.locator(".footfall-card").first).to_contain_text("New user")
        settled(page)
        expect(page.get_by_role("alert")).to_have_count(0)


def test_who_may_read_but_not_administer_is_told_so(filled: Filled, looking: Open) -> None:
    with looking("health", scope="openid footfall:read", but="what is refused") as page:
        expect(page.get_by_role("alert")).to_contain_text("this needs the scope footfall:admin")
        page.get_by_role("link", name="Sessions").click()
        expect(page.get_by_role("table", name="Sessions by day")).to_be_visible()
