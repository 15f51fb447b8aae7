"""Experiments with an effect that is known: intervals hold what they promise, and nothing else is claimed."""

import math
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from functions.insights import comparing
from functions.insights.recommendations import answer

RUNS = 200
# Of 200 intervals that hold in 95 % of all cases, fewer than 181 do once in 500 times.
LEAST_COVERED = 181
MOST_CLAIMED = RUNS - LEAST_COVERED
NAMES = ("shown", "clicked", "engagement")


def visitors_of(
    chance: random.Random, count: int, share: float, lift: float, rate: float
) -> Iterator[tuple[str, float, float, float]]:
    """Arm, items shown, clicked, and engagement of each. Some see much; each has a liking of their own."""
    for _ in range(count):
        arm = "holdout" if chance.random() < share else "personal"
        shown = min(int(chance.expovariate(1 / 12)) + 1, 80)
        liking = min(rate * chance.gammavariate(0.7, 1 / 0.7) * (lift if arm == "personal" else 1), 1.0)
        clicked = sum(chance.random() < liking for _ in range(shown))
        yield arm, shown, clicked, sum(chance.choice((0.6, 0.8, 1.0)) for _ in range(clicked))


def sums_of(
    visitors: Iterator[tuple[str, float, float, float]], share: float = 0.2, said: float | None = None
) -> list[dict[str, Any]]:
    """What `evidence` finds of them, the holdout's share as it is noted."""
    groups: dict[str, dict[str, Any]] = {}
    for arm, *did in visitors:
        one = groups.setdefault(arm, {"arm": arm, "holdout_share": said or share})
        for name in ("visitors", "active"):
            one[name] = one.get(name, 0) + 1
        one["clicking"] = one.get("clicking", 0) + (did[1] > 0)
        for name, value in zip(NAMES, did, strict=True):
            one[name] = one.get(name, 0) + value
        for first, second in ((0, 0), (0, 1), (1, 1), (2, 2)):
            key = f"{NAMES[first]}_{NAMES[second]}"
            one[key] = one.get(key, 0) + did[first] * did[second]
    return list(groups.values())


def run_all(lift: float, seed: int, *, count: int = 1500, share: float = 0.2) -> list[Any]:
    chance = random.Random(seed)
    return [answer(sums_of(visitors_of(chance, count, share, lift, 0.06), share), []) for _ in range(RUNS)]


def covered(answers: list[Any], of: str, truth: float) -> int:
    bounds = [one["uplift"][of]["interval"] for one in answers if one["uplift"]]
    assert len(bounds) > RUNS - 5
    return RUNS - sum(not low <= truth <= high for low, high in bounds)


@pytest.fixture(scope="module")
def with_effect() -> list[Any]:
    return run_all(1.4, 1)


@pytest.fixture(scope="module")
def without_effect() -> list[Any]:
    return run_all(1.0, 2)


@pytest.mark.parametrize("of", ["click_through", "engagement"])
class TestIntervals:
    def test_cover_a_known_effect_as_often_as_they_claim(self, with_effect: list[Any], of: str) -> None:
        assert covered(with_effect, of, 0.4) >= LEAST_COVERED
        assert covered(with_effect, of, 0.1) < RUNS * 0.7, "they would cover anything"

    def test_claim_no_effect_where_there_is_none(self, without_effect: list[Any], of: str) -> None:
        assert covered(without_effect, of, 0.0) >= LEAST_COVERED
        verdicts = [one["uplift"][of]["verdict"] for one in without_effect if one["uplift"]]
        assert sum(verdict != "no_difference" for verdict in verdicts) <= MOST_CLAIMED

    def test_find_an_effect_that_is_there(self, with_effect: list[Any], of: str) -> None:
        verdicts = [one["uplift"][of]["verdict"] for one in with_effect if one["uplift"]]
        assert verdicts.count("better") > RUNS * 0.5
        assert "worse" not in verdicts


def test_a_verdict_says_no_more_than_its_interval(with_effect: list[Any], without_effect: list[Any]) -> None:
    for one in [*with_effect, *without_effect]:
        if one["verdict"] in ("too_thin", "ratio_mismatch"):
            assert one["uplift"] is None
            continue
        low, high = one["uplift"]["click_through"]["interval"]
        assert one["verdict"] == ("better" if low > 0 else "worse" if high < 0 else "no_difference")
        assert ("No difference is shown" in one["message"]) == (one["verdict"] == "no_difference")


def test_an_effect_that_may_be_seen_is_one_that_mostly_is() -> None:
    """What is said to be detectable would be found four times of five."""
    found = [one["uplift"]["click_through"]["detectable"] for one in run_all(1.0, 3) if one["uplift"]]
    lift = 1 + sum(found) / len(found)
    verdicts = [one["verdict"] for one in run_all(lift, 4)]
    assert 0.7 <= verdicts.count("better") / RUNS <= 0.9


@pytest.mark.parametrize(("count", "rate"), [(60, 0.3), (400, 0.01), (1, 1.0)])
def test_thin_evidence_is_refused_and_what_is_missing_said(count: int, rate: float) -> None:
    chance = random.Random(5)
    for lift in (1.0, 3.0):
        one = answer(sums_of(visitors_of(chance, count, 0.2, lift, rate)), [])
        assert (one["verdict"], one["uplift"]) == ("too_thin", None)
        missing = one["missing"]["holdout"]
        assert missing["visitors"] > 0
        assert f"{missing['visitors']} visitors" in one["message"]
        assert f"{missing['clicking_visitors']} of them clicking" in one["message"]


