"""Every sample of `events/`, answered by its built function under the Lambda Runtime Interface Emulator."""

import base64
import gzip
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from footfall.http import ADMIN, READ
from functions.analyze import learning
from functions.analyze.shards import Shard
from local.sam.artifacts import Artifacts
from local.sam.emulator import EmulatorError
from local.sam.tools import Tools
from tests import samples
from tests.asking import answer_of
from tests.cloudformation import bucket
from tests.contract import check
from tests.needing import PROJECT
from tests.queued import records_in
from tests.runtime.world import Json, World, world_of
from tests.site import Site, does, meets, there_is, user_id

pytestmark = pytest.mark.xdist_group("runtime")

SAMPLES = sorted(file.stem for file in samples.FOLDER.glob("*.json"))
FEED = {"items", "reasoning", "intent", "strategy", "feed_id", "cursor"}
INSIGHTS = {
    *("stage", "suggestion", "preferences", "intent", "active_hours", "journey", "journey_basis"),
    *("time_zone", "updated_at"),
}


@pytest.fixture
def world(tools: Tools, artifacts: Artifacts, database_url: str, tmp_path: Path) -> Iterator[World]:
    with world_of(tools, artifacts, database_url, tmp_path) as around:
        yield around


@pytest.fixture
def empty_world(
    tools: Tools, artifacts: Artifacts, empty_database_url: str, tmp_path: Path
) -> Iterator[World]:
    with world_of(tools, artifacts, empty_database_url, tmp_path) as around:
        yield around


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_built_function_answers_its_sample(sample: str, request: pytest.FixtureRequest) -> None:
    assert sample in ANSWERS, f"say in ANSWERS what events/{sample}.json must be answered"
    check, world = ANSWERS[sample]
    check(request.getfixturevalue(world), samples.load(sample))


def test_a_function_that_cannot_start_says_why(world: World) -> None:
    world.database_url = ""
    with world.running("maintain") as emulator, pytest.raises(EmulatorError, match="DATABASE_URL is missing"):
        emulator.invoke(samples.load("maintain_schedule"))


# What each sample must be answered ─────────────────────────────────────────────────────────────────


def authorize_server_key(world: World, sample: Json) -> None:
    who = {"sub": "", "scope": f"{READ} {ADMIN}", "kind": "server"}
    assert world.answer("authorize", sample) == {"isAuthorized": True, "context": who}


def authorize_token(world: World, sample: Json) -> None:
    with world.running("authorize") as emulator:
        # The sample's token is another issuer's.
        assert emulator.invoke(sample) == {"isAuthorized": False}
        fresh = world.issuer.token("ada", "openid")
        answer = emulator.invoke({**sample, "identitySource": [f"Bearer {fresh}"]})
    who = {"sub": "ada", "scope": "openid", "kind": "user"}
    assert answer == {"isAuthorized": True, "context": who}


def ingest(world: World, sample: Json) -> None:
    sent = json.loads(_sent(sample))["events"]
    answer = answer_of(world.answer("ingest", sample))
    assert answer == (202, {"accepted": len(sent), "rejected": []})
    queued = records_in(*world.queued())
    assert sorted(event["id"] for event in queued) == sorted(event["id"] for event in sent)
    spoken_for = {event.get("user_id") for event in queued}
    speaker = sample["requestContext"].get("authorizer", {}).get("lambda", {}).get("sub")
    assert spoken_for == {user_id(speaker) if speaker else None}


def ingest_segment(world: World, sample: Json) -> None:
    assert answer_of(world.answer("ingest", sample)) == (200, {"success": True})
    queued = records_in(*world.queued())
    assert [event["id"] for event in queued] == [
        event["messageId"] for event in json.loads(_sent(sample))["batch"]
    ]


