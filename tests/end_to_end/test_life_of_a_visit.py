"""One event's whole life: sent, queued, written, learned from, answered with."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from tests.end_to_end.local_stack import LocalStack, eventually

pytestmark = pytest.mark.xdist_group("stack")


def visit(anonymous_id: str, session_id: str) -> list[dict[str, Any]]:
    """A page view, six searches and a content view, a second apart."""
    now = datetime.now(UTC) - timedelta(seconds=10)
    search = {"event_type": "user_action", "event_category": "content_discovery", "event_action": "search"}
    events: list[dict[str, Any]] = [
        {
            "event_type": "page_view",
            "event_category": "navigation",
            "event_action": "view",
            "page_path": "/start",
        },
        *[{**search, "metadata": {"query": f"python {number}"}} for number in range(6)],
        {"type": "interaction", "content_type": "project", "content_id": "p-1", "interaction_type": "view"},
    ]
    return [
        {
            **event,
            "id": str(uuid.uuid4()),
            "anonymous_id": anonymous_id,
            "session_id": session_id,
            "created_at": (now + timedelta(seconds=second)).isoformat(),
            "time_zone": "Europe/Berlin",
        }
        for second, event in enumerate(events)
    ]


def test_a_visit_is_seen_in_insights_within_seconds(
    stack: LocalStack, database: psycopg.Connection[Any]
) -> None:
    user, session_id = f"visitor-{uuid.uuid4()}", str(uuid.uuid4())
    token = stack.token(user)
    events = visit(str(uuid.uuid4()), session_id)

    sent = stack.post("/v1/me/events", {"events": events}, token)
    assert (sent.status, sent.body) == (202, {"accepted": 8, "rejected": []})

    def searching() -> Any:
        insights = stack.get("/v1/users/me/insights", token).body
        return insights if insights["intent"] == "actively_searching" else None

    insights = eventually(searching)
    assert insights["stage"] == "new_user"
    assert insights["time_zone"] == "Europe/Berlin"
    row = database.execute(
        "SELECT page_views, actions_count, landing_page, exit_page, bounce, duration_seconds"
        " FROM user_sessions WHERE id = %s",
        [session_id],
    ).fetchall()
    assert row == [(1, 7, "/start", "/start", False, 7)]


def test_a_page_that_knows_no_sessions_gets_them(
    stack: LocalStack, database: psycopg.Connection[Any]
) -> None:
    """As Segment's library for browsers sends: one by one, without a session, now and then late."""
    anonymous_id, keys = str(uuid.uuid4()), stack.local()
    began = datetime.now(UTC) - timedelta(hours=3)

    def call(path: str, minutes: int, key: str = "browser_key", **said: Any) -> None:
        message = {
            "messageId": f"ajs-next-{uuid.uuid4()}",
            "anonymousId": anonymous_id,
            "timestamp": (began + timedelta(minutes=minutes)).isoformat(),
            "context": {"page": {"path": f"/{minutes}"}, "library": {"name": "analytics.js"}},
            "writeKey": keys[key],
            **said,
        }
        answer = stack.post(f"/v1/{path}", message, **{"content-type": "text/plain"})
        assert (answer.status, answer.body) == (200, {"success": True})

    def visits() -> list[Any]:
        return database.execute(
            "SELECT page_views, actions_count, landing_page, exit_page, duration_seconds FROM user_sessions"
            " WHERE visitor_id = %s ORDER BY started_at",
            [anonymous_id],
        ).fetchall()

    call("t", 55, "server_key", event="Order Shipped")
    call("p", 0)
    call("t", 3, event="Signed Up")
    call("p", 50)
    call("t", 51, event="Product Viewed", properties={"product_id": "p-1"})
    call("p", 120)
    eventually(
        lambda: visits() == [(1, 1, "/0", "/0", 180), (1, 1, "/50", "/50", 60), (1, 0, "/120", "/120", 0)]
    )
    call("p", 25)
    eventually(lambda: visits() == [(3, 2, "/0", "/50", 51 * 60), (1, 0, "/120", "/120", 0)])
    stored = database.execute(
        "SELECT count(*), count(session_id), count(DISTINCT session_id) FROM user_activities"
        " WHERE anonymous_id = %s",
        [anonymous_id],
    ).fetchone()
    assert stored == (7, 6, 2)


