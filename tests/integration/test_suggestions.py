"""Stages and the one suggestion that follows, with numbers that are counted."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from footfall.months import month
from tests.site import Json, Site, by_a_bot, does, is_told, meets, there_is

# Whatever day it is, all of what follows lies in months that exist.
NOW = month(datetime.now(UTC), -1) + timedelta(days=14, hours=12)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def site(database_url: str) -> Iterator[Site]:
    with Site(database_url) as site:
        yield site


class TestStages:
    """Each user: days since sign-up, activities, completeness, and the stage that follows."""

    USERS = (
        (0.99, 200, 10, "new_user"),
        (-0.5, 1, None, "new_user"),
        (1, 1, 49.99, "incomplete_profile"),
        (400, 200, 0, "incomplete_profile"),
        (1, 9, 50, "low_engagement"),
        (400, 9, None, "low_engagement"),
        (1, 10, None, "active_user"),
        (30.99, 101, 100, "active_user"),
        (31, 100, 100, "active_user"),
        (31, 101, 100, "power_user"),
        (31, 101, None, "power_user"),
    )

    def test_follow_the_rules(self, site: Site) -> None:
        for number, (days, activities, completeness, _) in enumerate(self.USERS):
            user = f"user {number}"
            signed_up = (NOW - days * DAY).isoformat()
            site.send(
                is_told(user, NOW, created_at=signed_up, profile_completeness=completeness),
                *(does(user, NOW - n * MINUTE) for n in range(activities)),
                by_a_bot(does(user, NOW)),
                at=NOW,
            )
        site.analyze(NOW)
        found = {number: site.suggestion(f"user {number}")["stage"] for number, _ in enumerate(self.USERS)}
        assert found == {number: stage for number, (*_, stage) in enumerate(self.USERS)}

    def test_count_from_first_sight_where_no_sign_up_is_known(self, site: Site) -> None:
        site.send(does("ada", NOW), does("grace", NOW - DAY), at=NOW)
        site.analyze(NOW)
        assert site.suggestion("ada")["stage"] == "new_user"
        assert site.suggestion("grace")["stage"] == "low_engagement"


def an_active_user(user: str, **traits: Any) -> list[Json]:
    signed_up = (NOW - 5 * DAY).isoformat()
    told = is_told(user, NOW, created_at=signed_up, **traits)
    return [told, *(does(user, NOW - n * HOUR) for n in range(12))]


def shown(site: Site, user: str) -> tuple[str, str, Json]:
    """What is suggested once analyze has run."""
    site.analyze(NOW)
    row = site.suggestion(user)
    return row["action"], row["message"], row["evidence"]


class TestSuggestions:
    def test_fall_through_to_the_next_that_holds(self, site: Site) -> None:
        site.send(*an_active_user("ada", skills=["python"]), at=NOW)
        assert shown(site, "ada") == (
            "request_endorsement", "Request endorsements to build credibility", {},
        )  # fmt: skip
        site.send(meets("grace", "a", NOW), meets("alan", "a", NOW), does("ada", NOW), at=NOW)
        assert shown(site, "ada") == (
            "explore_trending",
            "1 item is trending that you haven't seen",
            {"trending_items": 1},
        )
        site.send(there_is("j1", NOW, "job", attributes={"skills": ["cobol"]}), does("ada", NOW), at=NOW)
        assert shown(site, "ada") == (
            "explore_jobs", "1 new opportunity this week", {"opportunities": 1},
        )  # fmt: skip
        site.send(there_is("j2", NOW, "job"), does("ada", NOW), at=NOW)
        assert shown(site, "ada") == (
            "explore_jobs", "2 new opportunities this week", {"opportunities": 2},
        )  # fmt: skip
        site.send(there_is("j3", NOW, "job", attributes={"skills": ["Python"]}), does("ada", NOW), at=NOW)
        assert shown(site, "ada") == (
            "explore_jobs",
            "1 new opportunity matches your profile",
            {"matching_opportunities": 1},
        )

    def test_count_the_opportunities_that_match(self, site: Site) -> None:
        jobs: dict[str, Json] = {
            "same": {"attributes": {"skills": ["python"]}},
            "other case": {"attributes": {"skills": ["go", "PYTHON", "python"]}},
            "second skill": {"attributes": {"skills": ["sql"]}},
            "one word": {"attributes": {"skills": "Python"}},
            "other skill": {"attributes": {"skills": ["cobol"]}},
            "part of a word": {"attributes": {"skills": ["pytho"]}},
            "odd skills": {"attributes": {"skills": {"python": 1}}},
            "no skills": {"attributes": {}},
            "nothing said": {},
            "just old": {"attributes": {"skills": ["sql"]}, "published_at": NOW - 7 * DAY},
            "just not old": {"attributes": {"skills": ["sql"]}, "published_at": NOW - 7 * DAY + MINUTE},
            "to come": {"attributes": {"skills": ["sql"]}, "published_at": NOW + MINUTE},
            "gone": {"attributes": {"skills": ["sql"]}, "available": False},
            "own": {"attributes": {"skills": ["sql"]}, "author_id": "ada"},
            "another's": {"attributes": {"skills": ["sql"]}, "author_id": "grace"},
            "met": {"attributes": {"skills": ["sql"]}},
            "met by another": {"attributes": {"skills": ["sql"]}},
        }
        events = []
        for name, said in jobs.items():
            published = said.get("published_at", NOW - DAY)
            events.append(there_is(name, NOW - DAY, "job", **{**said, "published_at": published.isoformat()}))
        site.send(
            *events,
            there_is("a project", NOW, attributes={"skills": ["sql"]}),
            meets("ada", "met", NOW - HOUR, kind="job"),
            meets("grace", "met by another", NOW - HOUR, kind="job"),
            *an_active_user("ada", skills=["Python", "SQL"]),
            at=NOW,
        )
        matching = {
            "same",
            "other case",
            "second skill",
            "one word",
            "just not old",
            "another's",
            "met by another",
        }
        others = {"other skill", "part of a word", "odd skills", "no skills", "nothing said"}
        assert shown(site, "ada") == (
            "explore_jobs",
            f"{len(matching)} new opportunities match your profile",
            {"matching_opportunities": len(matching)},
        )
        site.send(is_told("ada", NOW + MINUTE, skills=["fortran"]), at=NOW + MINUTE)
        assert shown(site, "ada") == (
            "explore_jobs",
            f"{len(matching | others)} new opportunities this week",
            {"opportunities": len(matching | others)},
        )

    def test_count_the_trends_that_the_feed_would_show(self, site: Site) -> None:
        crowd = [meets(user, name, NOW) for user in ("grace", "alan") for name in "abcdef"]
        site.send(
            *crowd,
            there_is("a", NOW, available=False),
            there_is("b", NOW, author_id="ada"),
            meets("ada", "c", NOW - 10 * DAY),
            meets("grace", "liked by one", NOW, "like"),
            *an_active_user("ada"),
            at=NOW,
        )
        site.analyze(NOW)
        site.send(does("ada", NOW), at=NOW)
        assert shown(site, "ada") == (
            "explore_trending",
            "3 items are trending that you haven't seen",
            {"trending_items": 3},
        )

    def test_ask_for_the_projects_that_are_missing(self, site: Site) -> None:
        signed_up = (NOW - 5 * DAY).isoformat()
        site.send(is_told("ada", NOW, created_at=signed_up, profile_completeness=20), at=NOW)
        add, complete = "Add {} to increase profile views", "Complete your profile to get discovered"
        assert shown(site, "ada") == ("add_projects", add.format("2 projects"), {"missing_projects": 2})
        site.send(there_is("p1", NOW, author_id="ada"), does("ada", NOW), at=NOW)
        assert shown(site, "ada") == ("add_projects", add.format("1 project"), {"missing_projects": 1})
        others = [there_is("p2", NOW, author_id="ada"), there_is("p3", NOW, author_id="ada")]
        site.send(*others, does("ada", NOW), at=NOW)
        assert shown(site, "ada") == ("complete_profile", complete, {})

    def test_hold_no_empty_place(self, site: Site) -> None:
        site.send(
            does("new", NOW),
            *an_active_user("active"),
            *an_active_user("half", profile_completeness=1),
            at=NOW,
        )
        site.analyze(NOW)
        for row in site.rows("SELECT stage, action, message, cta, priority FROM suggestions"):
            assert all(row.values())
            assert not {"{", "}", "None", "null", "undefined"} & set(json.dumps(row["message"]).split())
