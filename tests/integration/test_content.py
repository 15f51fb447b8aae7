"""The content model: learned from what visitors do, and served by what a visitor did last."""

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from footfall.database import Database
from footfall.signals import PRIOR, SIGNALS
from functions.analyze import content
from functions.recommend import handler
from functions.recommend.ranking import Visitor, parameters, rank, rows
from local.postgres.roles import let_in
from tests.asking import ANONYMOUS_FEED, FEED, answer_of, answering, request, told
from tests.site import Json, Site, by_a_bot, content_id, meets, there_is, user_id

NOW = datetime.now(UTC).replace(microsecond=0)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
BROWSER_KEY = "browser"


@pytest.fixture
def site(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with answering(database_url, monkeypatch) as site:
        yield site


def items(site: Site) -> dict[str, Json]:
    """By content id."""
    return {str(row["content_id"]): row for row in site.rows("SELECT * FROM content_items")}


def ranked(site: Site, visitor: Visitor, now: datetime = NOW) -> dict[str, tuple[str, str]]:
    """Strategy and reason of each, the best first."""
    database = Database(let_in(site.url, "footfall_recommend"), handler.QUERIES)
    try:
        found = database.run(lambda transaction: rank(transaction, visitor, now, 20))
    finally:
        database.close()
    return {one["external_id"]: (one["strategy"], one["reason"]) for one in found}


class TestTrends:
    def test_are_sums_that_fade(self, site: Site) -> None:
        site.send(
            meets("ada", "a", NOW - HOUR),
            meets("grace", "a", NOW - 3 * DAY, "like"),
            # Again by the same person counts once, when it was last.
            meets("grace", "a", NOW - 2 * DAY),
            by_a_bot(meets("crawler", "a", NOW)),
            meets("ada", "b", NOW - 8 * DAY, "apply"),
            at=NOW,
        )
        assert content.refresh(site.learner, NOW) == 2
        found = items(site)
        now = NOW.timestamp()
        for hours in (3, 12, 24, 168, 1440):
            score = 0.6 * 0.5 ** (1 / hours) + 0.8 * 0.5 ** (48 / hours)
            level = found[content_id("a")][f"hours_{hours}"] - now / (hours * 3600)
            assert level == pytest.approx(math.log2(score), abs=1e-6)
        assert (found[content_id("a")]["people"], found[content_id("b")]["people"]) == (2, 0)

    def test_are_the_same_in_whatever_runs_they_are_counted(self, site: Site) -> None:
        events = [meets(f"user {n % 7}", f"piece {n % 5}", NOW - n * HOUR) for n in range(40)]
        site.send(*events, at=NOW)
        content.refresh(site.learner, NOW)
        whole = levels(site)
        numbers = {name: row["item"] for name, row in items(site).items()}
        site.connection.execute("DELETE FROM analysis_state WHERE task = 'content'")
        content.refresh(site.learner, NOW + MINUTE)
        assert levels(site) == whole
        assert {name: row["item"] for name, row in items(site).items()} == numbers
        assert {row["computed_at"] for row in items(site).values()} == {NOW}, (
            "what didn't change isn't written"
        )
        site.connection.execute("TRUNCATE content_interactions, content_items, event_ids, content")
        site.connection.execute("DELETE FROM analysis_state WHERE task = 'content'")
        for part in (events[30:], events[:10], events[10:30]):
            site.send(*part, at=NOW)
            content.refresh(site.learner, NOW)
        # What came long after it happened is found within the hour.
        content.refresh(site.learner, NOW + HOUR)
        assert levels(site) == whole

    def test_of_what_is_new_are_there_with_the_next_run(self, site: Site) -> None:
        site.send(meets("ada", "a", NOW - MINUTE), at=NOW - MINUTE)
        content.refresh(site.learner, NOW - MINUTE)
        site.send(meets("grace", "new", NOW), at=NOW)
        content.refresh(site.learner, NOW + MINUTE)
        assert set(items(site)) == {content_id("a"), content_id("new")}

    def test_go_on_where_there_was_no_time(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(content, "LOT", 2)
        site.send(*(meets("ada", f"{n}", NOW) for n in range(5)), at=NOW)
        answers = iter([True, False])
        assert content.refresh(site.learner, NOW, lambda: next(answers)) == 2
        content.refresh(site.learner, NOW)
        assert len(items(site)) == 5


def levels(site: Site) -> dict[str, Any]:
    return {name: (row["hours_3"], row["hours_1440"], row["people"]) for name, row in items(site).items()}


def weigh(site: Site, signal: str) -> None:
    """All the weight on one."""
    weights = [float(name == signal) for name in SIGNALS]
    site.connection.execute("DELETE FROM content_blend")
    site.connection.execute(
        "INSERT INTO content_blend VALUES (true, %s, %s, '{}', '{}', now())", [weights, weights]
    )


def circles(site: Site, *, people: int = 40) -> None:
    """Two circles of six pieces each; who is of one meets four of it, in order."""
    events = []
    for person in range(people):
        side = "left" if person % 2 else "right"
        for step in range(4):
            at = NOW - 3 * DAY + person * HOUR + step * MINUTE
            events.append(meets(f"person {person}", f"{side} {(person // 2 + step) % 6}", at))
    site.send(*events, at=NOW)


class TestModel:
    def test_is_learned_and_serves_what_belongs_to_the_last_click(self, site: Site) -> None:
        circles(site)
        run = content.learn(site.learner, NOW, lambda: True)
        assert (run.items, run.trained) == (12, True)
        assert site.value("SELECT count(DISTINCT method) FROM content_neighbours") == 3
        assert site.value("SELECT max(cardinality(neighbours)) FROM content_neighbours") <= 100
        before = ranked(site, Visitor(user_id("ada")))
        assert all(strategy in {"trending", "newest", "popular"} for strategy, _ in before.values())
        # No run in between: the click alone changes what is shown, and why.
        site.send(meets("ada", "left 0", NOW), at=NOW)
        after = ranked(site, Visitor(user_id("ada")))
        assert "left 0" not in after
        first = [name for name in after if name.startswith("left")]
        assert [*after][: len(first)] == first
        strategy, reason = after[first[0]]
        assert strategy in {"next", "related", "similar"}
        assert reason.startswith("Because you viewed project left 0: ")

    def test_is_left_alone_where_nothing_is_new_and_rests(self, site: Site) -> None:
        circles(site)
        assert content.learn(site.learner, NOW, lambda: True).trained
        assert not content.learn(site.learner, NOW + DAY, lambda: True).trained
        site.send(meets("ada", "left 1", NOW), at=NOW)
        assert not content.learn(site.learner, NOW + MINUTE, lambda: True).trained
        assert content.learn(site.learner, NOW + HOUR, lambda: True).trained
        [row] = site.rows("SELECT * FROM content_blend")
        assert len(row["weights"]) == len(SIGNALS)
        assert row["evidence"]["method"] == "ease"

    def test_waits_for_enough_to_learn_from(self, site: Site) -> None:
        site.send(*(meets("ada", f"{n}", NOW) for n in range(content.LEAST_INTERACTIONS - 1)), at=NOW)
        assert not content.learn(site.learner, NOW, lambda: True).trained
        site.send(meets("ada", "one more", NOW), at=NOW)
        assert content.learn(site.learner, NOW + MINUTE, lambda: True).trained

    def test_of_a_new_piece_are_neighbours_whom_others_met_next(self, site: Site) -> None:
        """Seconds old, before any run but the one that gave it a number."""
        old = [meets(f"user {n}", f"old {n}", NOW - 20 * DAY) for n in range(30)]
        next_to = [
            meets(user, what, NOW - at * MINUTE)
            for user in ("grace", "alan")
            for what, at in (("new", 9), ("old 7", 8))
        ]
        site.send(*old, *next_to, at=NOW - 2 * MINUTE)
        content.refresh(site.learner, NOW - MINUTE)
        site.send(meets("ada", "new", NOW), at=NOW)
        weigh(site, "live")
        first = next(iter(ranked(site, Visitor(user_id("ada"))).items()))
        assert first == ("old 7", ("next", "Because you viewed project new: others went on to this"))

    def test_matches_what_nobody_met_by_attributes_and_author(self, site: Site) -> None:
        site.send(
            there_is("by skill", NOW - 2 * DAY, attributes={"skills": ["SQL", "go"]}),
            there_is("by author", NOW - 2 * DAY, author_id="grace"),
            *(there_is(f"other {n}", NOW - 2 * DAY) for n in range(10)),
            at=NOW,
        )
        liking = (
            "INSERT INTO user_preferences"
            " (user_id, preference_key, preference_value, confidence_score, source)"
        )
        for key in ("attribute:skills:sql", f"author:{user_id('grace')}"):
            site.connection.execute(
                liking + " VALUES (%s, %s, %s, 0.5, 'inferred')",
                [user_id("ada"), key, json.dumps({"score": 0.9})],
            )
        found = ranked(site, Visitor(user_id("ada")))
        assert [*found][:2] == ["by skill", "by author"]
        assert found["by skill"] == ("attribute", "Matches your skills: sql")
        assert found["by author"] == ("author", "By an author whose content you like")

    def test_counts_as_much_as_it_was_learned(self, site: Site) -> None:
        """With all the weight on one signal, the order is that signal's."""
        site.send(
            *(meets(f"user {n}", "old and loved", NOW - 20 * DAY + n * MINUTE) for n in range(20)),
            *(meets(f"user {n}", "risen", NOW - HOUR) for n in range(3)),
            there_is("just made", NOW - MINUTE),
            at=NOW,
        )
        content.refresh(site.learner, NOW)
        for signal, first in (("trend_3", "risen"), ("trend_1440", "old and loved"), ("newest", "just made")):
            weigh(site, signal)
            assert next(iter(ranked(site, Visitor(user_id("ada"))))) == first, signal
        assert len(PRIOR) == len(SIGNALS)

    def test_shows_several_types_where_they_are_near(self, site: Site) -> None:
        kinds = ("project", "job", "profile")
        site.send(
            *(
                meets(f"u{n}", f"{kind} {n}", NOW - n * MINUTE, kind=kind)
                for n in range(12)
                for kind in kinds
            ),
            at=NOW,
        )
        content.refresh(site.learner, NOW)
        first = [name.split()[0] for name in [*ranked(site, Visitor(user_id("ada")))][:6]]
        assert set(first) == set(kinds)

    def test_answers_a_user_of_a_hundred_thousand_interactions(self, site: Site) -> None:
        circles(site)
        content.learn(site.learner, NOW, lambda: True)
        site.connection.execute(
            "INSERT INTO content_interactions (id, user_id, content_type, content_id, interaction_type,"
            " engagement_score, created_at, received_at)"
            " SELECT gen_random_uuid(), %s, 'project', md5(n::text)::uuid, 'view', 0.6,"
            " %s::timestamptz - n * interval '10 seconds', now() FROM generate_series(1, 100000) AS n",
            [user_id("busiest"), NOW],
        )
        assert ranked(site, Visitor(user_id("busiest")))

    def test_answers_from_an_empty_database(self, site: Site) -> None:
        assert ranked(site, Visitor(user_id("ada"))) == {}
        assert content.learn(site.learner, NOW, lambda: True) == content.Learned(0, trained=False)

    def test_travels_in_time(self, site: Site) -> None:
        """As of a moment, and with no allowance for clocks, what happens later isn't known."""
        site.send(there_is("a", NOW - 2 * DAY), there_is("b", NOW - 2 * DAY), meets("ada", "a", NOW), at=NOW)
        database = Database(let_in(site.url, "footfall_recommend"), handler.QUERIES)
        for now, expected in ((NOW - DAY, {"a", "b"}), (NOW, {"b"})):
            asked = parameters(Visitor(user_id("ada")), now, 20, ahead=timedelta())
            found = database.run(lambda one, asked=asked: rows(one, asked))  # type: ignore[misc]
            assert {row["external_id"] for row in found} == expected
        database.close()


def anonymous(
    name: str, key: str | None = BROWSER_KEY, headers: Json | None = None, **query: str
) -> tuple[int, Any]:
    event = request(FEED, "me", {}, **({"write_key": key} if key else {}), **query)
    event |= {"routeKey": ANONYMOUS_FEED, "pathParameters": {"anonymous_id": name}}
    event["headers"] |= headers or {}
    del event["requestContext"]["authorizer"]
    return answer_of(handler.lambda_handler(event, None))


class TestAnonymous:
    @pytest.fixture(autouse=True)
    def keys(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from footfall.keys import digest

        page = f"{digest(BROWSER_KEY)},{digest('shop')}@https://shop.example"
        monkeypatch.setenv("BROWSER_KEY_HASHES", page)
        monkeypatch.setenv("SERVER_KEY_HASHES", digest("server"))

    def look(self, site: Site, who: str, what: str, at: datetime = NOW) -> None:
        event = {**meets("x", what, at), "anonymous_id": who}
        del event["user_id"]
        site.send(event, at=at)

    def test_visitors_see_what_belongs_to_what_they_met(self, site: Site) -> None:
        circles(site)
        content.learn(site.learner, NOW, lambda: True)
        self.look(site, "somebody", "left 0")
        status, page = anonymous("somebody")
        assert status == 200
        assert page["items"][0]["content_id"].startswith("left")
        assert page["items"][0]["reason"].startswith("Because you viewed project left 0")
        assert "left 0" not in [item["content_id"] for item in page["items"]]
        assert page["strategy"] == "personal"
        [noted] = site.rows("SELECT DISTINCT user_id, anonymous_id IS NOT NULL AS is_said FROM impressions")
        assert noted == {"user_id": None, "is_said": True}

    def test_pages_go_on_for_who_asked(self, site: Site) -> None:
        site.send(*(there_is(f"{n}", NOW - n * HOUR) for n in range(5)), at=NOW)
        _, page = anonymous("somebody", limit="3")
        _, more = anonymous("somebody", limit="3", cursor=page["cursor"])
        shown = [item["content_id"] for item in (*page["items"], *more["items"])]
        assert sorted(shown) == sorted(f"{n}" for n in range(5))
        assert anonymous("somebody else", limit="3", cursor=page["cursor"])[0] == 400

    def test_an_id_that_a_user_owns_is_nobodys(self, site: Site) -> None:
        circles(site)
        content.learn(site.learner, NOW, lambda: True)
        self.look(site, "adas browser", "left 0")
        site.connection.execute(
            "INSERT INTO identities (anonymous_id, user_id, verified_at)"
            " SELECT anonymous_id, %s, now() FROM content_interactions WHERE anonymous_id IS NOT NULL",
            [user_id("ada")],
        )
        status, page = anonymous("adas browser")
        assert status == 200
        assert page["strategy"] == "for_everyone"
        assert "left 0" in [item["content_id"] for item in page["items"]]

    def test_needs_a_key_that_may_be_used_there(self, site: Site) -> None:
        assert anonymous("somebody", key=None)[0] == 401
        assert anonymous("somebody", key="wrong")[0] == 401
        assert anonymous("somebody", key="server")[0] == 200
        assert anonymous("somebody", key="server", headers={"origin": "https://shop.example"})[0] == 403
        assert anonymous("somebody", key="shop", headers={"origin": "https://shop.example"})[0] == 200
        assert anonymous("somebody", key="shop", headers={"origin": "https://evil.example"})[0] == 403
        assert anonymous("null")[0] == 400


def test_users_feeds_and_the_anonymous_ones_come_from_one_ranking(site: Site) -> None:
    site.send(*(there_is(f"{n}", NOW - n * HOUR) for n in range(5)), at=NOW)
    assert [item["content_id"] for item in told(FEED, "ada")["items"]] == [*ranked(site, Visitor())]
