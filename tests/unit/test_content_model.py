"""What belongs together and what counts, against formulas written out, and on made-up catalogues."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from footfall.signals import PRIOR, SIGNALS
from functions.analyze import neighbours
from functions.analyze.blending import Meetings, Replay
from functions.analyze.content import MOST_FOR_EASE, most_for_ease
from functions.analyze.training import learn, train

MEETINGS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 7)), min_size=1, max_size=60)


def arrays(met: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    visitors, items = zip(*met, strict=True)
    return np.array(visitors, np.int64), np.array(items, np.int64)


def firsts(met: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return list(dict.fromkeys(met))


@settings(deadline=None, max_examples=60)
@given(MEETINGS)
def test_first_meetings_are_those_a_loop_finds(met: list[tuple[int, int]]) -> None:
    places = neighbours.first_meetings(*arrays(met))
    assert [met[place] for place in places] == firsts(met)


@settings(deadline=None, max_examples=60)
@given(MEETINGS)
def test_what_followed_is_counted_as_by_hand(met: list[tuple[int, int]]) -> None:
    found = neighbours.followed(*arrays(firsts(met)), 8).toarray()
    expected = np.zeros((8, 8))
    for visitor in range(6):
        steps = [item for who, item in firsts(met) if who == visitor]
        for a, b in combinations(range(len(steps)), 2):
            if b - a <= neighbours.WINDOW:
                expected[steps[a], steps[b]] += neighbours.STEP ** (b - a - 1)
    assert found == pytest.approx(expected, rel=1e-5)


@settings(deadline=None, max_examples=30)
@given(MEETINGS, st.randoms())
def test_the_model_depends_on_each_visitors_order_alone(met: list[tuple[int, int]], source: object) -> None:
    """Visitors may come in any order, and a meeting any number of times again."""
    steps: dict[int, list[tuple[int, int]]] = {}
    for who, what in firsts(met):
        steps.setdefault(who, []).append((who, what))
    others = list(steps.values())
    source.shuffle(others)  # type: ignore[attr-defined]
    moved = [one for each in others for one in each]
    again = [*moved, *moved]
    places = neighbours.first_meetings(*arrays(again))
    assert [again[place] for place in places] == moved
    one, other = (neighbours.followed(*arrays(each), 8).toarray() for each in (firsts(met), moved))
    assert one == pytest.approx(other, rel=1e-5)


def matrix(met: list[tuple[int, int]]) -> np.ndarray:
    found = np.zeros((6, 8))
    for who, what in met:
        found[who, what] = 1
    return found


@settings(deadline=None, max_examples=30)
@given(MEETINGS)
def test_ease_is_its_closed_formula(met: list[tuple[int, int]]) -> None:
    found = neighbours.ease(*arrays(firsts(met)), 8).toarray()
    met_by = matrix(met)
    inverse = np.linalg.inv(met_by.T @ met_by + neighbours.RIDGE * np.eye(8))
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0)
    assert found == pytest.approx(np.maximum(expected, 0), abs=1e-5)


def test_ease_is_the_same_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    source = np.random.default_rng(1)
    visitors, items = source.integers(0, 80, 900), source.integers(0, 37, 900)
    places = neighbours.first_meetings(visitors, items)
    whole = neighbours.ease(visitors[places], items[places], 37).toarray()
    monkeypatch.setattr(neighbours, "BLOCK", 5)
    in_blocks = neighbours.ease(visitors[places], items[places], 37).toarray()
    assert whole == pytest.approx(in_blocks, abs=1e-5)
    assert whole.any()


@settings(deadline=None, max_examples=30)
@given(MEETINGS)
def test_rp3beta_is_a_walk_of_two_steps(met: list[tuple[int, int]]) -> None:
    found = neighbours.rp3beta(*arrays(firsts(met)), 8).toarray()
    met_by = matrix(met)
    popular = met_by.sum(axis=0)
    known, active = met_by.sum(axis=1) > 0, popular > 0
    walk = np.zeros((8, 8))
    there = (met_by[known] / met_by[known].sum(axis=1, keepdims=True))[:, active] * popular[
        active
    ] ** -neighbours.BETA
    walk[np.ix_(active, active)] = (met_by[known][:, active] / popular[active]).T @ there
    np.fill_diagonal(walk, 0)
    assert found == pytest.approx(walk, rel=1e-4, abs=1e-6)


def test_a_hundred_neighbours_are_kept_the_greatest() -> None:
    weights = np.random.default_rng(2).random((3, 400)).astype(np.float32)
    import scipy.sparse as sp

    found = neighbours.pruned(sp.csr_matrix(weights)).toarray()
    for row, kept in zip(weights, found, strict=True):
        assert set(np.flatnonzero(kept)) == set(np.argsort(row)[-neighbours.KEEP :])


def test_ease_is_taken_where_its_matrix_fits() -> None:
    assert most_for_ease(2 * 2**30) < 20_000 < most_for_ease(4 * 2**30)
    assert most_for_ease(64 * 2**30) == MOST_FOR_EASE


def lived(visitors: list[int], items: list[int], seconds: list[float], many: int) -> Meetings:
    times = np.array(seconds, np.float64)
    born = np.full(many, times[0] if len(times) else 0.0)
    for item, at in zip(reversed(items), reversed(seconds), strict=True):
        born[item] = at
    return Meetings(np.array(visitors), np.array(items), times, np.zeros(many, np.int64), born)


def share(weights: list[float], *names: str) -> float:
    learned = dict(zip(SIGNALS, weights, strict=True))
    everything = sum(value for name, value in learned.items() if name not in {"type", "attribute", "author"})
    return sum(learned[name] for name in names) / everything


def trending_catalogue(seed: int) -> Meetings:
    """Each day six other items rise, whoever comes."""
    source = np.random.default_rng(seed)
    visitors, items, seconds = [], [], []
    for day in range(40):
        for at in np.sort(source.random(120)):
            visitors.append(int(source.integers(0, 300)))
            items.append(
                int(6 * day + source.integers(0, 6))
                if source.random() < 0.9
                else int(source.integers(0, 6 * day + 6))
            )
            seconds.append(86_400.0 * (day + at))
    return lived(visitors, items, seconds, 240)


def circles_catalogue(seed: int) -> Meetings:
    """Visitors keep to one of ten circles of items, which are as old and as popular as each other."""
    source = np.random.default_rng(seed)
    visitors = source.integers(0, 300, 5_000).tolist()
    items = [int(visitor % 10 * 30 + source.integers(0, 30)) for visitor in visitors]
    seconds = (np.sort(source.random(5_000)) * 40 * 86_400).tolist()
    known = lived(visitors, items, seconds, 300)
    known.born[:] = seconds[0]
    return known


def test_where_trending_wins_trending_counts() -> None:
    trained = train(trending_catalogue(3), MOST_FOR_EASE)
    assert trained.choices > 100
    assert share(trained.weights, *(name for name in SIGNALS if name.startswith(("trend", "newest")))) > 0.7
    assert all(weight >= 0 for weight in trained.weights)


def test_where_circles_keep_to_themselves_neighbours_count() -> None:
    trained = train(circles_catalogue(4), MOST_FOR_EASE)
    assert share(trained.weights, "next", "before", "alike", "live") > 0.7
    # Of who is a stranger nothing is known of circles.
    assert trained.cold_weights != trained.weights


def test_weights_rest_on_earlier_data_alone() -> None:
    """What comes after the last meeting that was given can't be known; of too little the prior stays."""
    few = lived([0, 1], [0, 1], [0.0, 1.0], 2)
    assert train(few, MOST_FOR_EASE).weights == list(PRIOR)
    assert train(lived([], [], [], 0), MOST_FOR_EASE).weights == list(PRIOR)


def test_a_replay_that_begins_later_knows_the_same() -> None:
    known = circles_catalogue(5)
    nothing = learn(known, "ease")
    begun, lived_through = Replay(known, nothing, 4_000), Replay(known, nothing, 0)
    for place in range(4_000):
        lived_through.meet(place)
    for place in range(4_000, 4_040):
        one, other = begun.choice(place), lived_through.choice(place)
        assert (one is None) == (other is None)
        if one and other:
            assert one.shares == pytest.approx(other.shares, rel=1e-6, abs=1e-9)
        begun.meet(place)
        lived_through.meet(place)
