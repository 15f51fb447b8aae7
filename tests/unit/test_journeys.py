"""The model of journeys: probabilities that are some, and grow with what speaks for them."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from footfall import journeys
from footfall.journeys import RARE, START, Model, context_of, discounts_of, learn

SYMBOLS = st.sampled_from("abcdef")
VISITS = st.lists(st.lists(SYMBOLS, max_size=8), min_size=1, max_size=40)
HISTORY = st.lists(SYMBOLS | st.just("never seen"), max_size=6)
# Enough to hold out some, so that order and strengths are found.
REPEATED = 12


def chain(order: int, visits: int, length: int = 12, pages: int = 12, seed: int = 3) -> list[list[str]]:
    """Visits in which the next page depends on the last `order` ones, and on nothing else."""
    source = random.Random(seed)
    follow: dict[tuple[str, ...], list[str]] = {}
    made: list[list[str]] = []
    for _ in range(visits):
        visit = [f"/{source.randrange(pages)}" for _ in range(order)]
        while len(visit) < length:
            before = tuple(visit[-order:])
            if before not in follow:
                follow[before] = [f"/{source.randrange(pages)}" for _ in range(3)]
            visit.append(source.choices(follow[before], (6, 3, 1))[0])
        made.append(visit)
    return made


def vocabulary(model: Model) -> Sequence[str]:
    return sorted(model.table.get((), ()))


class TestProbabilities:
    @given(visits=VISITS, history=HISTORY, repeated=st.sampled_from([1, REPEATED]))
    def test_sum_to_one_over_all_symbols(
        self, visits: list[list[str]], history: list[str], repeated: int
    ) -> None:
        model = learn(visits * repeated)
        if model.symbols:
            context = model.context(history)
            assert sum(model.probability(symbol, context) for symbol in vocabulary(model)) == pytest.approx(1)

    @given(visits=VISITS, history=HISTORY, repeated=st.sampled_from([1, REPEATED]))
    def test_of_answers_are_the_three_highest_ties_by_name(
        self, visits: list[list[str]], history: list[str], repeated: int
    ) -> None:
        """No candidate is missed, though most symbols are never looked at."""
        model = learn(visits * repeated)
        context = model.context(history)
        all_of_them = sorted((-model.probability(one, context), one) for one in vocabulary(model))
        assert [(-one.probability, one.action) for one in model.predict(history)] == all_of_them[:3]

    def test_are_those_of_the_paper(self) -> None:
        """Chen & Goodman's equations, reckoned by hand, with a strength of 1 beside each discount."""
        model = learn([["a", "b"], ["a", "b"], ["a", "c"]])
        first = (1 - 0.5 + (3 * 0.5 + 1) / 3) / (3 + 1)
        # Each of a, b and c stands behind one other symbol.
        assert model.probability("b", ()) == pytest.approx(first)
        after_a = (1 - 0.5 + (2 * 0.5 + 1) * first) / (2 + 1)
        assert model.probability("b", ("a",)) == pytest.approx(after_a)
        begun_with_a = (2 - 1.0 + (1.0 + 0.5 + 1) * after_a) / (3 + 1)
        assert model.probability("b", (START, "a")) == pytest.approx(begun_with_a)

    def test_grow_with_evidence(self) -> None:
        found = []
        for more in range(1, 30):
            model = learn([["a", "c"], *[["a", "b"]] * more])
            found.append(model.probability("b", model.context(["a"])))
        assert found == sorted(found)
        assert found[0] < 0.55
        assert 0.85 < found[-1] < 1

    def test_mean_what_they_say(self) -> None:
        """Of answers that are said to be right in so many of 100 cases, so many are."""
        visits = chain(2, 1_500)
        model = learn(visits[:1_000])
        said = hits = count = 0.0
        for visit in visits[1_000:]:
            for place in range(1, len(visit)):
                best = model.predict(visit[:place])[0]
                count, said, hits = (
                    count + 1,
                    said + best.probability,
                    hits + (best.action == visit[place]),
                )
        assert said / count == pytest.approx(hits / count, abs=0.02)


