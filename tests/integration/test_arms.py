"""Whose feed is personalized is drawn once, at the first feed, and kept over logins."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from footfall.database import Database
from functions.recommend import handler
from functions.recommend.experiment import Experiment, arm_of, draw
from local.postgres.roles import let_in
from tests.asking import FEED, answering, ask, told
from tests.site import Site, content_id, meets, there_is, user_id

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
IDS = [user_id(f"{n}") for n in range(50)]


def some(arm: str, count: int, *, is_user: bool) -> list[str]:
    """Who would be in that arm if half were held out."""
    return [one for one in IDS if draw(one, 0.5, is_user=is_user) == arm][:count]


# Of either arm.
USERS = [*some("holdout", 1, is_user=True), *some("personal", 1, is_user=True)]
DEVICES = [*some("holdout", 1, is_user=False), *some("personal", 1, is_user=False)]


@pytest.fixture
def site(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with answering(database_url, monkeypatch) as site:
        yield site


@pytest.fixture
def recommend(database_url: str) -> Iterator[Database]:
    database = Database(let_in(database_url, "footfall_recommend"), handler.QUERIES)
    yield database
    database.close()


@dataclass
class Life:
    """Feeds and logins in their order, some heard of later; and the arms that have to come of it."""

    site: Site
    recommend: Database
    minute: int = 0
    # Of visitors that were shown a feed: when, and the arm that must be kept.
    exposed: dict[tuple[str, bool], int] = field(default_factory=dict)
    arms: dict[tuple[str, bool], str] = field(default_factory=dict)
    ties: dict[str, tuple[str, int]] = field(default_factory=dict)
    unheard: list[tuple[str, str, int]] = field(default_factory=list)

    def at(self, minute: int) -> datetime:
        return NOW + timedelta(minutes=minute)

    def see(self, visitor: str, is_user: bool, share: float) -> None:
        if not is_user and visitor in self.ties:
            return
        key = (visitor, is_user)
        arm = self.recommend.run(
            partial(_arm, visitor=visitor, share=share, now=self.at(self.minute), is_user=is_user)
        )
        self.exposed.setdefault(key, self.minute)
        before = [
            (self.exposed[device, False], device)
            for device, (user, tied) in self.ties.items()
            if is_user
            and user == visitor
            and (device, False) in self.exposed
            and tied <= self.exposed[key]
            and not [one for one in self.unheard if one[0] == device]
        ]
        own = self.arms.get(key) or draw(visitor, share, is_user=is_user)
        expected = self.arms[min(before)[1], False] if before else own
        assert arm == expected, "the arm of the device that was shown a feed first, else their own"
        self.arms[key] = arm

    def log_in(self, device: str, user: str, *, heard: bool) -> None:
        if device not in self.ties:
            self.ties[device] = (user, self.minute)
            self.unheard.append((device, user, self.minute))
        if heard:
            self.hear()

    def hear(self) -> None:
        for device, user, minute in self.unheard:
            self.site.connection.execute(
                "INSERT INTO identities (anonymous_id, user_id, verified_at) VALUES (%s, %s, %s)",
                [device, user, self.at(minute)],
            )
        self.unheard.clear()


def _arm(transaction: Any, visitor: str, share: float, now: datetime, *, is_user: bool) -> str:
    return arm_of(transaction, visitor, Experiment(share), now, is_user=is_user)


SHARES = st.sampled_from([0.5, 0.5, 0.05, 0.95])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("user"), st.sampled_from(USERS), SHARES),
        st.tuples(st.just("device"), st.sampled_from(DEVICES), SHARES),
        st.tuples(st.just("login"), st.sampled_from(DEVICES), st.sampled_from(USERS), st.booleans()),
        st.tuples(st.just("hear")),
    ),
    min_size=5,
    max_size=20,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_an_arm_is_kept_whatever_comes(site: Site, recommend: Database, steps: Sequence[Any]) -> None:
    site.connection.execute("DELETE FROM assignments; DELETE FROM identities")
    life = Life(site, recommend)
    for step in steps:
        life.minute += 1
        match step:
            case ("user", user, share):
                life.see(user, True, share)
            case ("device", device, share):
                life.see(device, False, share)
            case ("login", device, user, heard):
                life.log_in(device, user, heard=heard)
            case ("hear",):
                life.hear()
    # Nobody was moved who wasn't tied, and what counts as one visitor has one arm.
    units = site.rows(
        "SELECT unit_id FROM assignments GROUP BY unit_id, unit_is_user HAVING count(DISTINCT arm) > 1"
    )
    assert units == []


def see(
    recommend: Database, visitor: str, minute: int = 0, *, is_user: bool = True, share: float = 0.5
) -> str:
    at = NOW + timedelta(minutes=minute)
    return recommend.run(partial(_arm, visitor=visitor, share=share, now=at, is_user=is_user))


def tie(site: Site, device: str, user: str, minute: int, **more: datetime) -> None:
    row = {"anonymous_id": device, "user_id": user, "verified_at": NOW + timedelta(minutes=minute), **more}
    site.connection.execute(
        f"INSERT INTO identities ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})".encode(),
        list(row.values()),
    )


def pair(device_arm: str, user_arm: str) -> tuple[str, str]:
    """A device and a user who by themselves would be in these arms."""
    [device] = some(device_arm, 1, is_user=False)
    return device, next(one for one in some(user_arm, 2, is_user=True) if one != device)


class TestLogin:
    @pytest.mark.parametrize(("device_arm", "user_arm"), [("holdout", "personal"), ("personal", "holdout")])
    def test_takes_the_arm_along(
        self, site: Site, recommend: Database, device_arm: str, user_arm: str
    ) -> None:
        device, user = pair(device_arm, user_arm)
        assert see(recommend, device, 0, is_user=False) == device_arm
        tie(site, device, user, 1)
        assert see(recommend, user, 2) == device_arm
        [unit] = site.rows("SELECT DISTINCT unit_id::text, unit_is_user FROM assignments")
        assert unit == {"unit_id": device, "unit_is_user": False}

    def test_takes_it_along_when_it_is_heard_of_after_the_first_feed(
        self, site: Site, recommend: Database
    ) -> None:
        device, user = pair("holdout", "personal")
        see(recommend, device, 0, is_user=False)
        assert see(recommend, user, 2) == "personal"
        tie(site, device, user, 1)
        assert [see(recommend, user, minute) for minute in (3, 4)] == ["holdout"] * 2

    def test_moves_nobody_who_was_shown_a_feed_before(self, site: Site, recommend: Database) -> None:
        device, user = pair("holdout", "personal")
        see(recommend, device, 0, is_user=False)
        assert see(recommend, user, 1) == "personal"
        tie(site, device, user, 2)
        assert see(recommend, user, 3) == "personal"

    def test_brings_nothing_from_who_is_not_theirs(self, site: Site, recommend: Database) -> None:
        device, user = pair("holdout", "personal")
        see(recommend, device, 0, is_user=False)
        tie(site, device, user, 1, unlinked_at=NOW + timedelta(minutes=2))
        assert see(recommend, user, 3) == "personal"
        # Shared since before the feed was shown: then it may have been anybody's.
        device, user = pair("holdout", "personal")
        site.connection.execute("DELETE FROM assignments; DELETE FROM identities")
        tie(site, device, user, -3)
        tie(site, device, user_id("second"), -2)
        see(recommend, device, 0, is_user=False)
        assert see(recommend, user, 3) == "personal"

    def test_undone_later_moves_nobody(self, site: Site, recommend: Database) -> None:
        device, user = pair("holdout", "personal")
        see(recommend, device, 0, is_user=False)
        tie(site, device, user, 1)
        see(recommend, user, 2)
        site.connection.execute("UPDATE identities SET unlinked_at = verified_at + interval '5 minutes'")
        assert see(recommend, user, 10) == "holdout"


def test_no_share_draws_nobody_and_keeps_who_was_drawn(site: Site, recommend: Database) -> None:
    _, user = pair("personal", "holdout")
    assert see(recommend, user, share=0.0) == "none"
    assert site.value("SELECT count(*) FROM assignments") == 0
    assert [see(recommend, user, share=share) for share in (0.5, 0.01, 0.0, 0.01)] == [
        *("holdout", "holdout", "none", "holdout")
    ]
    assert site.value("SELECT holdout_share FROM assignments") == 0.5


class TestServing:
    @pytest.fixture
    def market(self, site: Site) -> Site:
        site.send(
            meets("ada", "met", NOW - DAY, "like"),
            *(meets(one, "hot job", NOW, "like", "job") for one in ("grace", "alan")),
            *(there_is(f"{n}", NOW - n * DAY) for n in range(30)),
            at=NOW,
        )
        site.analyze(NOW)
        return site

    def test_who_is_held_out_sees_what_everybody_sees_and_is_told_so(
        self, market: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert told(FEED, "ada")["strategy"] != "holdout"
        monkeypatch.setenv("HOLDOUT_PERCENT", "50")
        names = [f"user {n}" for n in range(50)]
        held_out, stranger = [name for name in names if draw(user_id(name), 0.5) == "holdout"][:2]
        market.send(*(meets(held_out, "met", NOW - HOUR, "like") for _ in range(5)), at=NOW)
        market.analyze(NOW)
        page, everybodys = told(FEED, held_out), told(FEED, stranger)
        assert page["strategy"] == everybodys["strategy"] == "holdout"
        assert "no personal feed" in page["reasoning"]
        items = [item["content_id"] for item in page["items"]]
        assert "met" not in items
        assert (
            items[:10]
            == [one["content_id"] for one in everybodys["items"] if one["content_id"] != "met"][:10]
        )
        assert not [
            item for item in page["items"] if "you like" in item["reason"] or "you v" in item["reason"]
        ]
        noted = market.rows(
            "SELECT DISTINCT arm, propensity FROM impressions WHERE user_id = %s", user_id(held_out)
        )
        assert noted == [{"arm": "holdout", "propensity": 1.0}]

    def test_a_place_is_left_to_chance_and_noted_with_its_propensity(
        self, market: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plain = [item["content_id"] for item in told(FEED, "ada", limit="10")["items"]]
        market.connection.execute("DELETE FROM impressions")
        monkeypatch.setenv("EXPLORATION_PERCENT", "10")
        page = told(FEED, "ada", limit="10")
        [(place, item)] = [
            (place, item) for place, item in enumerate(page["items"]) if item["strategy"] == "exploration"
        ]
        assert item["reason"] == "Picked at random, to find out whether you like it"
        assert item["content_id"] not in plain
        others = [one["content_id"] for n, one in enumerate(page["items"]) if n != place]
        assert others == [one for n, one in enumerate(plain) if n != place]
        noted = market.rows(
            "SELECT position, propensity, strategy, content_id::text FROM impressions ORDER BY 1"
        )
        assert noted[place]["content_id"] == content_id(item["content_id"])
        assert noted[place]["propensity"] == pytest.approx(0.1 / 20)
        assert [row["propensity"] for n, row in enumerate(noted) if n != place] == pytest.approx([0.9] * 9)
        # What lost its place comes with the next page.
        monkeypatch.setenv("EXPLORATION_PERCENT", "0")
        following = told(FEED, "ada", limit="10", cursor=page["cursor"])["items"]
        assert plain[place] in [one["content_id"] for one in following]
        assert not {one["content_id"] for one in following} & {one["content_id"] for one in page["items"]}

    @pytest.mark.parametrize("arm", ["personal", "holdout"])
    def test_a_preview_shows_the_same_and_notes_nothing(
        self, market: Site, monkeypatch: pytest.MonkeyPatch, arm: str
    ) -> None:
        monkeypatch.setenv("HOLDOUT_PERCENT", "50")
        monkeypatch.setenv("EXPLORATION_PERCENT", "10")
        name = next(f"user {n}" for n in range(50) if draw(user_id(f"user {n}"), 0.5) == arm)
        market.send(meets(name, "met", NOW - HOUR, "like"), at=NOW)
        market.analyze(NOW)
        page = told(FEED, name, preview="true", limit="10")
        assert (page["strategy"] == "holdout") == (arm == "holdout")
        assert (page["feed_id"], page["cursor"]) == (None, None)
        assert market.rows("SELECT FROM impressions UNION ALL SELECT FROM assignments") == []
        monkeypatch.setenv("EXPLORATION_PERCENT", "0")
        seen = told(FEED, name, preview="false", limit="10")
        assert seen["items"] == page["items"]
        assert market.value("SELECT count(*) FROM impressions") == 10
        assert market.value("SELECT arm FROM assignments") == arm
        # Whoever has an arm keeps it, whatever is drawn by now.
        monkeypatch.setenv("HOLDOUT_PERCENT", "1")
        assert told(FEED, name, preview="true", limit="10")["items"] == page["items"]
        assert market.value("SELECT count(*) FROM impressions") == 10
        status, answer = ask(FEED, name, preview="true", cursor=seen["cursor"])
        assert (status, answer["message"]) == (400, "cursor: a preview has one page")
        status, answer = ask(FEED, name, preview="maybe")
        assert (status, answer["message"]) == (400, "preview: must be true or false, not 'maybe'")
