"""The rules beside the original's, over a grid: they differ only where the design mends them."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from footfall import rules
from footfall.rules import Count, NextAction

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
RULES = rules.load()
RULES_FACTS = {need for suggestion in RULES.suggestions for need in suggestion.needs}
Activity = dict[str, str]

# ── The original, as it stood ────────────────────────────────────────────────────────────────────


def original_stage(days: int, activities: int, completeness: float | None) -> str:
    if days < 1:
        return "new_user"
    if (completeness or 0) < 50:
        return "incomplete_profile"
    if activities < 10:
        return "low_engagement"
    if days > 30 and activities > 100:
        return "power_user"
    return "active_user"


def original_intent(activities: Sequence[Activity]) -> str:
    latest = activities[:20]
    if sum(activity.get("event_type") == "search" for activity in latest) > 5:
        return "actively_searching"
    if sum(activity.get("event_action") == "view_profile" for activity in latest) > 3:
        return "recruiting"
    if sum(activity.get("event_action") == "view_project" for activity in latest) > 3:
        return "researching"
    return "browsing"


ORIGINAL_SUGGESTIONS: dict[str, tuple[str, str, str, str]] = {
    "new_user": ("complete_profile", "Complete your profile to get discovered", "Complete Profile", "high"),
    "incomplete_profile": (
        "add_projects",
        "Add 2 projects to increase profile views by 150%",
        "Add Project",
        "high",
    ),
    "low_engagement": (
        "request_endorsement",
        "Request endorsements to build credibility",
        "Request Endorsement",
        "medium",
    ),
    "active_user": ("explore_jobs", "15 new opportunities match your profile", "View Jobs", "medium"),
    "power_user": ("refer_friend", "Invite colleagues and earn rewards", "Invite Friends", "low"),
}

# ── Stage ────────────────────────────────────────────────────────────────────────────────────────

DAYS = [0, 1, 2, 29, 30, 31, 32, 400]
ACTIVITIES = [0, 1, 9, 10, 11, 99, 100, 101, 10_000]
COMPLETENESS = [0.0, 1, 49, 49.99, 50, 51, 100]


@pytest.mark.parametrize("completeness", COMPLETENESS)
def test_a_stage_is_the_originals(completeness: float) -> None:
    for days, activities in product(DAYS, ACTIVITIES):
        expected = original_stage(days, activities, completeness)
        for within_day in (timedelta(), timedelta(hours=23, minutes=59, seconds=59)):
            found = RULES.stage(NOW - timedelta(days=days) - within_day, activities, completeness, NOW)
            assert found == expected, (days, activities)


def test_mended_a_completeness_that_nobody_told_skips_its_rule() -> None:
    for days, activities in product(DAYS, ACTIVITIES):
        found = RULES.stage(NOW - timedelta(days=days), activities, None, NOW)
        assert found == original_stage(days, activities, 100), (days, activities)
        assert found != "incomplete_profile"


def test_every_stage_of_the_original_is_met() -> None:
    grid = product(DAYS, ACTIVITIES, COMPLETENESS)
    met = {RULES.stage(NOW - timedelta(days=days), count, share, NOW) for days, count, share in grid}
    assert met == set(ORIGINAL_SUGGESTIONS) == {stage.name for stage in RULES.stages}


def test_a_sign_up_ahead_of_our_clock_is_new() -> None:
    assert RULES.stage(NOW + timedelta(hours=1), 1000, 100, NOW) == "new_user"


# ── Intent ───────────────────────────────────────────────────────────────────────────────────────

SEARCH = {"event_type": "search", "event_action": "search"}
PROFILE = {"event_type": "content_interaction", "event_action": "view_profile"}
PROJECT = {"event_type": "content_interaction", "event_action": "view_project"}
OTHER = {"event_type": "page_view", "event_action": "view"}
TRACKED_SEARCH = {"event_type": "user_action", "event_action": "search"}


@pytest.mark.parametrize("searches", range(8))
def test_an_intent_is_the_originals(searches: int) -> None:
    for profiles, projects, others in product(range(6), range(6), (0, 7)):
        latest = [*[SEARCH] * searches, *[PROFILE] * profiles, *[PROJECT] * projects, *[OTHER] * others]
        for activities in (latest, latest[::-1]):
            assert RULES.intent(activities) == original_intent(activities), (profiles, projects, others)


def test_only_the_latest_twenty_count() -> None:
    for others in range(12, 22):
        activities = [*[OTHER] * others, *[SEARCH] * 6]
        assert RULES.intent(activities) == original_intent(activities)
    assert RULES.intent([*[OTHER] * 14, *[SEARCH] * 6]) == "actively_searching"
    assert RULES.intent([*[OTHER] * 15, *[SEARCH] * 6]) == "browsing"


def test_mended_a_search_counts_as_the_tracker_sends_it() -> None:
    for tracked in range(8):
        activities = [*[TRACKED_SEARCH] * tracked, *[SEARCH] * (7 - tracked)]
        assert RULES.intent(activities[:6]) == "actively_searching"
        assert RULES.intent(activities[:5]) == "browsing"
    assert original_intent([TRACKED_SEARCH] * 20) == "browsing"


@pytest.mark.parametrize(
    "activity",
    [
        {"event_type": "user_action", "event_action": "research"},
        {"event_type": "page_view", "event_action": "search"},
        {"event_action": "search"},
        {"event_type": None, "event_action": None},
        {},
    ],
)
def test_what_only_resembles_a_search_is_none(activity: Activity) -> None:
    assert RULES.intent([activity] * 20) == original_intent([activity] * 20) == "browsing"


def test_nothing_done_is_browsing() -> None:
    assert RULES.intent([]) == original_intent([]) == "browsing"


# ── Next action ──────────────────────────────────────────────────────────────────────────────────


def without_numbers(message: str) -> str:
    """The original's message before its numbers, which were made up."""
    return re.sub(r"\d+ | by \d+%", "", message)