class TestContexts:
    def test_that_were_never_seen_give_way_to_shorter_ones(self) -> None:
        model = learn(chain(2, 50))
        after = model.table[(known := "/1",)]
        assert after
        history = ["never seen", known]
        assert model.context(history) == (known,)
        assert model.predict(history)[0].action in after
        assert model.context(["never seen"]) == ()
        assert model.predict([known, "never seen"]) == model.predict(["never seen"])

    def test_begin_with_the_visit(self) -> None:
        visits = [["in", "look", "in", "out"]] * 30
        model = learn(visits)
        assert model.predict([])[0].action == "in"
        assert model.predict(["in"])[0].action == "look"
        assert model.predict(["in", "look", "in"])[0].action == "out"

    def test_hold_no_more_than_the_order_asks_for(self) -> None:
        assert context_of([]) == (START,)
        assert context_of(["a", "b"], 4) == (START, "a", "b")
        assert context_of(["a", "b"], 3) == ("a", "b")
        assert context_of(["a", "b"], 2) == ("b",)

    @pytest.mark.parametrize("order", [1, 2, 3])
    def test_are_as_long_as_what_comes_next_depends_on(self, order: int) -> None:
        assert len(learn(chain(order, 800, pages=8)).levels) == order + 1


class TestDiscounts:
    def test_are_those_of_the_paper(self) -> None:
        # Ten n-grams seen once, six twice, three thrice, two four times; what is seen more has no part.
        counts = [1] * 10 + [2] * 6 + [3] * 3 + [4] * 2 + [50]
        followers = {str(number): count for number, count in enumerate(counts)}
        share = 10 / (10 + 2 * 6)
        expected = (1 - 2 * share * 6 / 10, 2 - 3 * share * 3 / 6, 3 - 4 * share * 2 / 3)
        assert discounts_of({("a",): followers}) == pytest.approx(expected)

    def test_are_usual_ones_where_counts_say_nothing(self) -> None:
        assert discounts_of({("a",): {"b": 7}}) == (0.5, 1.0, 1.5)
        # More threes than twos: the formula would give a count back more than was taken.
        counts = [1] + [2] + [3] * 20 + [4]
        assert discounts_of({("a",): {str(n): count for n, count in enumerate(counts)}}) == (0.5, 1.0, 1.5)


class TestModel:
    def test_counts_occurrences_at_the_beginning_and_after_the_longest_contexts(self) -> None:
        model = learn([["a", "b", "c"], ["a", "b", "c"], ["d", "b", "c"]])
        assert model.table[START,] == {"a": 2, "d": 1}
        assert model.table[START, "a"] == {"b": 2}
        assert model.table["a", "b"] == {"c": 2}
        # Elsewhere how many different symbols stood before.
        assert model.table["b",] == {"c": 2}
        assert model.table[()] == {"a": 1, "b": 2, "c": 1, "d": 1}

    def test_rests_on_the_visits_that_were_held_out_too(self) -> None:
        visits = [*chain(1, 100), ["the", "latest"]]
        assert learn(visits).table[START,]["the"] == 1

    def test_is_the_same_for_the_same_visits(self) -> None:
        visits = chain(2, 200)
        assert learn(visits) == learn([list(visit) for visit in visits])

    def test_of_nothing_answers_nothing(self) -> None:
        nothing: list[list[list[str]]] = [[], [[]], [[], []]]
        for visits in nothing:
            model = learn(visits)
            assert (model.predict([]), model.predict(["a"]), model.is_enough) == ((), (), False)

    def test_knows_how_many_visits_went_on(self) -> None:
        model = learn([["a"], ["a", "b"], [], ["b", "a", "a"]])
        assert (model.visits, model.symbols) == (2, 2)
        assert not model.is_enough
        assert learn([["a", "b"]] * journeys.ENOUGH_VISITS).is_enough
        assert not learn([["a", "b"]] * (journeys.ENOUGH_VISITS - 1) + [["a"]] * 100).is_enough

    def test_folds_rare_symbols_and_never_answers_with_them(self) -> None:
        visits = [["a", f"rare {number}", "b"] for number in range(50)] + [["b", "a"]] * 2
        model = learn(visits, 2)
        assert vocabulary(model) == [RARE, "a", "b"]
        assert model.probability(RARE, model.context(["a"])) > 0.5
        assert {answer.action for answer in model.predict(["a"])} == {"a", "b"}
        assert sum(model.probability(one, (START, "a")) for one in vocabulary(model)) == pytest.approx(1)

    def test_folds_by_name_where_symbols_are_as_frequent(self) -> None:
        assert vocabulary(learn([["c", "b", "a"]], 2)) == [RARE, "a", "b"]


def test_what_is_rare_is_one_also_where_it_comes_before() -> None:
    visits = [["a", f"rare {number}", "b", "c"] if number % 2 else ["a", "b", "e"] for number in range(400)]
    model = learn(visits, most_symbols=4)
    assert model.context(["a", "never seen", "b"])[-2:] == (RARE, "b")
    best = model.predict(["a", "never seen", "b"])[0]
    assert (best.action, best.probability > 0.9) == ("c", True)