def test_what_is_said_to_be_missing_is_enough_once_it_is_there() -> None:
    chance = random.Random(6)
    first = answer(sums_of(visitors_of(chance, 1000, 0.2, 1.0, 0.01)), [])
    more = math.ceil(1.8 * first["missing"]["holdout"]["visitors"] / 0.2)
    assert 100 < more < 3000
    assert first["arms"]["holdout"]["active_visitors"] > 100
    again = answer(sums_of(visitors_of(chance, 1000 + more, 0.2, 1.0, 0.01)), [])
    assert (again["missing"], again["verdict"]) == (None, "no_difference")


def test_nothing_shown_is_nothing_said() -> None:
    one = answer([], [])
    assert (one["verdict"], one["uplift"], one["best_strategy"]) == ("nothing_shown", None, None)
    assert one["arms"]["holdout"]["click_through"] is None
    assert one["missing"]["personal"] == {"visitors": 100, "clicking_visitors": 30}


class TestSampleRatio:
    def test_is_flagged_where_the_assignment_is_biased(self) -> None:
        chance = random.Random(7)
        biased = answer(sums_of(visitors_of(chance, 6000, 0.13, 1.5, 0.06), said=0.1), [])
        assert (biased["verdict"], biased["uplift"]) == ("ratio_mismatch", None)
        assert biased["sample_ratio"]["mismatch"]
        assert "should be" in biased["message"]

    def test_is_right_where_the_assignment_is(self, without_effect: list[Any]) -> None:
        assert sum(one["sample_ratio"]["mismatch"] for one in without_effect) <= 2
        values = [one["sample_ratio"]["p_value"] for one in without_effect]
        assert sum(value < 0.5 for value in values) / RUNS == pytest.approx(0.5, abs=0.12)

    def test_of_few_says_nothing(self) -> None:
        groups = [{"arm": "holdout", "holdout_share": 0.1, "visitors": 9}]
        assert comparing.sample_ratio(groups).p_value is None

    def test_follows_a_share_that_was_changed(self) -> None:
        groups = [
            {"arm": "holdout", "holdout_share": 0.1, "visitors": 100},
            {"arm": "personal", "holdout_share": 0.1, "visitors": 900},
            {"arm": "holdout", "holdout_share": 0.5, "visitors": 500},
            {"arm": "personal", "holdout_share": 0.5, "visitors": 500},
        ]
        assert comparing.sample_ratio(groups).chi_square == 0


def test_a_share_that_was_changed_is_no_effect() -> None:
    """Few were held out while all clicked much, many while all clicked little."""
    chance = random.Random(8)
    covering = 0
    for _ in range(RUNS // 4):
        early = sums_of(visitors_of(chance, 2000, 0.1, 1.0, 0.12), 0.1)
        late = sums_of(visitors_of(chance, 2000, 0.5, 1.0, 0.04), 0.5)
        low, high = answer([*early, *late], [])["uplift"]["click_through"]["interval"]
        covering += low <= 0 <= high
    assert covering >= RUNS // 4 * 0.86


@pytest.mark.parametrize(("degrees", "expected"), [(7, 2.3646), (29, 2.0452), (60, 2.0003), (10_000, 1.9602)])
def test_intervals_of_few_reach_further(degrees: int, expected: float) -> None:
    """As in any table of Student's t."""
    assert comparing.quantile(degrees) == pytest.approx(expected, abs=1e-3)


def strategy(name: str, clicked: float, expected: float, **more: Any) -> dict[str, Any]:
    """Of a thousand visitors who are shown five items each."""
    each, wanted = clicked / 1000, expected / 1000
    return {
        "strategy": name,
        "active": 1000,
        "clicking": min(clicked, 1000),
        "shown": 5000.0,
        "clicked": clicked,
        "expected": expected,
        "shown_shown": 25_000,
        "shown_clicked": 5 * clicked,
        "clicked_clicked": clicked + each * clicked,
        "expected_expected": wanted * expected,
        "expected_clicked": wanted * clicked,
        **more,
    }


class TestStrategies:
    def test_the_best_is_the_one_that_is_better_than_each(self) -> None:
        rows = [strategy("trending", 200, 300), strategy("alike", 500, 350), strategy("newest", 100, 150)]
        one = answer([], rows)
        assert [each["strategy"] for each in one["strategies"]] == ["alike", "newest", "trending"]
        assert one["best_strategy"] == "alike"

    def test_none_is_best_where_two_are_as_good_or_thin_or_alone(self) -> None:
        for rows in (
            [strategy("trending", 300, 300), strategy("alike", 310, 300)],
            [strategy("trending", 200, 300), strategy("alike", 500, 350, active=99)],
            [strategy("trending", 20, 60), strategy("alike", 500, 350)],
            [strategy("alike", 500, 350)],
        ):
            assert answer([], rows)["best_strategy"] is None

    def test_stands_where_it_stands_and_is_measured_by_that(self) -> None:
        """Twice the clicks, of places that get twice the clicks, are no merit."""
        one = answer([], [strategy("first", 400, 400), strategy("last", 200, 200)])
        assert [each["against_expected"] for each in one["strategies"]] == [1, 1]
        assert one["best_strategy"] is None

    def test_the_luckiest_of_many_is_not_the_best(self) -> None:
        chance = random.Random(9)
        rounds: Callable[[], int] = lambda: sum(chance.random() < 0.06 for _ in range(5000))  # noqa: E731
        best = 0
        for _ in range(40):
            best += (
                answer([], [strategy(f"{n}", rounds(), 300) for n in range(6)])["best_strategy"] is not None
            )
        assert best <= 2