@pytest.mark.parametrize("stage", ORIGINAL_SUGGESTIONS)
def test_a_suggestion_is_the_originals_with_counted_numbers(stage: str) -> None:
    counts = {"missing_projects": 2, "matching_opportunities": 15, "opportunities": 20, "trending_items": 3}
    found = RULES.suggest(stage, counts)
    action, message, cta, priority = ORIGINAL_SUGGESTIONS[stage]
    assert (found.stage, found.action, found.cta, found.priority) == (stage, action, cta, priority)
    assert without_numbers(found.message) == without_numbers(message)
    assert [int(number) for number in re.findall(r"\d+", found.message)] == list(found.evidence.values())


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (
            {"matching_opportunities": 1, "opportunities": 9},
            ("explore_jobs", "1 new opportunity matches your profile", {"matching_opportunities": 1}),
        ),
        (
            {"matching_opportunities": 0, "opportunities": 1},
            ("explore_jobs", "1 new opportunity this week", {"opportunities": 1}),
        ),
        ({"opportunities": 9}, ("explore_jobs", "9 new opportunities this week", {"opportunities": 9})),
        (
            {"opportunities": 0, "trending_items": 2},
            ("explore_trending", "2 items are trending that you haven't seen", {"trending_items": 2}),
        ),
        ({}, ("request_endorsement", "Request endorsements to build credibility", {})),
    ],
)
def test_what_counts_zero_gives_way_to_the_next(
    counts: dict[str, int], expected: tuple[str, str, Any]
) -> None:
    found = RULES.suggest("active_user", counts)
    assert (found.action, found.message, found.evidence) == expected


def test_nobody_is_told_to_add_no_projects() -> None:
    assert RULES.suggest("incomplete_profile", {"missing_projects": 1}).message.startswith(
        "Add 1 project to "
    )
    assert RULES.suggest("incomplete_profile", {"missing_projects": 0}).action == "complete_profile"


