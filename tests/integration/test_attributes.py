"""Preferences by what content is about and who made it, and what people alike let expect."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import psycopg.types.json
import pytest

from footfall.database import Database
from footfall.months import month
from functions.analyze.learning import learn
from functions.analyze.tastes import learn_lot
from functions.recommend.handler import QUERIES as RECOMMEND
from functions.recommend.people import delete_preference
from functions.session.consuming import consume
from local.postgres.roles import let_in
from tests.integration.learning_runs import held_up
from tests.integration.waiting import until
from tests.site import Json, Site, by_a_bot, does, meets, there_is, user_id

NOW = month(datetime.now(UTC), -1) + timedelta(days=14, hours=12)
DAY = timedelta(days=1)


@pytest.fixture
def site(database_url: str) -> Iterator[Site]:
    with Site(database_url) as site:
        yield site


def scores(site: Site, user: str, source: str = "inferred") -> dict[str, float]:
    found = {key: row for key, row in site.preferences(user).items() if row["source"] == source}
    return {key: row["preference_value"]["score"] for key, row in found.items() if key != "active_hours"}


def says(site: Site, user: str, key: str, value: Json) -> None:
    """As `recommend` keeps it."""
    site.rows(
        "INSERT INTO user_preferences (user_id, preference_key, preference_value, confidence_score, source)"
        " VALUES (%s, %s, %s, 1, 'explicit') ON CONFLICT (user_id, preference_key) DO UPDATE SET"
        " preference_value = excluded.preference_value, source = excluded.source RETURNING 1",
        user_id(user), key, psycopg.types.json.Jsonb(value),
    )  # fmt: skip


# Whatever is done of her from now on is noted as newer.
SETTLED = "SELECT engaged_by < learned_by FROM profiles JOIN tastes ON user_id = id WHERE id = %s"


class TestAttributes:
    def test_are_shares_of_engagement(self, site: Site) -> None:
        site.send(
            there_is("a", NOW, attributes={"skills": ["Python", "sql"], "tags": "new"}, author_id="grace"),
            there_is("b", NOW, attributes={"skills": ["python"]}, author_id="grace"),
            there_is("c", NOW, attributes={"skills": ["sql", "SQL"], "colour": ["red"]}, author_id="ada"),
            there_is("d", NOW, attributes={"colour": ["red"], "skills": {"odd": 1}}, author_id="ada"),
            meets("ada", "b", NOW, "like"),
            *(meets("ada", name, NOW) for name in "acd"),
            at=NOW,
        )
        site.analyze(NOW)
        total = 0.6 + 0.8 + 0.6 + 0.6
        # One piece tells nothing ("new"), nor do attributes that no rule names, nor one's own content.
        assert scores(site, "ada") == {
            "content_type:project": 1,
            "attribute:skills:python": pytest.approx(1.4 / total, abs=1e-4),
            "attribute:skills:sql": pytest.approx(1.2 / total, abs=1e-4),
            f"author:{user_id('grace')}": pytest.approx(1.4 / total, abs=1e-4),
        }
        learned = site.preferences("ada")["attribute:skills:python"]
        assert learned["metadata"] == {"interactions": 2, "pieces": 2, "days": 30}
        assert learned["expires_at"] == NOW.replace(hour=0) + 31 * DAY

    def test_leave_bots_out(self, site: Site) -> None:
        site.send(
            *(there_is(name, NOW, attributes={"skills": ["python"]}) for name in "ab"),
            meets("ada", "a", NOW),
            by_a_bot(meets("ada", "b", NOW)),
            at=NOW,
        )
        site.analyze(NOW)
        assert scores(site, "ada") == {"content_type:project": 1}

    def test_are_the_strongest_twenty(self, site: Site) -> None:
        tags = [f"tag {n:02}" for n in range(30)]
        site.send(
            *(there_is(f"c {n}", NOW, attributes={"tags": tags[n:]}) for n in range(30)),
            *(meets("ada", f"c {n}", NOW) for n in range(30)),
            at=NOW,
        )
        site.analyze(NOW)
        assert scores(site, "ada").keys() - {"content_type:project"} == {
            f"attribute:tags:{t}" for t in tags[10:]
        }

    def test_that_the_user_said_win(self, site: Site) -> None:
        site.send(
            *(there_is(name, NOW, attributes={"skills": ["python"]}) for name in "ab"),
            *(meets("ada", name, NOW) for name in "ab"),
            at=NOW,
        )
        says(site, "ada", "attribute:skills:python", {"score": 0})
        says(site, "ada", "content_type:project", {"type": "project", "score": 0.1})
        site.analyze(NOW)
        assert scores(site, "ada") == {}
        assert scores(site, "ada", "explicit") == {"attribute:skills:python": 0, "content_type:project": 0.1}

    def test_are_forgotten_when_they_leave_the_window(self, site: Site) -> None:
        site.send(
            *(there_is(name, NOW, attributes={"skills": ["python"]}) for name in "ab"),
            *(meets("ada", name, NOW) for name in "ab"),
            at=NOW,
        )
        site.analyze(NOW)
        assert "attribute:skills:python" in scores(site, "ada")
        site.analyze(NOW + 32 * DAY)
        assert site.preferences("ada") == {}


class TestWhatIsNew:
    """Only who engaged since is learned again, and everybody on another day."""

    def forget_scores(self, site: Site) -> None:
        site.connection.execute(
            "UPDATE user_preferences SET preference_value = '{}' WHERE preference_key LIKE 'content_type:%'"
        )

    @pytest.fixture
    def known(self, site: Site) -> Site:
        site.send({**meets("ada", "a", NOW), "id": "0190163d-8694-739b-aea5-966c26f8ad91"}, at=NOW)
        # Not while a transaction that began earlier, anybody's, still runs.
        until(lambda: bool(site.analyze(NOW).finished and site.value(SETTLED, user_id("ada"))))
        self.forget_scores(site)
        return site

    def shares(self, site: Site, at: datetime = NOW) -> dict[str, float]:
        site.analyze(at)
        return site.shares("ada")

    def test_a_page_view_changes_nothing(self, known: Site) -> None:
        known.send(does("ada", NOW), at=NOW)
        assert self.shares(known) == {}

    @pytest.mark.parametrize("session", [{}, {"session_id": "a visit"}], ids=["alone", "in a bundle"])
    def test_an_interaction_does(self, known: Site, session: Json) -> None:
        known.send(meets("ada", "b", NOW, **session), at=NOW)
        assert self.shares(known) == {"project": 1}

    def test_one_that_commits_after_it_was_learned_does(self, known: Site) -> None:
        with held_up(known, meets("ada", "b", NOW, kind="job")) as release:
            for _ in range(3):
                known.value("SELECT pg_current_xact_id()::text")
            known.learner.run(partial(learn, user_ids=[user_id("ada")], now=NOW, anew=True))
            assert known.shares("ada") == {"project": 1}
            release()
        assert self.shares(known).keys() == {"project", "job"}

    def test_a_preference_that_is_taken_back_does(self, known: Site) -> None:
        says(known, "ada", "content_type:project", {"type": "project", "score": 0})
        asked = Database(let_in(known.url, "footfall_recommend"), RECOMMEND)
        asked.run(partial(delete_preference, user_id=user_id("ada"), key="content_type:project"))
        asked.close()
        assert self.shares(known) == {"project": 1}

    def test_a_dwell_that_grew_does(self, known: Site) -> None:
        view: Json = {**meets("ada", "a", NOW), "id": "0190163d-8694-739b-aea5-966c26f8ad91"}
        consume(known.writer, known.bodies({**view, "duration_seconds": 300}, at=NOW), 5)
        assert self.shares(known) == {"project": 1}

    def test_another_day_does(self, known: Site) -> None:
        known.send(does("ada", NOW), at=NOW)
        assert self.shares(known, NOW + DAY) == {"project": 1}

    def test_history_that_changes_hands_does(self, site: Site) -> None:
        site.send(
            meets("ada", "a", NOW),
            {**meets("ada", "b", NOW, kind="job"), "user_id": None, "anonymous_id": "browser"},
            at=NOW,
        )
        site.analyze(NOW)
        assert site.shares("ada") == {"project": 1}
        tie: Json = {
            "type": "alias",
            "user_id": "ada",
            "anonymous_id": "browser",
            "created_at": NOW.isoformat(),
        }
        site.send(tie, at=NOW)
        site.analyze(NOW)
        assert site.shares("ada").keys() == {"project", "job"}
        site.send({**tie, "type": "unlink"}, at=NOW + timedelta(minutes=1))
        site.analyze(NOW)
        assert site.shares("ada") == {"project": 1}


class TestOfPeopleAlike:
    @pytest.fixture
    def crowd(self, site: Site) -> Site:
        """Three who like the same, two of them jobs too."""
        site.send(
            *(meets(user, name, NOW) for user in ("ada", "grace", "alan") for name in "abc"),
            *(meets(user, f"job {n}", NOW, "apply", "job") for user in ("grace", "alan") for n in range(5)),
            meets("grace", "an article", NOW, kind="article"),
            at=NOW,
        )
        site.analyze(NOW)
        return site

    def expected(self, site: Site) -> Any:
        return scores(site, "ada", "ml_predicted")

    def test_are_what_at_least_two_like(self, crowd: Site) -> None:
        job = [crowd.shares(user)["job"] for user in ("grace", "alan")]
        assert self.expected(crowd) == {"content_type:job": pytest.approx(sum(job) / 2, abs=0.02)}
        row = crowd.preferences("ada")["content_type:job"]
        assert row["metadata"] == {"people": 2}
        assert row["preference_value"]["type"] == "job"
        assert 0 < row["confidence_score"] < 0.5
        assert scores(crowd, "grace", "ml_predicted") == {}

    def test_give_way_to_what_the_user_does(self, crowd: Site) -> None:
        crowd.send(meets("ada", "another job", NOW, kind="job"), at=NOW)
        crowd.analyze(NOW)
        assert self.expected(crowd) == {}
        assert crowd.preferences("ada")["content_type:job"]["source"] == "inferred"

    def test_give_way_to_what_the_user_says(self, crowd: Site) -> None:
        says(crowd, "ada", "content_type:job", {"type": "job", "score": 0})
        crowd.send(meets("ada", "a", NOW), at=NOW)
        crowd.analyze(NOW)
        assert self.expected(crowd) == {}
        assert scores(crowd, "ada", "explicit") == {"content_type:job": 0}

    def test_are_forgotten(self, crowd: Site) -> None:
        crowd.analyze(NOW + 31 * DAY)
        assert crowd.rows("SELECT FROM user_preferences") == []

    def test_rest_on_nothing_that_was_predicted(self, crowd: Site) -> None:
        assert self.expected(crowd) != {}
        crowd.connection.execute(
            "UPDATE user_preferences SET source = 'ml_predicted' WHERE user_id = %s", [user_id("alan")]
        )
        crowd.learner.run(partial(learn_lot, user_ids=[user_id("ada")], now=NOW))
        assert self.expected(crowd) == {}

    def test_are_the_five_that_are_liked_most(self, site: Site) -> None:
        kinds = [f"kind {number}" for number in range(8)]
        site.send(
            *(meets(user, "a", NOW) for user in ("ada", "grace", "alan")),
            *(
                meets(user, f"{kind} {number}", NOW, kind=kind)
                for user in ("grace", "alan")
                for place, kind in enumerate(kinds)
                for number in range(10 - place)
            ),
            at=NOW,
        )
        site.analyze(NOW)
        assert self.expected(site).keys() == {f"content_type:{kind}" for kind in kinds[:5]}

    def test_are_of_the_ten_most_alike(self, site: Site) -> None:
        site.send(
            *(
                meets(user, name, NOW)
                for user in ("ada", *(f"twin {n}" for n in range(10)))
                for name in "abc"
            ),
            *(meets(user, "a", NOW) for user in ("grace", "alan")),
            *(meets(user, f"job {n}", NOW, kind="job") for user in ("grace", "alan") for n in range(3)),
            at=NOW,
        )
        site.analyze(NOW)
        assert self.expected(site) == {}
