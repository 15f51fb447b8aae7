"""The report on recommendations, of feeds that were shown and clicked, through the real SQL."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from footfall.http import READ
from functions.insights import handler
from functions.recommend.experiment import draw
from local.postgres.roles import let_in
from tests.asking import FEED, SERVER, answer_of, answering, request, token_of, told
from tests.integration.test_recommend_plans import nodes
from tests.site import Json, Site, by_a_bot, content_id, meets, there_is, user_id

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
REPORT = "GET /v1/analytics/recommendations"
SHOWN = ("a", "b", "c")


@pytest.fixture
def site(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with answering(database_url, monkeypatch) as site:
        yield site


@pytest.fixture
def ask(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Asks `insights`, by its own role."""
    handler._database.cache_clear()
    with monkeypatch.context() as environ:
        environ.setenv("DATABASE_URL", let_in(database_url, "footfall_insights"))
        handler._database()

    def asking(caller: Any = SERVER, **query: str) -> tuple[int, Any]:
        event = request(REPORT, "nobody", caller)
        event["queryStringParameters"] = query
        return answer_of(handler.lambda_handler(event, None))

    yield asking
    handler._database().close()
    handler._database.cache_clear()


def named(arm: str, count: int) -> list[str]:
    """Users who would be in that arm of an experiment that holds half out."""
    names = (f"user {n}" for n in range(10 * count + 100))
    return [name for name in names if draw(user_id(name), 0.5) == arm][:count]


