"""How much each signal of a feed counts here: learned by replaying what visitors really met next.

The neighbours come from before the replayed time. Each replayed first meeting is a choice among what rises,
is new, or belongs to the visitor's latest: the weights are those that make the choices most likely (a
conditional logit with weights of at least 0, drawn to the prior where the evidence is thin).
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.optimize import minimize

from footfall import signals
from footfall.signals import FLOOR, HALF_LIVES, PRIOR, SIGNALS

Array = np.ndarray[Any, Any]

# So many of the latest first meetings are replayed, of which so many are looked at as choices.
REPLAYED, CHOICES = 6_000, 1_000
# The best of each signal are the candidates.
BEST = 40
# How many choices the prior is worth.
PRIOR_STRENGTH = 3.0
# Who met what lately is told from so many of the latest.
LATELY = 20_000
# 2 to the power of this is as far as a double reaches comfortably.
FAR = 500.0


@dataclass(frozen=True, slots=True)
class Meetings:
    """Interactions in the order of time: visitors and items by number from 0, times in seconds.

    Of each item its type, by number, and when it was first there.
    """

    visitors: Array
    items: Array
    times: Array
    types: Array
    born: Array


@dataclass(frozen=True, slots=True)
class Neighbours:
    next: sp.csr_matrix
    before: sp.csr_matrix
    alike: sp.csr_matrix


@dataclass(frozen=True, slots=True)
class Choice:
    """The signals of some candidates (signals x candidates), and which one was met."""

    shares: Array
    truth: int


class Replay:
    """What was known at a time: it goes on meeting by meeting."""

    def __init__(self, known: Meetings, neighbours: Neighbours, until: int) -> None:
        self._known = known
        self._neighbours = neighbours
        many = len(known.types)
        self._half_lives = np.array(HALF_LIVES) * 3600.0
        self._reference = float(known.times[max(until - 1, 0)]) if len(known.times) else 0.0
        self._trends = np.zeros((len(HALF_LIVES), many))
        self._last: dict[tuple[int, int], float] = {}
        self._histories: dict[int, dict[int, None]] = {}
        self._steps: dict[int, list[int]] = {}
        self._visits: dict[int, deque[tuple[int, int]]] = {}
        self._is_known = np.zeros(many, bool)
        self._is_known[known.items[:until]] = True
        self._begin(until)

    def _begin(self, until: int) -> None:
        """What `meet` would leave of all before, as far as it is asked for later."""
        visitors, items = self._known.visitors[:until], self._known.items[:until]
        times, many = self._known.times[:until], len(self._known.types)
        last = until - 1 - np.unique((visitors * many + items)[::-1], return_index=True)[1]
        for number, half_life in enumerate(self._half_lives):
            faded = np.exp2((times[last] - self._reference) / half_life)
            self._trends[number] = np.bincount(items[last], weights=faded, minlength=many)
        for place in np.flatnonzero(np.isin(visitors, self._known.visitors[until:])).tolist():
            self._note_own(place)
        for place in range(max(until - LATELY, 0), until):
            self._note_step(place)

    def meet(self, place: int) -> None:
        who, what = int(self._known.visitors[place]), int(self._known.items[place])
        now = float(self._known.times[place])
        if now - self._reference > FAR * self._half_lives[0]:
            self._trends *= np.exp2((self._reference - now) / self._half_lives)[:, None]
            self._reference = now
        before = self._last.get((who, what))
        if before is not None:
            self._trends[:, what] -= np.exp2((before - self._reference) / self._half_lives)
        self._trends[:, what] += np.exp2((now - self._reference) / self._half_lives)
        self._is_known[what] = True
        self._note_own(place)
        self._note_step(place)

    def _note_own(self, place: int) -> None:
        who, what = int(self._known.visitors[place]), int(self._known.items[place])
        self._last[who, what] = float(self._known.times[place])
        history = self._histories.setdefault(who, {})
        history.pop(what, None)
        history[what] = None

    def _note_step(self, place: int) -> None:
        who, what = int(self._known.visitors[place]), int(self._known.items[place])
        steps = self._steps.setdefault(who, [])
        steps.append(what)
        self._visits.setdefault(what, deque(maxlen=signals.LIVE_VISITORS)).append((who, len(steps)))

    def is_first(self, place: int) -> bool:
        return (int(self._known.visitors[place]), int(self._known.items[place])) not in self._last

    def choice(self, place: int) -> Choice | None:
        """None where what was met next is no candidate."""
        who, what = int(self._known.visitors[place]), int(self._known.items[place])
        if not self._is_known[what]:
            return None
        history = self._histories.get(who, {})
        eligible = self._is_known.copy()
        eligible[list(history)] = False
        places = np.flatnonzero(eligible)
        values = self._signals(
            list(history)[: -signals.SEEDS - 1 : -1], who, float(self._known.times[place])
        )[:, places]
        best = [places_of(row) for row in values if row.any()]
        candidates = np.unique(np.concatenate([*best, np.zeros(0, np.int64)])).astype(np.int64)
        truth = np.flatnonzero(places[candidates] == what)
        if not len(truth):
            return None
        values = values[:, candidates]
        return Choice(values / np.maximum(values.max(axis=1, keepdims=True), 1e-300), int(truth[0]))

    def _signals(self, seeds: list[int], who: int, now: float) -> Array:
        """Of every item, as the serving SQL has them, before the share of the strongest is taken."""
        many = len(self._known.types)
        found = np.zeros((len(SIGNALS), many))
        found[: len(HALF_LIVES)] = np.maximum(self._trends, 0)
        ages = np.maximum(now - self._known.born, 0.0)
        open_to = self._is_known.copy()
        open_to[list(self._histories.get(who, {}))] = False
        youngest = (
            np.partition(ages[open_to], min(9, open_to.sum() - 1))[:10].max() if open_to.any() else 60.0
        )
        young = max(float(youngest), 60.0)
        found[_NEWEST] = young / (young + ages)
        if seeds:
            order = np.arange(len(seeds))
            near, far = 0.5 ** (order / signals.NEXT_FADES), 0.5 ** (order / signals.ALIKE_FADES)
            found[_NEXT] = near @ self._neighbours.next[seeds]
            found[_BEFORE] = near @ self._neighbours.before[seeds]
            found[_ALIKE] = far @ self._neighbours.alike[seeds]
            for item, weight in self._live(seeds, who):
                found[_LIVE, item] += weight
            share = np.bincount(self._known.types[seeds], minlength=self._known.types.max() + 1) / len(seeds)
            found[_TYPE] = share[self._known.types]
        return found

    def _live(self, seeds: list[int], who: int) -> Iterator[tuple[int, float]]:
        for place, seed in enumerate(seeds[: signals.LIVE_SEEDS]):
            weight = 0.5 ** (place / signals.LIVE_FADES)
            for other, step in self._visits.get(seed, ()):
                if other != who:
                    for item in self._steps[other][step : step + signals.LIVE_NEXT]:
                        yield item, weight


_NEWEST, _NEXT, _BEFORE, _ALIKE, _LIVE, _TYPE = (
    SIGNALS.index(name) for name in ("newest", "next", "before", "alike", "live", "type")
)


def places_of(row: Array) -> Array:
    """Of the greatest."""
    if len(row) <= BEST:
        return np.arange(len(row))
    return np.argpartition(row, -BEST)[-BEST:]


def choices(known: Meetings, neighbours: Neighbours, cut: int) -> list[Choice]:
    """What visitors met for the first time from `cut` on, among what there was."""
    replay = Replay(known, neighbours, cut)
    # As many as there may be, spread evenly.
    step = max(1, -(-(len(known.times) - cut) // CHOICES))
    found: list[Choice] = []
    firsts = 0
    for place in range(cut, len(known.times)):
        if replay.is_first(place):
            firsts += 1
            if firsts % step == 0 and (choice := replay.choice(place)) is not None:
                found.append(choice)
        replay.meet(place)
    return found


def as_a_stranger(choice: Choice) -> Choice:
    """The same choice of a visitor of whom nothing is known."""
    shares = choice.shares.copy()
    shares[[_NEXT, _BEFORE, _ALIKE, _LIVE, _TYPE]] = 0
    return Choice(shares, choice.truth)


def weights(found: list[Choice]) -> Array:
    """One weight of each signal; the prior where nothing was found."""
    prior = np.array(PRIOR)
    if not found:
        return prior
    most = max(choice.shares.shape[1] for choice in found)
    gains = np.full((len(found), len(PRIOR), most), 0.0, np.float32)
    absent = np.zeros((len(found), most), np.float32)
    for number, choice in enumerate(found):
        many = choice.shares.shape[1]
        gains[number, :, :many] = np.log((FLOOR + choice.shares) / FLOOR)
        absent[number, many:] = -np.inf
    truths = np.array([choice.truth for choice in found])
    chosen = gains[np.arange(len(found)), :, truths].astype(np.float64)

    def loss(tried: Array) -> tuple[float, Array]:
        score = np.einsum("k,nkc->nc", tried.astype(np.float32), gains) + absent
        score -= score.max(axis=1, keepdims=True)
        odds = np.exp(score)
        total = odds.sum(axis=1, keepdims=True)
        expected = np.einsum("nkc,nc->nk", gains, odds / total)
        away = tried - prior
        value = (
            -(score[np.arange(len(found)), truths] - np.log(total[:, 0])).sum() + PRIOR_STRENGTH * away @ away
        )
        slope = (expected - chosen).sum(axis=0) + 2 * PRIOR_STRENGTH * away
        return float(value) / len(found), slope / len(found)

    bounds = [(0.0, None)] * len(prior)
    done = minimize(loss, prior, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60})
    found_weights: Array = np.round(done.x, 6)
    return found_weights