def ingest_replay(world: World, sample: Json) -> None:
    taken, refused = world.answer("ingest", sample)["events"]
    [record] = taken["records"]
    assert (record["user_id"], record["created_at"]) == (user_id("ada"), sample["replay"][0]["received_at"])
    assert refused["reason"] == "anonymous_id: is required"
    assert world.queued() == []


def operate_dead_letters(world: World, sample: Json) -> None:
    with world.running("operate") as emulator:
        world.store.get("DeadLetterQueue").send('{"version": 1}')
        assert emulator.invoke(sample) == {**REPLAYED, "replayed": 1}
    assert world.queued() == ['{"version": 1}']


def operate_quarantine(world: World, sample: Json) -> None:
    assert world.answer("operate", sample) == REPLAYED


def session_replay(world: World, sample: Json) -> None:
    answer = world.answer("session", sample)
    assert (answer["replayed"], answer["stayed"], answer["left"], answer["refused"]) == (0, {}, 0, [])


def session(world: World, sample: Json) -> None:
    this_month = json.loads(json.dumps(sample).replace("2026-11-22", f"{datetime.now(UTC):%Y-%m-01}"))
    assert world.answer("session", this_month) == {"batchItemFailures": []}
    with Site(world.database_url) as site:
        counts = [
            site.value("SELECT count(*) FROM user_activities WHERE user_id = %s", user_id("ada")),
            *(site.value(f"SELECT count(*) FROM {table}") for table in STORED),
        ]
    assert counts == [2, 1, 1, 1, 1]


def analyze(world: World, sample: Json) -> None:
    with Site(world.database_url) as site:
        live(site)
        answer = world.answer("analyze", sample)
        learned = site.value("SELECT count(DISTINCT user_id) FROM user_preferences")
    assert learned > 0
    assert answer == {"users": learned, "finished": True}


def analyze_journeys(world: World, sample: Json) -> None:
    with Site(world.database_url) as site:
        live(site)
        assert world.answer("analyze", sample) == {"learned": True}
        assert site.value("SELECT count(*) FROM journey_model") == 1


def analyze_trends(world: World, sample: Json) -> None:
    with Site(world.database_url) as site:
        live(site)
        assert world.answer("analyze", sample) == {"learned": True}
        assert site.value("SELECT count(*) FROM content_trends") > 0


def analyze_tastes(world: World, sample: Json) -> None:
    with Site(world.database_url) as site:
        live(site)
        learning.analyze(site.learner, [Shard(0, 1)], datetime.now(UTC), lambda: True)
        answer = world.answer("analyze", sample)
        assert answer == {"users": site.value("SELECT count(*) FROM similar_users"), "finished": True}
        assert answer["users"] > 0


def analyze_content(world: World, sample: Json) -> None:
    with Site(world.database_url) as site:
        live(site)
        answer = world.answer("analyze", sample)
        assert answer["items"] == site.value("SELECT count(*) FROM content_items") > 0


def recommend_anonymous_feed(world: World, sample: Json) -> None:
    with Site(world.database_url) as site:
        live(site)
    status, body = answer_of(world.answer("recommend", sample))
    assert (status, body["strategy"]) == (200, "for_everyone")
    assert body.keys() == FEED
    assert {item["content_id"] for item in body["items"]} == set(CONTENT)


def recommend_feed(world: World, sample: Json) -> None:
    with Site(world.database_url) as site:
        live(site)
    status, body = answer_of(world.answer("recommend", sample))
    assert status == 200
    assert body.keys() == FEED
    assert {item["content_id"] for item in body["items"]} <= set(CONTENT)
    assert body["items"]
    assert all(item["reason"] and item["strategy"] for item in body["items"])


def recommend_insights(world: World, sample: Json) -> None:
    with Site(world.database_url) as site:
        live(site)
        site.analyze(datetime.now(UTC))
    status, body = answer_of(world.answer("recommend", sample))
    assert status == 200
    assert body.keys() == INSIGHTS
    assert [liked["type"] for liked in body["preferences"]] == ["project"]


