"""The insights room as the gateway asks it: who may, what is refused, answers as the contract has them."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from footfall.http import READ
from functions.insights import handler, people
from functions.insights.handler import ROUTES
from local.postgres.roles import let_in
from tests.asking import SERVER, answer_of, request, token_of
from tests.contract import OPERATIONS, check
from tests.site import BOT, Json, Site, does, is_told, meets, there_is

NOW = datetime.now(UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
# What a route can't do without.
NEEDED: dict[str, list[tuple[str, str]]] = {
    "GET /v1/analytics/funnel": [("step", "page:/a,b"), ("step", "type:search")],
    "GET /v1/users": [("search", "ada")],
}
REPORTS = [route for route in ROUTES if route.startswith("GET /v1/analytics/")]
DAILY = [route for route in REPORTS if not route.endswith(("/live", "/recommendations"))]
OVERVIEW, FUNNEL, USERS = "GET /v1/analytics/live", "GET /v1/analytics/funnel", "GET /v1/users"
TIMELINE = "GET /v1/users/{user}/timeline"


@pytest.fixture
def site(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """One whom `insights` answers of, by its own role."""
    handler._database.cache_clear()
    monkeypatch.setenv("DATABASE_URL", let_in(database_url, "footfall_insights"))
    with Site(database_url) as site:
        yield site
    if handler._database.cache_info().currsize:
        handler._database().close()
    handler._database.cache_clear()


def ask(
    route: str, *query: tuple[str, str], user: str = "me", caller: Any = SERVER, seen: str = ""
) -> tuple[int, Any]:
    """Checked against the contract."""
    event = request(route, user, caller)
    event["rawQueryString"] = urlencode(query)
    several: dict[str, list[str]] = {}
    for name, value in query:
        several.setdefault(name, []).append(value)
    event["queryStringParameters"] = {name: ",".join(values) for name, values in several.items()}
    if seen:
        event["headers"]["if-none-match"] = seen
    status, body = answer_of(handler.lambda_handler(event, None))
    check(route, status, body)
    return status, body


def told(route: str, *query: tuple[str, str], user: str = "me") -> Any:
    status, body = ask(route, *NEEDED.get(route, []), *query, user=user)
    assert status == 200, body
    return body


def test_every_route_is_in_the_contract_and_asks_for_what_it_needs() -> None:
    assert ROUTES.keys() <= OPERATIONS.keys()
    needed = {
        route
        for route in ROUTES
        if any(
            one.get("required") and one["in"] == "query" for one in OPERATIONS[route].get("parameters", [])
        )
    }
    assert needed == NEEDED.keys()


@pytest.mark.parametrize("route", ROUTES)
def test_an_empty_database_has_an_answer(site: Site, route: str) -> None:
    assert told(route, user="nobody")


@pytest.mark.parametrize("route", ROUTES)
def test_a_database_in_which_something_happened_has_an_answer(site: Site, route: str) -> None:
    live(site)
    assert told(route, user="ada")


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("scope", ["openid", f"{READ}ish"])
def test_who_lacks_the_scope_sees_nobody_else(site: Site, route: str, scope: str) -> None:
    live(site)
    status, body = ask(route, *NEEDED.get(route, []), user="ada", caller=token_of("grace", scope))
    assert (status, body) == (403, {"code": "forbidden", "message": f"this needs the scope {READ}"})


@pytest.mark.parametrize("route", ROUTES)
def test_who_has_the_scope_is_answered(site: Site, route: str) -> None:
    status, _ = ask(route, *NEEDED.get(route, []), user="ada", caller=token_of("grace", f"openid {READ}"))
    assert status == 200


def test_ones_own_timeline_needs_no_scope(site: Site) -> None:
    live(site)
    for user in ("me", "ada"):
        status, body = ask(TIMELINE, user=user, caller=token_of("ada"))
        assert (status, len(body["sessions"])) == (200, 2)
    status, body = ask(TIMELINE, caller=SERVER)
    assert (status, body["code"]) == (403, "forbidden")


WRONG = {
    "from": ["", "yesterday", "2026-02-30", "20261101", "1066-10-14", "2026-W01-1"],
    "to": ["2026-13-01", "9999-12-31"],
    "time_zone": ["", "Nowhere", "europe/berlin", "UTC' --", "x" * 101, "a\x00b"],
    "device": ["", "watch", "Mobile"],
    "country": ["", "x" * 101, "\x00"],
    "bots": ["", "1", "TRUE"],
    "event_type": ["", "x" * 101, "\x00"],
    "by": ["", "month"],
    "within_hours": ["0", "2161", "1.5", "-1", "many"],
    "depth": ["1", "9", ""],
    "start": ["", "x" * 256],
    "content_type": ["", "x" * 51],
    "search": ["", "  ", "x" * 256],
    "limit": ["0", "101"],
    "cursor": ["", "!", "bm90aGluZw==", "WzEsMl0="],
}
IN_OPENAPI = {
    route: {
        (one.get("name") or one["$ref"].rpartition("/")[2]) for one in OPERATIONS[route].get("parameters", [])
    }
    - {"user", "step"}
    for route in ROUTES
    if not route.endswith("/recommendations")
}


@pytest.mark.parametrize(
    ("route", "name"), [(route, name) for route, names in IN_OPENAPI.items() for name in sorted(names)]
)
def test_a_parameter_that_is_wrong_is_named(site: Site, route: str, name: str) -> None:
    """All that the contract knows; so it is read, too."""
    for value in WRONG[name]:
        query = [one for one in NEEDED.get(route, []) if one[0] != name]
        status, body = ask(route, *query, (name, value), user="ada")
        assert (status, body["code"]) == (400, "bad_request"), value
        assert body["message"].startswith(f"{name}: "), body


@pytest.mark.parametrize("route", [route for route in ROUTES if not route.endswith("/recommendations")])
def test_a_parameter_that_is_unknown_is_named(site: Site, route: str) -> None:
    status, body = ask(route, *NEEDED.get(route, []), ("colour", "red"), user="ada")
    assert (status, body["message"].partition(":")[0]) == (400, "colour")


@pytest.mark.parametrize("route", DAILY)
def test_days_are_at_most_so_many_and_the_right_way_round(site: Site, route: str) -> None:
    for first, last in (("2026-11-02", "2026-11-01"), ("2026-01-01", "2026-04-03")):
        status, body = ask(route, *NEEDED.get(route, []), ("from", first), ("to", last))
        assert (status, body["message"].partition(":")[0]) == (400, "from")
    assert told(route, ("from", "2026-01-01"), ("to", "2026-04-02"))
    usual = told(route)
    assert (usual["to"], usual["from"]) == (f"{NOW:%Y-%m-%d}", f"{NOW - 27 * DAY:%Y-%m-%d}")
    assert usual["time_zone"] == "UTC"


def test_hours_are_told_of_two_weeks_at_most(site: Site) -> None:
    route = "GET /v1/analytics/activity"
    two_weeks = [("from", "2026-11-01"), ("to", "2026-11-14")]
    assert len(told(route, *two_weeks, ("by", "hour"))["points"]) == 14 * 24
    status, body = ask(route, two_weeks[0], ("to", "2026-11-15"), ("by", "hour"))
    assert (status, body["message"].partition(":")[0]) == (400, "by")


@pytest.mark.parametrize(
    "steps",
    [
        ["page:/"],
        ["page:/"] * 9,
        ["page:/", "page:"],
        ["page:/", "/"],
        ["page:/", "place:/"],
        ["page:/", "content:job"],
        ["page:/", "content:/view"],
        ["page:/", f"page:/{'x' * 300}"],
        ["page:/", "action:\x00"],
    ],
    ids=str,
)
def test_a_step_that_is_none_is_named(site: Site, steps: list[str]) -> None:
    status, body = ask(FUNNEL, *(("step", step) for step in steps))
    assert (status, body["message"].partition(":")[0]) == (400, "step")


def test_a_step_may_hold_a_comma(site: Site) -> None:
    site.send(does("ada", NOW - MINUTE, page_path="/a,b"), does("ada", NOW, "search"), at=NOW)
    assert [one["visitors"] for one in told(FUNNEL)["steps"]] == [1, 1]


@pytest.mark.parametrize("route", ROUTES)
def test_what_was_seen_is_not_sent_again(site: Site, route: str) -> None:
    event = request(route, "ada")
    event["rawQueryString"] = urlencode(NEEDED.get(route, []))
    event["queryStringParameters"] = dict(NEEDED.get(route, []))
    first = handler.lambda_handler(event, None)
    if route == USERS:
        assert first["headers"]["cache-control"] == "no-store"
        assert "etag" not in first["headers"]
        return
    seconds = 1 if route in (OVERVIEW, TIMELINE) else 60
    assert first["headers"]["cache-control"] == f"private, max-age={seconds}"
    assert first["headers"]["etag"]


# ── Now ──────────────────────────────────────────────────────────────────────────────────────────


def live(site: Site) -> None:
    """Ada twice, on a phone and before that at a desk; two more; and a crawler."""
    now = datetime.now(UTC)
    phone: Json = {
        "context": {
            "user_agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Mobile/15E148",
            "country": "DE",
        }
    }
    desk: Json = {
        "context": {
            "user_agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/142.0.0.0",
            "country": "FR",
        }
    }
    site.send(
        there_is("graphs", now - DAY, title="Graph databases"),
        is_told("ada", now - 20 * MINUTE, name="Ada Lovelace", email="Ada@Example.com"),
        does(
            "ada", now - 4 * MINUTE, anonymous_id="desk", session_id="at the desk", page_path="/old", **desk
        ),
        does(
            "ada",
            now - 2 * MINUTE,
            anonymous_id="phone",
            session_id="on the phone",
            page_path="/new",
            **phone,
        ),
        meets("ada", "graphs", now - MINUTE, anonymous_id="phone", session_id="on the phone", **phone),
        does("grace", now - 3 * MINUTE, session_id="hers", page_path="/old", **desk),
        does("mary", now - 20 * MINUTE, session_id="gone", page_path="/gone"),
        does("crawler", now, session_id="crawling", page_path="/crawled", context={"user_agent": BOT}),
        at=now,
    )


def test_who_is_there_now(site: Site) -> None:
    live(site)
    body = told(OVERVIEW)
    assert body["active_visitors"] == 2
    assert body["pages"] == [{"page_path": "/new", "visitors": 1}, {"page_path": "/old", "visitors": 1}]
    assert body["countries"] == [{"country": "DE", "visitors": 1}, {"country": "FR", "visitors": 1}]
    assert body["devices"] == [{"device": "desktop", "visitors": 1}, {"device": "mobile", "visitors": 1}]
    met = {"content_type": "project", "content_id": "graphs", "title": "Graph databases", "events": 1}
    assert body["content"] == [met]
    minutes = [datetime.fromisoformat(one["minute"]) for one in body["minutes"]]
    assert minutes == [minutes[-1] - back * MINUTE for back in reversed(range(30))]
    assert datetime.fromisoformat(body["now"]) - minutes[-1] < MINUTE
    assert sum(one["events"] for one in body["minutes"]) == 5


def test_events_of_before_that_come_in_now_make_nobody_active(site: Site) -> None:
    site.send(does("ada", NOW - 10 * MINUTE, session_id="late"), at=NOW)
    assert told(OVERVIEW)["active_visitors"] == 0


def test_events_of_a_clock_that_is_ahead_are_over_in_time(site: Site) -> None:
    site.send(does("ada", NOW + MINUTE, session_id="ahead"), at=NOW - 6 * MINUTE)
    assert told(OVERVIEW)["active_visitors"] == 0


def test_the_live_view_reads_as_much_however_long_the_history_is(site: Site) -> None:
    """Nothing that grows is gone through whole."""
    for query in ("live_minutes", "live_content", "active_sessions"):
        assert not re.search(r"Seq Scan on (user|live|content_interactions)", plan_of(site, query)), query


def plan_of(site: Site, query: str, **parameters: Any) -> str:
    """Where tables are so small that Postgres would go through them."""
    asked = {"now": NOW, "most": 10, **parameters}
    with site.connection.transaction(force_rollback=True):
        site.connection.execute("SET LOCAL enable_seqscan = off")
        found = site.connection.execute(f"EXPLAIN {handler.QUERIES[query]}".encode(), asked).fetchall()
    return "\n".join(row["QUERY PLAN"] for row in found)


# ── People ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("ada", ["ada", "adam"]),
        ("Ada lovelace", ["ada"]),
        ("ADA@EXAMPLE.COM", ["ada"]),
        ("ada@EX", ["ada"]),
        ("a_a", []),
        ("%", []),
        ("4711", ["ada"]),
        ("undefined", []),
        ("nobody", []),
    ],
)
def test_users_are_found(site: Site, search: str, found: list[str]) -> None:
    live(site)
    site.send(
        is_told("ada", NOW, number=4711, deep={"ada": 1}, likes=["ada"]),
        is_told("adam", NOW - DAY, name="ADA Byron"),
        does("adam", NOW - DAY),
        at=NOW,
    )
    _, users = ask(USERS, ("search", search))
    assert [one["user_id"] for one in users["users"]] == found
    if found:
        ada = users["users"][0]
        assert (ada["name"], ada["email"], ada["activities"]) == ("Ada Lovelace", "Ada@Example.com", 3)


def test_a_user_is_found_by_the_id_that_is_stored(site: Site) -> None:
    live(site)
    stored = str(site.value("SELECT id FROM external_ids WHERE external_id = 'grace'"))
    [grace] = ask(USERS, ("search", stored.upper()))[1]["users"]
    assert (grace["user_id"], grace["name"], grace["activities"]) == ("grace", None, 1)


def test_who_is_like_what_is_sought_comes_before_who_begins_so(site: Site) -> None:
    for number in range(25):
        site.send(is_told(f"other {number}", NOW, name=f"Ada the {number}."), at=NOW)
    site.send(is_told("exact", NOW - DAY, name="ada"), at=NOW - DAY)
    found = [one["user_id"] for one in ask(USERS, ("search", "Ada"))[1]["users"]]
    assert (found[0], len(found)) == ("exact", 20)


def test_a_trait_is_looked_for_in_its_index(site: Site) -> None:
    plan = plan_of(site, "find_users", user_id=None, search="Ada", pattern="Ada%")
    assert plan.count("traits_by_value") >= 2, plan
    # However many share it, and however many begin so; and the answer's own.
    assert plan.count("Limit") == 3, plan


def test_a_timeline_tells_sessions_with_their_events(site: Site) -> None:
    live(site)
    sessions = told(TIMELINE, user="ada")["sessions"]
    assert [one["session_id"] for one in sessions] == ["on the phone", "at the desk"]
    phone = sessions[0]
    assert (phone["device"], phone["country"], phone["landing_page"]) == ("mobile", "DE", "/new")
    assert (phone["page_views"], phone["actions_count"], phone["bounce"]) == (1, 1, False)
    met, seen = phone["events"]
    assert (met["event_action"], met["content_type"], met["content_id"], met["title"]) == (
        "view_project", "project", "graphs", "Graph databases",
    )  # fmt: skip
    assert (seen["event_type"], seen["page_path"], seen["content_id"]) == ("page_view", "/new", None)


def test_a_timeline_shows_of_a_shared_session_ones_own_events(site: Site) -> None:
    shared = {"anonymous_id": "family", "session_id": "evening"}
    site.send(
        does("ada", NOW - 2 * MINUTE, page_path="/hers", **shared),
        does("bob", NOW - MINUTE, page_path="/his", **shared),
        at=NOW,
    )
    for user, path in (("ada", "/hers"), ("bob", "/his")):
        [session] = told(TIMELINE, user=user)["sessions"]
        assert [one["page_path"] for one in session["events"]] == [path]


@pytest.mark.parametrize("at_once", [3, 7, 3_000])
def test_a_timeline_goes_on_page_by_page(site: Site, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions beside each other on several devices, some of them long, some that end at the same moment."""
    monkeypatch.setattr(people, "AT_ONCE", at_once)
    monkeypatch.setattr(people, "TIMES", 100)
    events = [
        does("ada", NOW - (60 * number + 37 * step) * MINUTE, anonymous_id=f"device {number % 3}",
             session_id=f"session {number}", page_path=f"/{number}/{step}")
        for number in range(12)
        for step in range(1 + 5 * (number % 3))
    ]  # fmt: skip
    site.send(*events, at=NOW)
    stored = site.rows("SELECT * FROM user_sessions ORDER BY ended_at DESC, id DESC")
    names = {row["id"]: row["external_id"] for row in site.rows("SELECT id, external_id FROM external_ids")}
    found: list[Json] = []
    cursor: list[tuple[str, str]] = []
    for _ in range(20):
        page = told(TIMELINE, ("limit", "5"), *cursor, user="ada")
        assert 1 <= len(page["sessions"]) <= 5
        found += page["sessions"]
        if page["cursor"] is None:
            break
        cursor = [("cursor", page["cursor"])]
    assert [one["session_id"] for one in found] == [names[row["id"]] for row in stored]
    assert sum(len(one["events"]) for one in found) == len(events)