def test_what_is_learned_comes_back_as_a_feed(stack: LocalStack) -> None:
    reader, others = f"reader-{uuid.uuid4()}", [f"other-{uuid.uuid4()}" for _ in range(3)]
    kind = f"kind-{uuid.uuid4().hex[:8]}"
    key = stack.local()["server_key"]
    content = [
        {
            "type": "content",
            "content_type": kind,
            "content_id": f"{kind}-{n}",
            "title": f"Title {n}",
            "url": f"/c/{n}",
        }
        for n in range(4)
    ]
    views = [
        {
            "type": "interaction",
            "user_id": who,
            "content_type": kind,
            "content_id": f"{kind}-{n}",
            "interaction_type": "like",
        }
        for who, items in [(reader, [0]), *[(other, [0, 1, 2]) for other in others]]
        for n in items
    ]
    assert stack.post("/v1/events", {"write_key": key, "events": content + views}).body["accepted"] == 14

    token = stack.token(reader)

    def personal() -> Any:
        stack.post("/2015-03-31/functions/AnalyzeFunction/invocations", {})
        # Others' content is there as well: of one type it is known what should come.
        feed = stack.get(f"/v1/users/me/feed?limit=3&content_type={kind}", token).body
        reasons = {item["content_id"]: item["reason"] for item in feed["items"]}
        # The rest may be there before others' likes are counted.
        return feed if reasons.get(f"{kind}-1", "").startswith(("Rising in", "Because you viewed")) else None

    feed = eventually(personal)
    shown = {item["content_id"]: item for item in feed["items"]}
    assert f"{kind}-0" not in shown, "what the reader met is not shown again"
    assert {f"{kind}-1", f"{kind}-2", f"{kind}-3"} == set(shown)
    assert feed["strategy"] == "personal"
    assert shown[f"{kind}-1"]["title"] == "Title 1"
    assert shown[f"{kind}-3"]["strategy"] == "newest_in_preferred"
    assert feed["reasoning"] == "From what you viewed and like"
    page = stack.get(f"/v1/users/me/feed?limit=3&cursor={feed['cursor']}", token).body
    assert not {item["content_id"] for item in page["items"]} & set(shown)

    alike = stack.get("/v1/users/me/similar-users", token).body["users"]
    assert {one["user_id"] for one in alike} == set(others)
    assert all(0 < one["similarity_score"] <= 1 and one["shared"] == 1 for one in alike)


def test_history_before_the_login_becomes_the_users(
    stack: LocalStack, database: psycopg.Connection[Any]
) -> None:
    user, anonymous_id, session_id = f"late-{uuid.uuid4()}", str(uuid.uuid4()), str(uuid.uuid4())
    key, token = stack.local()["browser_key"], stack.token(user)
    common = {"anonymous_id": anonymous_id, "session_id": session_id}
    page = {**common, "event_type": "page_view", "user_id": "somebody-else"}
    stack.post("/v1/events", {"write_key": key, "events": [{**page, "page_path": "/before"}]})
    eventually(lambda: _activities(database, anonymous_id) == [(None, False)])

    stack.post(
        "/v1/me/events", {"events": [{**common, "type": "identify", "traits": {"plan": "pro"}}]}, token
    )
    stack.post(f"/v1/events?write_key={key}", {**page, "page_path": "/after"})

    rows = eventually(
        lambda: len(found := _activities(database, anonymous_id)) == 2 and all(u for u, _ in found) and found
    )
    assert {linked for _, linked in rows} == {True}
    assert len({user_id for user_id, _ in rows}) == 1


def test_somebody_elses_insights_need_a_scope(stack: LocalStack) -> None:
    mine, theirs = stack.token("ann"), "/v1/users/bob/insights"
    assert stack.get(theirs, mine).status == 403
    assert stack.get(theirs, stack.token("ann", "footfall:read")).status == 200
    assert stack.get(theirs, stack.local()["server_key"]).status == 200
    assert stack.get("/v1/users/ann/insights", mine).status == 200
    assert stack.get("/v1/users/me/insights", stack.local()["server_key"]).status == 403


def test_what_a_user_says_wins_over_what_was_learned(stack: LocalStack) -> None:
    token, path = stack.token(f"chooser-{uuid.uuid4()}"), "/v1/users/me/preferences/content_type:job"
    assert stack.get(path, token).status == 404
    said = stack.request("PUT", path, b'{"score": 0.9}', token)
    assert (said.status, said.body["value"]) == (200, {"type": "job", "score": 0.9})
    assert stack.get(path, token).body["source"] == "explicit"
    assert stack.request("DELETE", path, None, token).status == 204
    assert stack.get(path, token).status == 404


def _activities(database: psycopg.Connection[Any], anonymous_id: str) -> list[Any]:
    return database.execute(
        "SELECT user_id, is_linked FROM user_activities WHERE anonymous_id = %s", [anonymous_id]
    ).fetchall()
