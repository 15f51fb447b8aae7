"""What the holdout tells: rates of visitors who were drawn at random, compared with honest uncertainty.

A visitor is shown many items and one visitor's clicks are alike, so the variance of a rate is that of a
ratio of sums over visitors (the delta method: Deng, Knoblich & Lu, KDD 2018, 3.1). Where the holdout's share
was changed, visitors weigh by how improbable their arm was, as else those of one time would stand for those
of another. An interval of a quotient is that of its logarithm, by Student's t. Its degrees of freedom are a
quarter of the visitors who clicked in the smaller arm: Satterthwaite's 2n / (kurtosis - 1) for clicks with
the tail of an exponential, as who never clicks tells little of the variance. Whether as many were held out
as should be is a chi-square test at 0.001, as a wrong ratio makes all else wrong (Fabijan et al., KDD 2019).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal

Sums = Mapping[str, Any]
Verdict = Literal["nothing_shown", "too_thin", "ratio_mismatch", "better", "worse", "no_difference"]

CONFIDENCE = 0.95
POWER = 0.8
# Below these the logarithm of a rate isn't near enough to normal.
MIN_VISITORS, MIN_CLICKING = 100, 30
MISMATCH_BELOW = 0.001
# What it takes to see so large a difference is said where none is seen.
WORTH_SEEING = 0.1
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Rate:
    """`error`: its standard error."""

    value: float
    error: float

    @property
    def relative_error(self) -> float:
        return self.error / self.value if self.value else math.inf


@dataclass(frozen=True, slots=True)
class Arm:
    """What came of an arm: `visitors` were drawn, `active` were shown something, `clicking` clicked."""

    visitors: int
    active: int
    clicking: int
    impressions: int
    clicks: int
    click_through: Rate
    engagement: Rate

    @property
    def is_enough(self) -> bool:
        return self.active >= MIN_VISITORS and self.clicking >= MIN_CLICKING


@dataclass(frozen=True, slots=True)
class Uplift:
    """Of a rate over the holdout's: 0.1 is a tenth more; with its interval, and what that rests on."""

    value: float
    low: float
    high: float
    error: float
    reach: float

    @property
    def verdict(self) -> Verdict:
        return "better" if self.low > 0 else "worse" if self.high < 0 else "no_difference"

    @property
    def detectable(self) -> float:
        """The smallest uplift that so much evidence would show four times of five."""
        return math.expm1((self.reach + _NORMAL.inv_cdf(POWER)) * self.error)

    @property
    def times_more(self) -> float:
        """How many times the evidence it takes to detect WORTH_SEEING, 1 at least."""
        needed = math.log1p(WORTH_SEEING) / (self.reach + _NORMAL.inv_cdf(POWER))
        return max((self.error / needed) ** 2, 1.0)


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """How many were held out, of how many that should be; None: too few to tell."""

    held_out: int
    expected: float
    chi_square: float | None
    p_value: float | None

    @property
    def is_wrong(self) -> bool:
        return self.p_value is not None and self.p_value < MISMATCH_BELOW


@dataclass(frozen=True, slots=True)
class Strategy:
    """`against_expected`: clicks for each that the same places get on average; intervals None: too thin."""

    name: str
    shown: int
    clicked: int
    click_through: float
    click_through_interval: tuple[float, float] | None
    against_expected: float | None
    against_expected_interval: tuple[float, float] | None