def test_every_stage_has_a_suggestion_whatever_is_counted() -> None:
    for stage in RULES.stages:
        found = RULES.suggest(stage.name, {})
        assert isinstance(found, NextAction)
        assert found.evidence == {}
        assert not re.search(r"[{}\d]|undefined|None", found.message)


# ── Counts ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 items"), (1, "1 item"), (2, "2 items"), (1000, "1000 items"), (1.0, "1 item"), (2.9, "2 items")],
)
def test_a_count_knows_its_noun(count: float, text: str) -> None:
    assert f"{Count(count):item/items}" == text


def test_a_count_without_a_noun_is_a_number() -> None:
    assert (f"{Count(7)}", f"{Count(1234):,}", f"{Count(7):03d}") == ("7", "1,234", "007")
    assert f"{Count(1):day left/days left}" == "1 day left"


# ── The file ─────────────────────────────────────────────────────────────────────────────────────


def changed(folder: Path, *replacements: tuple[str, str]) -> Path:
    text = rules.FILE.read_text(encoding="utf-8")
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    file = folder / "shop.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_shop_may_have_its_own_rules(tmp_path: Path) -> None:
    own = rules.load(
        changed(
            tmp_path,
            ("recent = 20", "recent = 3"),
            ("more_than = 5", "more_than = 1"),
            ('"browsing"', '"strolling"'),
            ("days_below = 1", "days_below = 7"),
            ("Invite colleagues and earn rewards", "Bring a friend"),
        )
    )
    assert own.intent([SEARCH, SEARCH]) == "actively_searching"
    assert own.intent([OTHER, OTHER, SEARCH, SEARCH]) == "strolling"
    assert own.stage(NOW - timedelta(days=6), 100, 100, NOW) == "new_user"
    assert own.suggest("power_user", {}).message == "Bring a friend"
    assert RULES.suggest("power_user", {}).message != "Bring a friend"


def test_the_last_stage_must_always_hold(tmp_path: Path) -> None:
    file = changed(tmp_path, ('name = "active_user"', 'name = "active_user"\nactivities_below = 1000'))
    with pytest.raises(
        ValueError, match=r"^shop\.toml: the last stage, active_user, must have no conditions$"
    ):
        rules.load(file)


def test_every_stage_must_have_a_suggestion_that_always_holds(tmp_path: Path) -> None:
    file = changed(tmp_path, ('stage = "power_user"', 'stage = "power_users"'))
    with pytest.raises(
        ValueError, match=r"^shop\.toml: the stage power_user has no suggestion without needs$"
    ):
        rules.load(file)
    renamed = changed(tmp_path, ('name = "new_user"', 'name = "newcomer"'))
    with pytest.raises(ValueError, match="the stage newcomer has no suggestion"):
        rules.load.__wrapped__(renamed)


class TestWhatToCount:
    """Only what decides: each fact is asked for when all before it have said no."""

    def asked(self, stage: str, counts: dict[str, float]) -> list[str]:
        """The facts that are asked for, where `counts` are the answers."""
        known: dict[str, float] = {}
        asked = []
        while (fact := RULES.lacks(stage, known)) is not None:
            asked.append(fact)
            known[fact] = counts.get(fact, 0)
        assert RULES.suggest(stage, known) == RULES.suggest(
            stage, {**dict.fromkeys(RULES_FACTS, 0), **counts}
        )
        return asked

    def test_is_nothing_where_the_stage_says_it_all(self) -> None:
        assert self.asked("new_user", {}) == []
        assert self.asked("power_user", {"opportunities": 3}) == []

    def test_is_the_next_fact_until_one_holds(self) -> None:
        every = ["matching_opportunities", "opportunities", "trending_items"]
        assert self.asked("active_user", {}) == every
        assert self.asked("active_user", {"opportunities": 2}) == every[:2]
        assert self.asked("active_user", {"matching_opportunities": 1, "opportunities": 2}) == every[:1]