def test_a_timeline_goes_on_behind_what_is_too_much_for_one_look(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "AT_ONCE", 5)
    monkeypatch.setattr(people, "TIMES", 2)
    site.send(
        *(does("ada", NOW - number * MINUTE, session_id="long") for number in range(30)),
        does("ada", NOW - 300 * MINUTE, session_id="before"),
        at=NOW,
    )
    found: list[str] = []
    cursor: list[tuple[str, str]] = []
    for _ in range(10):
        page = told(TIMELINE, *cursor, user="ada")
        found += [one["session_id"] for one in page["sessions"]]
        if page["cursor"] is None:
            break
        cursor = [("cursor", page["cursor"])]
    assert found == ["long", "before"]


def test_of_a_long_session_the_latest_hundred_events_are_told(site: Site) -> None:
    site.send(
        *(
            does("ada", NOW - number * MINUTE, session_id="long", page_path=f"/{number}")
            for number in range(130)
        ),
        at=NOW,
    )
    [session] = told(TIMELINE, user="ada")["sessions"]
    assert [one["page_path"] for one in session["events"]] == [f"/{number}" for number in range(100)]
    assert session["page_views"] == 130


# ── Health ───────────────────────────────────────────────────────────────────────────────────────


def test_what_the_database_knows_of_its_health(site: Site) -> None:
    empty = handler.lambda_handler({"look": "health"}, None)
    assert empty["quarantine"] == {"waiting": 0, "reasons": [], "latest": []}
    assert empty["freshness"] == {"last_event_at": None, "last_live_count_at": None}
    live(site)
    site.analyze(datetime.now(UTC))
    for number in range(12):
        site.connection.execute(
            "INSERT INTO quarantine (id, stage, reason, raw, received_at, replayed_at)"
            " VALUES (gen_random_uuid(), 'session', %s, %s, %s, %s)",
            [f"reason {number % 2}", "x" * 9_999, NOW - number * MINUTE, NOW if number == 11 else None],
        )
    found = handler.lambda_handler({"look": "health"}, None)
    quarantine = found["quarantine"]
    assert quarantine["waiting"] == 11
    assert quarantine["reasons"] == [{"reason": "reason 0", "events": 6}, {"reason": "reason 1", "events": 5}]
    assert [one["received_at"] for one in quarantine["latest"]] == [
        (NOW - number * MINUTE).isoformat() for number in range(10)
    ]
    assert {len(one["event"]) for one in quarantine["latest"]} == {2_000}
    assert datetime.now(UTC) - datetime.fromisoformat(found["freshness"]["last_event_at"]) < 5 * MINUTE
    assert found["freshness"]["last_live_count_at"]
    assert 0 <= found["analyze"]["lag_seconds"] < 60
    assert {one["task"].partition("/")[0] for one in found["analyze"]["tasks"]} >= {"trends", "users 0"}
    until = found["months"]["made_until"]
    months = site.rows(
        "SELECT to_regclass('user_activities_' || to_char(%s::date - 1, 'YYYY_MM')) IS NOT NULL AS is_there,"
        " to_regclass('user_activities_' || to_char(%s::date, 'YYYY_MM')) IS NULL AS is_not",
        *(until, until),
    )
    assert months == [{"is_there": True, "is_not": True}]


def test_an_event_that_is_dated_ahead_says_nothing_of_freshness(site: Site) -> None:
    site.send(does("ada", NOW + 20 * 60 * MINUTE), at=NOW - 180 * MINUTE)
    site.send(does("ada", NOW - MINUTE), at=NOW)
    fresh = handler.lambda_handler({"look": "health"}, None)["freshness"]
    assert NOW - datetime.fromisoformat(fresh["last_event_at"]) < MINUTE
    assert NOW - 2 * MINUTE <= datetime.fromisoformat(fresh["last_live_count_at"]) <= NOW


def test_a_database_that_is_away_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    handler._database.cache_clear()
    monkeypatch.setenv("DATABASE_URL", "postgresql://footfall@127.0.0.1:1/footfall")
    monkeypatch.setattr(handler, "PATIENCE_SECONDS", 0.0)
    assert handler.lambda_handler({"look": "health"}, None).keys() == {"unavailable"}
    handler._database.cache_clear()