def degrees_of(clicking: int) -> int:
    return max(clicking // 4, 1)


def quantile(degrees: int, confidence: float = CONFIDENCE) -> float:
    """How many standard errors an interval reaches: Student's t (Abramowitz & Stegun 26.7.5)."""
    z = _NORMAL.inv_cdf((1 + confidence) / 2)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / degrees + second / degrees**2 + third / degrees**3


def arm(name: str, groups: Iterable[Sums]) -> Arm:
    """Of the sums of one arm, a group for each share that the holdout had."""
    groups = [one for one in groups if one["arm"] == name]
    weights = [
        1 / (one["holdout_share"] if name == "holdout" else 1 - one["holdout_share"]) for one in groups
    ]
    visitors, active = _total(groups, "visitors"), _total(groups, "active")

    def weighed(*names: str) -> list[float]:
        return [sum(w * (one.get(key) or 0) for w, one in zip(weights, groups, strict=True)) for key in names]

    def spread(ratio: float, top: str, both: str, bottom: str) -> Any:
        """Sum of the squares of top - ratio * bottom, each visitor's by its weight squared."""
        return sum(
            w
            * w
            * ((one.get(top) or 0) - 2 * ratio * (one.get(both) or 0) + ratio**2 * (one.get(bottom) or 0))
            for w, one in zip(weights, groups, strict=True)
        )

    shown, clicked, engagement, drawn = weighed("shown", "clicked", "engagement", "visitors")
    through = clicked / shown if shown else 0.0
    each = engagement / drawn if drawn else 0.0
    return Arm(
        visitors,
        active,
        _total(groups, "clicking"),
        _total(groups, "shown"),
        _total(groups, "clicked"),
        _rate(through, spread(through, "clicked_clicked", "shown_clicked", "shown_shown"), shown, active),
        _rate(each, spread(each, "engagement_engagement", "engagement", "visitors"), drawn, visitors),
    )


def uplift(of: Rate, over: Rate, degrees: int) -> Uplift:
    ratio, error = math.log(of.value / over.value), math.hypot(of.relative_error, over.relative_error)
    reach = quantile(degrees)
    low, high = math.expm1(ratio - reach * error), math.expm1(ratio + reach * error)
    return Uplift(math.expm1(ratio), low, high, error, reach)


def sample_ratio(groups: Sequence[Sums]) -> SampleRatio:
    """Whether as many were held out as the shares say, also where these changed."""
    held_out = _total((one for one in groups if one["arm"] == "holdout"), "visitors")
    expected = sum(one["visitors"] * one["holdout_share"] for one in groups)
    variance = sum(one["visitors"] * one["holdout_share"] * (1 - one["holdout_share"]) for one in groups)
    if variance < MIN_CLICKING / 2:
        return SampleRatio(held_out, expected, None, None)
    chi_square = (held_out - expected) ** 2 / variance
    return SampleRatio(held_out, expected, chi_square, math.erfc(math.sqrt(chi_square / 2)))


def strategies(rows: Sequence[Sums]) -> tuple[list[Strategy], str | None]:
    """Each, the best first, and the one that is better than every other if there is one.

    The intervals of all hold at once (Bonferroni), so that the luckiest of many isn't taken for the best.
    """
    confidence = 1 - (1 - CONFIDENCE) / max(len(rows), 1)
    found = sorted(
        (_strategy(row, confidence) for row in rows), key=lambda one: (-(one.against_expected or 0), one.name)
    )
    first, *others = [one.against_expected_interval for one in found] or [None]
    is_best = bool(others) and first is not None and all(other and first[0] > other[1] for other in others)
    return found, found[0].name if is_best else None


def _strategy(row: Sums, confidence: float) -> Strategy:
    shown, clicked, expected, active = row["shown"], row["clicked"], row["expected"], row["active"]
    through = clicked / shown
    is_enough = active >= MIN_VISITORS and row["clicking"] >= MIN_CLICKING
    reach = quantile(degrees_of(int(row["clicking"])), confidence)
    squares = row["clicked_clicked"] - 2 * through * row["shown_clicked"] + through**2 * row["shown_shown"]
    rate = _rate(through, squares, shown, active)
    against = clicked / expected if expected else None
    bounds = None
    if against is not None:
        squares = row["clicked_clicked"] - 2 * against * row["expected_clicked"]
        squares += against**2 * row["expected_expected"]
        bounds = _bounds(_rate(against, squares, expected, active), reach)
    return Strategy(
        row["strategy"],
        int(shown),
        int(clicked),
        through,
        _bounds(rate, reach) if is_enough else None,
        against,
        bounds if is_enough else None,
    )


def _bounds(rate: Rate, reach: float) -> tuple[float, float]:
    factor = math.exp(reach * rate.relative_error)
    return rate.value / factor, rate.value * factor


def _rate(value: float, squares: float, total: float, visitors: int) -> Rate:
    if visitors < 2 or not total:
        return Rate(value, math.inf)
    return Rate(value, math.sqrt(max(squares, 0.0) * visitors / (visitors - 1)) / total)


def _total(groups: Iterable[Sums], name: str) -> int:
    return int(sum(one.get(name) or 0 for one in groups))
