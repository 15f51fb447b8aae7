"""Shares that are drawn by hashes come out as they are said, and so do the propensities of places."""

from collections import Counter
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.recommend.experiment import POOL, draw, place

ROUNDS = 40_000


@pytest.mark.parametrize("is_user", [True, False])
@pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
def test_so_many_are_held_out_as_should_be(share: float, is_user: bool) -> None:
    held_out = sum(draw(f"{n}", share, is_user=is_user) == "holdout" for n in range(ROUNDS))
    assert held_out / ROUNDS == pytest.approx(share, abs=4 * (share * (1 - share) / ROUNDS) ** 0.5)


@given(st.uuids(), st.floats(0.01, 0.5), st.floats(0.01, 0.5))
def test_a_larger_holdout_holds_whom_a_smaller_would(visitor: object, one: float, other: float) -> None:
    small, large = sorted((one, other))
    assert (draw(f"{visitor}", small), draw(f"{visitor}", large)) != ("holdout", "personal")


@pytest.mark.parametrize(("limit", "rest", "exploration"), [(5, 3, 0.03), (20, 20, 0.05), (100, 4, 0.03)])
def test_each_item_stands_in_each_place_as_often_as_its_propensity_says(
    limit: int, rest: int, exploration: float
) -> None:
    ranked = list(range(limit + rest))
    seen: Counter[tuple[int, int]] = Counter()
    said: dict[tuple[int, int], float] = {}
    for _ in range(ROUNDS):
        page = place(ranked, limit, exploration, str(uuid4()), 0)
        assert len({one.item for one in page}) == limit
        assert sum(one.is_explored for one in page) <= 1
        for position, one in enumerate(page):
            assert one.is_explored == (one.item >= limit)
            assert said.setdefault((position, one.item), one.propensity) == one.propensity
            seen[position, one.item] += 1
    explored = sum(count for (_, item), count in seen.items() if item >= limit)
    share = min(exploration, 1 / limit)
    assert explored / ROUNDS == pytest.approx(share * limit, abs=0.02)
    chi_square = sum(
        (seen[key] - ROUNDS * propensity) ** 2 / (ROUNDS * propensity) for key, propensity in said.items()
    )
    # Of limit * rest cells that are independent, nearly.
    cells = limit * rest
    assert chi_square < cells + 5 * (2 * cells) ** 0.5
    for position in range(limit):
        assert sum(p for (place_, _), p in said.items() if place_ == position) <= 1 + 1e-9


@given(st.integers(0, 30), st.integers(1, 30), st.floats(0, 0.1), st.uuids(), st.integers(0, 100))
def test_a_page_is_a_whole_one(ranked: int, limit: int, exploration: float, feed: object, first: int) -> None:
    page = place(list(range(ranked)), limit, exploration, f"{feed}", first)
    assert len(page) == min(ranked, limit)
    assert page == place(list(range(ranked)), limit, exploration, f"{feed}", first)
    for position, one in enumerate(page):
        assert 0 < one.propensity <= 1
        assert one.item >= limit if one.is_explored else one.item == position
    if ranked <= limit or not exploration:
        assert all(one.propensity == 1 for one in page)


def test_there_is_enough_of_a_rest() -> None:
    assert POOL >= 10
