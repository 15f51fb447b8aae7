"""How good ranked answers are, with 95 % confidence intervals by bootstrap over visits."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import add, mul
from random import Random

BINS = 10
# Visits are drawn in this many groups at most, so that the time doesn't grow with the file.
GROUPS = 400
RESAMPLES = 1_000

# Answers, the most probable first, each with its probability.
Ranked = Sequence[tuple[str, float]]
Sums = list[float]
# Of a sum: predictions, first right, one of three right, Brier scores; then by bin probability and hits.
_COUNT, _FIRST, _THREE, _BRIER, _BINS = range(5)
WIDTH = _BINS + 2 * BINS


@dataclass(frozen=True, slots=True)
class Forecast:
    """Probabilities of all symbols: the three highest, each one's, and the sum of their squares."""

    ranked: Ranked
    probability: Callable[[str], float]
    squares: float


@dataclass(frozen=True, slots=True)
class Score:
    value: float
    low: float
    high: float


class Scores:
    """Of one predictor. Sums are kept by group of visits."""

    def __init__(self) -> None:
        self._groups = [[0.0] * WIDTH for _ in range(GROUPS)]

    def add(self, visit: int, truth: str, forecast: Forecast) -> None:
        """`visit` is any number that its predictions share."""
        sums = self._groups[visit % GROUPS]
        symbols = [symbol for symbol, _ in forecast.ranked]
        probability = forecast.ranked[0][1]
        is_right = symbols[0] == truth
        place = _BINS + 2 * min(int(probability * BINS), BINS - 1)
        sums[_COUNT] += 1
        sums[_FIRST] += is_right
        sums[_THREE] += truth in symbols
        sums[_BRIER] += 1 - 2 * forecast.probability(truth) + forecast.squares
        sums[place] += probability
        sums[place + 1] += is_right

    @property
    def predictions(self) -> int:
        return int(sum(sums[_COUNT] for sums in self._groups))

    def scores(self) -> dict[str, Score]:
        """By name, each 0 to 1 but the Brier score, 0 to 2.

        top1 and top3 are shares that were right, 1 is best. Of the others 0 is best: brier is the squared
        error of all symbols' probabilities, ece how far the first answer's is from its share of hits.
        """
        groups = [sums for sums in self._groups if sums[_COUNT]]
        values = _measures(_total(groups))
        drawn = [_measures(sums) for sums in _resampled(groups)]
        return {
            name: Score(value, *_interval([one[name] for one in drawn])) for name, value in values.items()
        }


def _measures(sums: Sums) -> dict[str, float]:
    count = sums[_COUNT]
    bins = zip(sums[_BINS::2], sums[_BINS + 1 :: 2], strict=True)
    return {
        "top1": sums[_FIRST] / count,
        "top3": sums[_THREE] / count,
        "brier": sums[_BRIER] / count,
        "ece": sum(abs(expected - seen) for expected, seen in bins) / count,
    }


def _total(groups: Sequence[Sums]) -> Sums:
    total = [0.0] * WIDTH
    for sums in groups:
        total = list(map(add, total, sums))
    return total


def _resampled(groups: Sequence[Sums]) -> Iterator[Sums]:
    # The same draws for every predictor, so that they can be compared.
    source = Random(1)  # noqa: S311
    columns = list(zip(*groups, strict=True))
    for _ in repeat(None, RESAMPLES):
        times = [0] * len(groups)
        for place in source.choices(range(len(groups)), k=len(groups)):
            times[place] += 1
        yield [sum(map(mul, times, column)) for column in columns]


def _interval(values: Sequence[float]) -> tuple[float, float]:
    ordered = sorted(values)
    return ordered[int(len(ordered) * 0.025)], ordered[int(len(ordered) * 0.975)]


def as_json(scores: Mapping[str, Score]) -> dict[str, dict[str, float]]:
    """Rounded to what the number of predictions can tell apart."""
    return {
        name: {"value": round(one.value, 4), "low": round(one.low, 4), "high": round(one.high, 4)}
        for name, one in scores.items()
    }