def insights_recommendations(world: World, sample: Json) -> None:
    status, body = answer_of(world.answer("insights", sample))
    assert (status, body["verdict"], body["strategies"]) == (200, "nothing_shown", [])


def analyze_counts(world: World, sample: Json) -> None:
    with Site(world.database_url) as site:
        live(site)
        assert world.answer("analyze", sample) == {"learned": True}
        counted = site.value("SELECT sum(events) FROM activity_counts WHERE of_all")
        assert counted == site.value("SELECT count(*) FROM user_activities")


def insights(world: World, sample: Json) -> None:
    with Site(world.database_url) as site:
        live(site)
    status, body = answer_of(world.answer("insights", sample))
    assert status == 200
    check(sample["routeKey"], status, body)


def insights_timeline(world: World, sample: Json) -> None:
    with Site(world.database_url) as site:
        site.send(does("ada", datetime.now(UTC), session_id="hers"), at=datetime.now(UTC))
    status, body = answer_of(world.answer("insights", sample))
    assert (status, [one["session_id"] for one in body["sessions"]]) == (200, ["hers"])


def insights_health(world: World, sample: Json) -> None:
    answer = world.answer("insights", sample)
    assert answer["quarantine"]["waiting"] == 0
    assert answer["months"]["made_until"]


def operate_operations(world: World, sample: Json) -> None:
    with world.running("operate") as emulator:
        world.store.get("DeadLetterQueue").send('{"version": 1}')
        status, body = answer_of(emulator.invoke(sample))
    check(sample["routeKey"], status, body)
    # There is no `insights` in this world.
    assert (status, body["dead_letters"]["waiting"], body["unavailable"]) == (200, 1, ["database"])


def operate_post_replay(world: World, sample: Json) -> None:
    with world.running("operate") as emulator:
        world.store.get("DeadLetterQueue").send('{"version": 1}')
        assert answer_of(emulator.invoke(sample)) == (200, {**REPLAYED, "replayed": 1})


def recommend_put_preference(world: World, sample: Json) -> None:
    status, body = answer_of(world.answer("recommend", sample))
    assert (status, body["value"]) == (200, {"type": "job", "score": 0.9})
    with Site(world.database_url) as site:
        assert site.shares("ada") == {"job": 0.9}


def maintain(world: World, sample: Json) -> None:
    migrations = sorted(file.name for file in PROJECT.glob("functions/maintain/migrations/*.sql"))
    with world.running("maintain") as emulator:
        first, second = emulator.invoke(sample), emulator.invoke(sample)
    assert [name.removesuffix(".sql") for name in first["migrated"]] == [
        name.removesuffix(".sql") for name in migrations
    ]
    assert first["made"]
    assert second == {"migrated": [], "made": [], "dropped": []}


def deploy(world: World, sample: Json) -> None:
    with bucket() as taker:
        returned = world.answer("maintain", {**sample, "ResponseURL": taker.url})
    [answer] = taker.answers
    assert answer == returned
    assert answer["Status"] == "SUCCESS"
    assert {key: answer[key] for key in ECHOED} == {key: sample[key] for key in ECHOED}
    with Site(world.database_url) as site:
        applied = site.value("SELECT count(*) FROM pg_tables WHERE tablename = 'user_activities'")
    assert applied == (sample["RequestType"] != "Delete")


def web(world: World, sample: Json) -> None:
    contract = json.loads((PROJECT / "functions/web/openapi.json").read_text(encoding="utf-8"))
    assert answer_of(world.answer("web", sample)) == (200, contract)


def web_page(world: World, sample: Json) -> None:
    answer = world.answer("web", sample)
    page = gzip.decompress(base64.b64decode(answer["body"]))
    assert page == (PROJECT / "functions/web/static/insights/index.html").read_bytes()
    assert f"connect-src 'self' https: {world.endpoint}" in answer["headers"]["content-security-policy"]