@pytest.fixture
def market(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    site.send(*(there_is(one, NOW - DAY) for one in SHOWN), at=NOW)
    monkeypatch.setenv("HOLDOUT_PERCENT", "50")
    return site


def clicks(user: str, content: str, feed: str, **more: Any) -> Json:
    return meets(
        user, content, more.pop("at", datetime.now(UTC)), **{"how": "click", "feed_id": feed, **more}
    )


class TestClicks:
    """Each of one feed of three items."""

    @pytest.fixture
    def shown(self, market: Site) -> tuple[Site, str, str]:
        [name] = named("holdout", 1)
        page = told(FEED, name)
        assert sorted(item["content_id"] for item in page["items"]) == list(SHOWN)
        return market, name, page["feed_id"]

    def counted(self, shown: tuple[Site, str, str], ask: Any, *events: Json) -> tuple[int, float]:
        """Clicks and engagement of the arm."""
        shown[0].send(*events, at=datetime.now(UTC) + 2 * HOUR)
        status, body = ask()
        assert status == 200
        arm = body["arms"]["holdout"]
        assert (arm["visitors"], arm["active_visitors"], arm["impressions"]) == (1, 1, 3)
        assert body["verdict"] == "too_thin"
        return arm["clicks"], arm["engagement_per_visitor"]

    def test_of_the_visitor_count_once_an_item(self, shown: Any, ask: Any) -> None:
        _, name, feed = shown
        again = [clicks(name, "a", feed, how=how) for how in ("view", "click", "like", "click")]
        found = self.counted(shown, ask, *again, clicks(name, "b", feed))
        assert found[0] == 2
        assert found[1] == pytest.approx(0.8 + 0.7)

    def test_of_another_or_of_what_was_not_shown_there_do_not_count(self, shown: Any, ask: Any) -> None:
        _, name, feed = shown
        events = [
            clicks("stranger", "a", feed),
            clicks(name, "never shown", feed),
            clicks(name, "a", feed, kind="job"),
            clicks(name, "a", "another feed"),
            meets(name, "b", NOW + HOUR, "click"),
            by_a_bot(clicks(name, "c", feed)),
        ]
        assert self.counted(shown, ask, *events) == (0, 0)

    def test_count_for_a_day(self, shown: Any, ask: Any) -> None:
        site, name, feed = shown
        at = site.value("SELECT max(shown_at) FROM impressions")
        before, after = at - timedelta(minutes=6), at + DAY
        late = [clicks(name, "a", feed, at=before), clicks(name, "b", feed, at=after)]
        site.send(*late, at=after + HOUR)
        assert self.counted(shown, ask, clicks(name, "c", feed, at=at + HOUR))[0] == 1

    def test_of_a_device_count_once_it_is_a_users(self, shown: Any, ask: Any) -> None:
        """What was shown to an anonymous id is clicked by that id, whoever it belongs to by then."""
        site, name, feed = shown
        device = user_id("device")
        site.connection.execute("UPDATE impressions SET user_id = NULL, anonymous_id = %s", [device])
        site.connection.execute(
            "UPDATE assignments"
            " SET visitor_id = %s, visitor_is_user = false, unit_id = %s, unit_is_user = false",
            [device, device],
        )
        own = clicks(name, "a", feed, anonymous_id=device)
        other = clicks(name, "b", feed, anonymous_id=user_id("another device"))
        assert self.counted(shown, ask, own, other)[0] == 1


def test_devices_and_the_user_they_became_are_one_visitor(market: Site, ask: Any) -> None:
    [name] = named("holdout", 1)
    told(FEED, name)
    market.connection.execute(
        "INSERT INTO assignments SELECT %s, false, arm, holdout_share, %s, false, exposed_at, exposed_at"
        " FROM assignments",
        [user_id("device")] * 2,
    )
    market.connection.execute(
        "UPDATE assignments SET unit_id = %s, unit_is_user = false WHERE visitor_is_user", [user_id("device")]
    )
    market.connection.execute(
        "INSERT INTO impressions SELECT gen_random_uuid(), position, NULL, %s, content_type, content_id,"
        " strategy, propensity, arm, shown_at FROM impressions",
        [user_id("device")],
    )
    arm = ask()[1]["arms"]["holdout"]
    assert (arm["visitors"], arm["active_visitors"], arm["impressions"]) == (1, 1, 6)


def test_what_is_shown_while_no_experiment_is_on_does_not_count(
    market: Site, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    [name] = named("holdout", 1)
    told(FEED, name)
    monkeypatch.setenv("HOLDOUT_PERCENT", "0")
    told(FEED, name)
    assert ask()[1]["arms"]["holdout"]["impressions"] == 3


class TestAsking:
    def test_an_empty_database_gets_an_honest_answer(self, site: Site, ask: Any) -> None:
        status, body = ask()
        assert (status, body["verdict"], body["uplift"]) == (200, "nothing_shown", None)
        assert (body["strategies"], body["best_strategy"]) == ([], None)
        assert (body["from"], body["to"]) == (
            f"{datetime.now(UTC).date() - 29 * DAY}",
            f"{datetime.now(UTC).date()}",
        )

    def test_needs_a_scope(self, site: Site, ask: Any) -> None:
        assert ask(token_of("ada"))[0] == 403
        assert ask(token_of("ada", f"openid {READ}"))[0] == 200

    @pytest.mark.parametrize(
        "query",
        [
            {"from": "2026-11-2"},
            {"to": "20261122"},
            {"to": "2026-W01-1"},
            {"from": "2026-13-01"},
            {"from": "yesterday"},
            {"from": "2026-11-22", "to": "2026-11-21"},
            {"from": "2026-01-01", "to": "2026-11-21"},
            {"to": "9999-12-31"},
            {"to": "0001-01-01"},
            {"from": "0001-01-01", "to": "0001-02-15"},
            {"from": "202\u0666-11-22"},
        ],
    )
    def test_of_days_that_are_none_is_refused(self, site: Site, ask: Any, query: dict[str, str]) -> None:
        status, body = ask(**query)
        assert (status, body["code"]) == (400, "bad_request")
        assert body["message"].split(":")[0] in ("from", "to")

    def test_of_days_counts_these_alone(self, market: Site, ask: Any) -> None:
        [name] = named("holdout", 1)
        told(FEED, name)
        today = datetime.now(UTC).date()
        for first, last, found in ((0, 0, 3), (-3, -1, 0), (1, 1, 0), (-91, 0, 3)):
            query = {"from": f"{today + first * DAY}", "to": f"{today + last * DAY}"}
            assert ask(**query)[1]["arms"]["holdout"]["impressions"] == found


POSITIONS = 8
FILL = """
INSERT INTO assignments
SELECT id, true, arm, 0.2, id, true, at, at
FROM jsonb_to_recordset(%(visitors)s::text::jsonb) AS visitor (id uuid, arm text, at timestamptz);
INSERT INTO impressions (feed_id, position, user_id, content_type, content_id, strategy, arm, shown_at)
SELECT feed_id, position, user_id, 'project', content_id, strategy, arm, at
FROM jsonb_to_recordset(%(shown)s::text::jsonb) AS item (
    feed_id uuid, position integer, user_id uuid, content_id uuid, strategy text, arm text, at timestamptz
);
INSERT INTO content_interactions (
    id, user_id, content_type, content_id, interaction_type, engagement_score, created_at, feed_id,
    received_at
)
SELECT gen_random_uuid(), user_id, 'project', content_id, 'click', score, at, feed_id, at
FROM jsonb_to_recordset(%(clicks)s::text::jsonb)
    AS c (feed_id uuid, user_id uuid, content_id uuid, score numeric, at timestamptz);
"""


def fill(site: Site, chance: random.Random, lift: float) -> dict[str, Any]:
    """An experiment of 900 visitors; what the report has to count of it."""
    rows: dict[str, list[Json]] = {"visitors": [], "shown": [], "clicks": []}
    expected = {
        arm: {"impressions": 0, "clicks": 0, "engagement": 0.0, "visitors": 0}
        for arm in ("personal", "holdout")
    }
    for number in range(900):
        user = user_id(f"visitor {number}")
        arm = "holdout" if chance.random() < 0.2 else "personal"
        rows["visitors"].append({"id": user, "arm": arm, "at": f"{NOW - 2 * DAY}"})
        counted = expected[arm]
        counted["visitors"] += 1
        liking = chance.betavariate(1, 5) * (lift if arm == "personal" else 1)
        for visit in range(chance.randrange(4)):
            feed = user_id(f"feed {number} {visit}")
            for position in range(POSITIONS):
                content = content_id(f"content {position}")
                place = {"feed_id": feed, "user_id": user, "content_id": content, "at": f"{NOW - DAY}"}
                strategy = "alike" if position % 2 else "trending"
                rows["shown"].append({**place, "position": position, "arm": arm, "strategy": strategy})
                counted["impressions"] += 1
                if chance.random() < liking:
                    counted["clicks"] += 1
                    counted["engagement"] += 0.7
                    rows["clicks"] += [
                        {**place, "score": score} for score in (0.7, 0.6)[: chance.randrange(1, 3)]
                    ]
    for statement in FILL.split(";\n")[:-1]:
        site.connection.execute(statement.encode(), {name: json.dumps(row) for name, row in rows.items()})
    return expected


def test_an_experiment_is_reported_as_it_was(site: Site, ask: Any) -> None:
    expected = fill(site, random.Random(1), 1.6)
    body = ask()[1]
    for arm, counted in expected.items():
        found = body["arms"][arm]
        assert {name: found[name] for name in ("impressions", "clicks", "visitors")} == {
            name: counted[name] for name in ("impressions", "clicks", "visitors")
        }
        assert found["click_through"] == pytest.approx(counted["clicks"] / counted["impressions"], abs=1e-4)
        assert found["engagement_per_visitor"] == pytest.approx(
            counted["engagement"] / counted["visitors"], abs=1e-4
        )
    low, high = body["uplift"]["click_through"]["interval"]
    assert low < 0.6 < high
    assert (body["verdict"], body["missing"]) == ("better", None)
    assert not body["sample_ratio"]["mismatch"]
    assert {one["strategy"] for one in body["strategies"]} == {"alike", "trending"}
    assert sum(one["shown"] for one in body["strategies"]) == expected["personal"]["impressions"]
    # Places are all alike here, and so are the strategies.
    assert body["best_strategy"] is None


def test_the_interval_is_that_of_visitors_drawn_anew(site: Site, ask: Any) -> None:
    """The delta method says what a bootstrap over visitors says."""
    fill(site, random.Random(2), 1.3)
    visitors: dict[str, list[tuple[int, int]]] = {"personal": [], "holdout": []}
    for row in site.rows(
        "SELECT arm, count(*) AS shown, count(is_click) AS clicked FROM impressions"
        " LEFT JOIN (SELECT DISTINCT feed_id, content_id, true AS is_click FROM content_interactions)"
        " AS click USING (feed_id, content_id) GROUP BY user_id, arm"
    ):
        visitors[row["arm"]].append((row["shown"], row["clicked"]))
    chance = random.Random(3)

    def again(of: list[tuple[int, int]]) -> float:
        drawn = chance.choices(of, k=len(of))
        return sum(clicked for _, clicked in drawn) / sum(shown for shown, _ in drawn)

    uplifts = sorted(again(visitors["personal"]) / again(visitors["holdout"]) - 1 for _ in range(1000))
    low, high = ask()[1]["uplift"]["click_through"]["interval"]
    assert (low, high) == pytest.approx((uplifts[25], uplifts[975]), abs=0.06)


def test_reads_the_months_of_the_range_and_nobodys_history(site: Site) -> None:
    fill(site, random.Random(4), 1.0)
    site.connection.execute(
        "INSERT INTO content_interactions (id, user_id, content_type, content_id, interaction_type,"
        " engagement_score, created_at, received_at) SELECT gen_random_uuid(), gen_random_uuid(), 'project',"
        " gen_random_uuid(), 'view', 0.6, %s::timestamptz - n * interval '30 seconds', now()"
        " FROM generate_series(1, 60000) AS n",
        [NOW],
    )
    site.connection.execute("VACUUM ANALYZE")
    parameters = {"since": NOW - 3 * DAY, "until": NOW}
    explain = f"EXPLAIN (FORMAT JSON) {handler.QUERIES['evidence']}".encode()
    [row] = site.connection.execute(explain, parameters).fetchall()
    read: dict[str, set[str]] = {}
    for node in nodes(row["QUERY PLAN"][0]["Plan"]):
        if "Relation Name" in node:
            read.setdefault(node["Relation Name"], set()).add(node["Node Type"])
    months = {f"{NOW - days * DAY:%Y_%m}" for days in range(-1, 4)}
    partitions = {name for name in read if name.startswith(("impressions_", "content_interactions_"))}
    assert partitions
    assert {name[-7:] for name in partitions} <= months
    # Of the clicks alone, which stand in an index of their own.
    assert read[f"content_interactions_{NOW - DAY:%Y_%m}"] == {"Index Only Scan"}
