"""What a feed shows, in which order and why, page by page; and who is alike."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from footfall.database import Database, connect
from functions.recommend import handler
from functions.recommend.feed import Wish, feed
from functions.recommend.ranking import Visitor
from local.postgres.roles import let_in
from tests.asking import (
    FEED,
    PUT_PREFERENCE,
    SIMILAR_USERS,
    answering,
    ask,
    refused,
    token_of,
    told,
)
from tests.integration.waiting import until
from tests.site import Json, Site, by_a_bot, content_id, meets, there_is, user_id

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def site(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with answering(database_url, monkeypatch) as site:
        yield site


def shown(page: Json) -> list[str]:
    return [item["content_id"] for item in page["items"]]


@pytest.fixture
def market(site: Site) -> Site:
    """Ada likes projects; two projects and a job are trending, others are new."""
    site.send(
        meets("ada", "met", NOW - DAY, "like"),
        *(meets(user, "hot", NOW - HOUR, "like") for user in ("grace", "alan")),
        meets("grace", "warm", NOW - HOUR),
        *(meets(user, "hot job", NOW, "apply", "job") for user in ("grace", "alan", "edsger")),
        there_is("new", NOW - HOUR, title="New", url="https://example.org/new"),
        there_is("older", NOW - 5 * DAY),
        there_is("new job", NOW - HOUR, "job"),
        there_is("own", NOW - HOUR, author_id="ada"),
        there_is("gone", NOW - HOUR, available=False),
        there_is("to come", NOW, published_at=(NOW + DAY).isoformat()),
        meets("grace", "gone", NOW, "like"),
        meets("alan", "own", NOW, "like"),
        at=NOW,
    )
    site.analyze(NOW)
    return site


class TestFeed:
    def test_shows_what_is_liked_first_and_says_why(self, market: Site) -> None:
        page = told(FEED, "ada")
        preferred = ", and you like project content"
        shown_why = {item["content_id"]: (item["strategy"], item["reason"]) for item in page["items"]}
        assert shown_why == {
            "hot": ("trending_in_preferred", f"Rising in project: 2 people this week{preferred}"),
            "warm": ("trending_in_preferred", f"Rising in project: 1 person this week{preferred}"),
            "new": ("newest_in_preferred", f"New in project{preferred}"),
            "older": ("newest_in_preferred", f"New in project{preferred}"),
            "hot job": ("trending", "Rising in job: 3 people this week"),
            "new job": ("newest", "New in job"),
        }
        assert shown(page)[0] == "hot"
        assert page["reasoning"] == "4 of 6 from what you viewed and like; the others are rising or new"
        assert page["strategy"] == "personal"
        scores = [item["score"] for item in page["items"]]
        assert scores == sorted(scores, reverse=True)
        assert all(0 <= score <= 1 for score in scores)
        [new] = [item for item in page["items"] if item["content_id"] == "new"]
        assert (new["title"], new["url"]) == ("New", "https://example.org/new")

    def test_follows_what_the_user_says(self, market: Site) -> None:
        told(PUT_PREFERENCE, "ada", key="content_type:job", body="0.9")
        page = told(FEED, "ada")
        assert shown(page)[0] == "hot job"
        assert page["items"][0]["strategy"] == "trending_in_preferred"
        # Said even where nothing is known else.
        told(PUT_PREFERENCE, "stranger", key="content_type:job", body="0.9")
        assert shown(told(FEED, "stranger", limit="1")) == ["hot job"]

    def test_shows_nothing_of_what_the_user_said_is_worth_nothing(self, market: Site) -> None:
        told(PUT_PREFERENCE, "ada", key="content_type:job", body="0")
        assert set(shown(told(FEED, "ada"))) == {"hot", "warm", "new", "older"}
        # Asked for by name it is shown.
        page = told(FEED, "ada", content_type="job")
        assert [item["strategy"] for item in page["items"]] == ["trending", "newest"]
        told(PUT_PREFERENCE, "ada", key="content_type:job", body="0.0001")
        assert "hot job" in shown(told(FEED, "ada"))
        # Also a type that the user was seen to like; and only for this user.
        told(PUT_PREFERENCE, "ada", key="content_type:project", body="0")
        assert shown(told(FEED, "ada")) == ["hot job", "new job"]
        assert "hot" in shown(told(FEED, "stranger"))

    def test_shows_one_type_where_asked_to(self, market: Site) -> None:
        page = told(FEED, "ada", content_type="job")
        assert shown(page) == ["hot job", "new job"]
        assert "project" not in page["reasoning"]
        page = told(FEED, "ada", content_type="project")
        assert set(shown(page)) == {"hot", "warm", "new", "older"}
        page = told(FEED, "ada", content_type="nothing like it")
        assert (page["items"], page["cursor"]) == ([], None)
        assert page["reasoning"] == "There is nothing to show that you haven't seen"

    def test_shows_again_what_was_met_long_ago(self, site: Site) -> None:
        site.send(meets("ada", "lately", NOW - 89 * DAY), meets("ada", "long ago", NOW - 91 * DAY), at=NOW)
        assert shown(told(FEED, "ada")) == ["long ago"]

    def test_shows_nothing_that_was_met(self, market: Site) -> None:
        met = ("hot", "hot job", "older")
        market.send(
            *(meets("ada", one, NOW, kind="job" if "job" in one else "project") for one in met), at=NOW
        )
        assert set(shown(told(FEED, "ada"))) == {"warm", "new", "new job"}

    def test_shows_what_is_left_to_whom_met_a_hundred_thousand_times(self, market: Site) -> None:
        market.connection.execute(
            "INSERT INTO content (content_type, content_id, first_seen_at)"
            " SELECT 'project', md5('piece ' || n)::uuid, %s FROM generate_series(1, 20000) AS n",
            [NOW - HOUR],
        )
        market.connection.execute(
            "INSERT INTO content_interactions (id, user_id, content_type, content_id, interaction_type,"
            " engagement_score, created_at, received_at)"
            " SELECT gen_random_uuid(), %s, 'project', md5('piece ' || 1 + n %% 20000)::uuid, 'view', 0.6,"
            " %s::timestamptz - n * interval '1 minute', %s FROM generate_series(1, 100000) AS n",
            [user_id("ada"), NOW, NOW],
        )
        assert set(shown(told(FEED, "ada", limit="100"))) == {
            *("hot", "warm", "new", "older", "hot job", "new job")
        }

    def test_of_a_stranger_says_that_it_is_for_everyone(self, market: Site) -> None:
        page = told(FEED, "stranger")
        assert page["reasoning"] == "Rising and new for everyone: nothing here rests on what you did"
        assert page["strategy"] == "for_everyone"
        assert {item["strategy"] for item in page["items"]} == {"trending", "newest"}
        assert {"own", "met", "hot"} <= set(shown(page))
        assert not {"gone", "to come"} & set(shown(page))

    def test_has_a_limit(self, site: Site) -> None:
        for limit in ("0", "-1", "101", "abc", "1.5", "1e1", "", " 5", "+5", "\u0665", "9" * 30):
            assert refused(FEED, limit=limit).startswith("limit: ")
            assert refused(SIMILAR_USERS, limit=limit).startswith("limit: ")

    def test_takes_each_limit_that_is_allowed(self, market: Site) -> None:
        for limit in (1, 2, 100):
            assert len(told(FEED, "ada", limit=str(limit))["items"]) == min(limit, 6)


class TestPages:
    @pytest.mark.parametrize(("limit", "sizes"), [(10, [10, 10, 5]), (5, [5, 5, 5, 5, 5, 0]), (25, [25, 0])])
    def test_show_everything_once(self, site: Site, limit: int, sizes: list[int]) -> None:
        kinds = ("project", "job", "profile")
        site.send(*(there_is(f"{n}", NOW - n * HOUR, kinds[n % 3]) for n in range(25)), at=NOW)
        told(PUT_PREFERENCE, "ada", key="content_type:job", body="1")
        pages = [told(FEED, "ada", limit=str(limit))]
        while pages[-1]["cursor"]:
            # What comes in between doesn't show anything twice.
            site.send(*(meets(user, "3", NOW, "like") for user in ("grace", "alan")), at=NOW)
            site.analyze(NOW)
            pages.append(told(FEED, "ada", limit=str(limit), cursor=pages[-1]["cursor"]))
        assert [len(page["items"]) for page in pages] == sizes
        every = [one for page in pages for one in shown(page)]
        assert sorted(every) == sorted(f"{n}" for n in range(25))
        assert all(page["reasoning"] for page in pages)

        [feed_id] = {page["feed_id"] for page in pages}
        impressions = site.rows("SELECT * FROM impressions ORDER BY position")
        assert [row["position"] for row in impressions] == list(range(25))
        assert [str(row["content_id"]) for row in impressions] == [content_id(one) for one in every]
        strategies = [item["strategy"] for page in pages for item in page["items"]]
        assert [row["strategy"] for row in impressions] == strategies
        assert {str(row["feed_id"]) for row in impressions} == {feed_id}
        assert {str(row["user_id"]) for row in impressions} == {user_id("ada")}
        assert {(row["propensity"], row["arm"]) for row in impressions} == {(1.0, "none")}

    def test_are_a_users_own(self, market: Site) -> None:
        cursor = told(FEED, "ada", limit="2")["cursor"]
        for wrong in ("x", "1", str(uuid4()), cursor[:-1], f"{cursor} "):
            assert refused(FEED, "ada", cursor=wrong).startswith("cursor: ")
        assert refused(FEED, "grace", cursor=cursor).startswith("cursor: ")
        assert ask(FEED, "me", token_of("grace"), cursor=cursor)[0] == 400
        assert len(told(FEED, "ada", limit="2", cursor=cursor.upper())["items"]) == 2

    def test_asked_for_at_once_are_two_pages(self, market: Site) -> None:
        wish = Wish(2, cursor=told(FEED, "ada", limit="2")["cursor"])
        waiting = "SELECT FROM pg_locks WHERE NOT granted AND database = " + (
            "(SELECT oid FROM pg_database WHERE datname = current_database())"
        )

        def next_page(_: int) -> Any:
            database = Database(let_in(market.url, "footfall_recommend"), handler.QUERIES, 60)
            try:
                return database.run(lambda one: feed(one, Visitor(user_id("ada")), wish, "browsing", NOW))
            finally:
                database.close()

        with connect(market.url) as blocker, ThreadPoolExecutor(2) as threads:
            blocker.execute("BEGIN")
            # Reading goes on, noting what is shown waits.
            blocker.execute("LOCK TABLE impressions IN EXCLUSIVE MODE")
            asked = threads.map(next_page, range(2))
            try:
                until(lambda: len(market.rows(waiting)) == 2)
            finally:
                blocker.execute("COMMIT")
            pages = list(asked)
        assert len({one for page in pages for one in shown(page)}) == 4
        positions = market.rows("SELECT position FROM impressions ORDER BY position")
        assert [row["position"] for row in positions] == list(range(6))

    def test_of_a_new_feed_begin_anew(self, market: Site) -> None:
        first, second = told(FEED, "ada", limit="3"), told(FEED, "ada", limit="3")
        assert shown(first) == shown(second)
        assert first["feed_id"] != second["feed_id"]
        assert market.value("SELECT count(*) FROM impressions") == 6


# Who met what, and how; the score of it.
MATRIX: dict[str, dict[str, str]] = {
    "ada": {"a": "apply", "b": "view", "c": "like"},
    "same taste": {"a": "apply", "b": "view", "c": "like"},
    "nearly": {"a": "apply", "c": "like", "z": "view"},
    "one shared": {"b": "share", "x": "view", "y": "click"},
    "only b": {"b": "view"},
    "busiest": dict.fromkeys(["a", "b", "c", *(f"other {n}" for n in range(40))], "apply"),
    "nothing shared": {"x": "like", "y": "save"},
}
SCORES = {"view": 0.6, "click": 0.7, "like": 0.8, "share": 0.9, "save": 0.9, "apply": 1.0}


def cosine(one: str, other: str) -> float:
    a, b = ({what: SCORES[how] for what, how in MATRIX[who].items()} for who in (one, other))
    product = sum(a[what] * b[what] for what in a.keys() & b.keys())
    return product / math.sqrt(sum(v * v for v in a.values()) * sum(v * v for v in b.values()))


class TestSimilarUsers:
    def send_matrix(self, site: Site) -> None:
        events = [meets(who, what, NOW, how) for who, met in MATRIX.items() for what, how in met.items()]
        # The strongest counts where one is met again; a bot's doesn't, nor the same id of another type.
        again = [meets("ada", "a", NOW), meets("nearly", "a", NOW - DAY)]
        noise = [by_a_bot(meets("bot", one, NOW, "apply")) for one in "abc"]
        others = [meets("other type", one, NOW, "apply", "job") for one in "abc"]
        site.send(*events, *again, *noise, *others, at=NOW)

    @pytest.mark.parametrize("by_analyze", [False, True], ids=["found now", "found by analyze"])
    def test_are_alike_by_cosine(self, site: Site, by_analyze: bool) -> None:
        self.send_matrix(site)
        if by_analyze:
            site.analyze(NOW)
            # Nothing is left to find anybody by.
            site.connection.execute("TRUNCATE content_interactions")
        found = told(SIMILAR_USERS, "ada")["users"]
        expected = {who: cosine("ada", who) for who in MATRIX if who != "ada" and cosine("ada", who) > 0}
        assert {one["user_id"]: one["similarity_score"] for one in found} == pytest.approx(expected, abs=1e-4)
        order = [one["user_id"] for one in found]
        assert order == sorted(expected, key=lambda who: -expected[who])
        assert order[0] == "same taste"
        assert order.index("busiest") > 1
        assert {one["user_id"]: one["shared"] for one in found}["nearly"] == 2

    def test_are_alike_both_ways_and_never_oneself(self, site: Site) -> None:
        self.send_matrix(site)
        scores: dict[tuple[str, str], Any] = {}
        for who in MATRIX:
            for one in told(SIMILAR_USERS, who, limit="100")["users"]:
                scores[who, one["user_id"]] = one["similarity_score"]
        assert scores == {(b, a): score for (a, b), score in scores.items()}
        assert not [pair for pair in scores if pair[0] == pair[1]]
        assert all(0 < score <= 1 for score in scores.values())

    def test_are_few_however_many_there_are(self, site: Site) -> None:
        crowd = [meets(f"user {n}", "a", NOW, "like") for n in range(260)]
        site.send(meets("ada", "a", NOW), *crowd, at=NOW)
        for limit in (1, 10, 100):
            assert len(told(SIMILAR_USERS, "ada", limit=str(limit))["users"]) == min(limit, 50)
        assert len(told(SIMILAR_USERS, "ada")["users"]) == 10