def web_page_config(world: World, sample: Json) -> None:
    asked = {"issuer": world.issuer.url, "client_id": "", "scope": f"openid {READ} {ADMIN}"}
    assert answer_of(world.answer("web", sample)) == (200, {**asked, "audience": "footfall"})


def web_tracker(world: World, sample: Json) -> None:
    answer = world.answer("web", sample)
    assert (answer["statusCode"], answer["headers"]["content-encoding"]) == (200, "gzip")
    script = gzip.decompress(base64.b64decode(answer["body"]))
    assert script == (PROJECT / "functions/web/static/tracker.js").read_bytes()


# By the sample's name; `empty_world` has a database without a table.
ANSWERS: dict[str, tuple[Callable[[World, Json], None], str]] = {
    "analyze_all_shards": (analyze, "world"),
    "analyze_counts": (analyze_counts, "world"),
    "analyze_journeys": (analyze_journeys, "world"),
    "analyze_schedule": (analyze, "world"),
    "analyze_content": (analyze_content, "world"),
    "analyze_tastes": (analyze_tastes, "world"),
    "analyze_trends": (analyze_trends, "world"),
    "authorize_server_key": (authorize_server_key, "world"),
    "authorize_token": (authorize_token, "world"),
    "ingest_gzip": (ingest, "world"),
    "ingest_post_events": (ingest, "world"),
    "ingest_post_my_events": (ingest, "world"),
    "ingest_replay": (ingest_replay, "world"),
    "ingest_segment_batch": (ingest_segment, "world"),
    "insights_activity": (insights, "world"),
    "insights_funnel": (insights, "world"),
    "insights_health": (insights_health, "world"),
    "insights_live": (insights, "world"),
    "insights_recommendations": (insights_recommendations, "world"),
    "insights_timeline": (insights_timeline, "world"),
    "maintain_create": (deploy, "empty_world"),
    "maintain_delete": (deploy, "empty_world"),
    "maintain_schedule": (maintain, "empty_world"),
    "maintain_update": (deploy, "empty_world"),
    "maintain_update_same_digest": (deploy, "empty_world"),
    "operate_operations": (operate_operations, "world"),
    "operate_post_replay": (operate_post_replay, "world"),
    "operate_replay_dead_letters": (operate_dead_letters, "world"),
    "operate_replay_quarantine": (operate_quarantine, "world"),
    "recommend_anonymous_feed": (recommend_anonymous_feed, "world"),
    "recommend_feed": (recommend_feed, "world"),
    "recommend_insights": (recommend_insights, "world"),
    "recommend_put_preference": (recommend_put_preference, "world"),
    "session_batch": (session, "world"),
    "session_replay": (session_replay, "world"),
    "web_openapi": (web, "world"),
    "web_page": (web_page, "world"),
    "web_page_view": (web_page, "world"),
    "web_page_config": (web_page_config, "world"),
    "web_tracker": (web_tracker, "world"),
    "web_tracker_by_any_name": (web_tracker, "world"),
}

REPLAYED = {"replayed": 0, "stayed": {}, "left": 0, "after": None, "finished": True}
CONTENT = [f"project {number}" for number in range(5)]
ECHOED = ("StackId", "RequestId", "LogicalResourceId")
STORED = ("content_interactions", "user_sessions", "profiles", "quarantine")


def live(site: Site) -> None:
    """Users view projects, ada all but the last two."""
    at = datetime.now(UTC) - timedelta(hours=1)
    site.send(*(there_is(content, at) for content in CONTENT), at=at)
    for number in range(20):
        site.send(*(meets(f"user {number}", content, at) for content in CONTENT), at=at)
    site.send(*(meets("ada", content, at) for content in CONTENT[:3]), does("ada", at), at=at)


def _sent(sample: Json) -> bytes:
    body = base64.b64decode(sample["body"]) if sample["isBase64Encoded"] else sample["body"].encode()
    return gzip.decompress(body) if sample["headers"].get("content-encoding") == "gzip" else body
