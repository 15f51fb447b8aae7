"""How well what is hidden was learned: who knows everything scores 1."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.demo.recovering import PURPOSES, Hidden, calibration, figures, hide, of_journeys
from local.demo.world import Size, World
from local.evaluation.visits import Visit

UNTIL = datetime(2026, 11, 1, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def hidden() -> list[Hidden]:
    world = World("1", Size(60, 150), UNTIL - timedelta(days=10), UNTIL)
    return [hide(account, UNTIL, 30) for account in world.accounts]


def knowing(one: Hidden) -> dict[str, Any]:
    """What would be answered if nothing were hidden."""
    learned = {"source": "inferred", "confidence": 0.9}
    types = [
        {"key": f"content_type:{name}", "value": {"type": name, "score": share}, **learned}
        for name, share in one.types.items()
    ]
    topics = [
        {"key": f"attribute:topic:{name}", "value": {"score": share}, **learned}
        for name, share in one.topics.items()
    ]
    return {
        "preferences": types + topics,
        "active_hours": sorted(range(24), key=lambda hour: -one.hours[hour])[:3],
        "stage": one.stage,
        "intent": PURPOSES.get(one.role, "browsing"),
    }


def test_who_knows_everything_scores_one(hidden: list[Hidden]) -> None:
    found = figures(hidden, {one.user_id: knowing(one) for one in hidden})
    assert len(found) == 7
    for figure in found:
        assert figure.learned == pytest.approx(1)
        assert 0 < figure.baseline < 1
        assert figure.users == len(hidden)


def test_who_takes_one_for_another_scores_less(hidden: list[Hidden]) -> None:
    others = [*hidden[1:], hidden[0]]
    found = figures(hidden, {one.user_id: knowing(other) for one, other in zip(hidden, others, strict=True)})
    assert all(figure.learned < 0.9 for figure in found if figure.name != "stage")


def test_hours_are_by_the_users_own_clock(hidden: list[Hidden]) -> None:
    abroad = next(one for one in hidden if one.hours != one.hours_utc)
    assert sorted(abroad.hours) == sorted(abroad.hours_utc)
    assert sum(abroad.hours) == pytest.approx(1)


def test_confidence_stands_beside_how_often_it_is_right(hidden: list[Hidden]) -> None:
    told = {one.user_id: knowing(one) for one in hidden}
    for one in hidden[::2]:
        for liking in told[one.user_id]["preferences"]:
            liking["value"] = {**liking["value"], "score": 1 - liking["value"]["score"]}
            liking["confidence"] = 0.1
    found = calibration(hidden, told)
    assert sum(figure.users for figure in found) == len(hidden)
    assert (found[0].learned, found[-1].learned) == (0, 1)
    assert found[0].baseline == pytest.approx(0.1)
    assert found[-1].baseline == pytest.approx(0.9)


def test_of_nobody_nothing_is_said() -> None:
    assert calibration([], {}) == []


def test_what_comes_next_is_measured_on_the_last_visits_alone() -> None:
    kinds = [["a", "b", "a", "b"], ["a", "c", "a", "c"]]
    visits = [Visit(str(number), kinds[number >= 80]) for number in range(100)]
    first, of_three = of_journeys(visits)
    assert first.users == 60
    assert first.learned == pytest.approx(1 / 3), "who learned from the others knows no c"
    assert of_three.baseline == of_three.learned == pytest.approx(1 / 3)
    alike = of_journeys([Visit(str(number), kinds[0]) for number in range(100)])
    assert [one.learned for one in alike] == [1, 1]
    assert of_journeys([]) == []
