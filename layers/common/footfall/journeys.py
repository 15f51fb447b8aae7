"""What comes next in a visit, with probabilities: interpolated Kneser-Ney over the symbols before it.

The model is modified Kneser-Ney (Chen & Goodman 1998, "An Empirical Study of Smoothing Techniques for
Language Modeling"), each order with a strength beside its discounts, as in its Bayesian form (Teh 2006, "A
Bayesian Interpretation of Interpolated Kneser-Ney"): a context seen seldom says little, and how little is
learned. Order and strengths are those under which the latest visits surprise least, given the ones before.

What analyze learns, recommend predicts by, and `make evaluate-journeys` measures, is this code. Everything is
deterministic; ties go by name.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

# Stands before a visit's first symbol. No symbol is blank.
START = ""
# Stands for all symbols beyond the most frequent ones; it is learned, and never an answer.
RARE = " "
# So many of a user's latest activities are looked at; so long a silence ends a visit.
RECENT = 20
SILENCE = timedelta(minutes=30)
# Of fewer visits that go on after their first activity there isn't enough to predict from.
ENOUGH_VISITS = 20

ORDERS = (2, 3, 4)
USUAL_ORDER = 3
STRENGTHS = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
USUAL_STRENGTH = 1.0
HELD_OUT = 0.2
LEAST_HELD_OUT, MOST_HELD_OUT = 50, 20_000

# The symbols before one, the latest last; at a visit's beginning it begins with START.
Context = tuple[str, ...]
Followers = dict[str, int]
Table = dict[Context, Followers]
# Of what was counted once, twice, and more often.
Discounts = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Answer:
    action: str
    probability: float


@dataclass(frozen=True, slots=True)
class Level:
    """How the contexts of one length are weighed against the shorter ones."""

    discounts: Discounts
    strength: float

    def discount(self, count: int) -> float:
        return self.discounts[min(count, 3) - 1] if count else 0.0

    def freed(self, followers: Followers) -> float:
        """What all discounts of a context leave for the shorter one."""
        return sum(map(self.discount, followers.values()))


@dataclass(frozen=True, slots=True)
class Model:
    """`table` may hold a part of the contexts: a prediction needs those that its history ends with.

    The counts of the longest contexts, and of those at a visit's beginning, are occurrences; of the others,
    the number of different symbols that stood before.
    """

    levels: tuple[Level, ...]
    symbols: int
    visits: int
    table: Mapping[Context, Followers]
    _answers: dict[Context, tuple[Answer, ...]] = field(default_factory=dict, compare=False, repr=False)
    _weights: dict[Context, tuple[float, float]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def is_enough(self) -> bool:
        return self.visits >= ENOUGH_VISITS

    def context(self, history: Sequence[str]) -> Context:
        """The longest known context that the symbols of a visit end with."""
        known = self.table.get((), {})
        context = tuple(
            one if one in known or one == START else RARE for one in context_of(history, len(self.levels))
        )
        while context not in self.table and context:
            context = context[1:]
        return context

    def predict(self, history: Sequence[str]) -> tuple[Answer, ...]:
        """The three most probable next symbols of a visit; fewer where fewer are known."""
        return self._best(self.context(history)) if self.table else ()

    def probability(self, symbol: str, context: Context) -> float:
        """Of one symbol after a context; those of all known symbols sum to 1."""
        if not context:
            shorter = 1 / self.symbols
        else:
            shorter = self.probability(symbol, context[1:])
            if context not in self.table:
                return shorter
        level, followers = self.levels[len(context)], self.table[context]
        total, freed = self._weigh(context)
        count = followers.get(symbol, 0)
        return (count - level.discount(count) + freed * shorter) / total

    def _best(self, context: Context) -> tuple[Answer, ...]:
        """Whatever never followed a context keeps the rank that it has after the shorter one."""
        if (known := self._answers.get(context)) is not None:
            return known
        if context and context not in self.table:
            return self._best(context[1:])
        candidates = self.table[context].keys() - {RARE}
        if context:
            candidates |= {answer.action for answer in self._best(context[1:])}
        ranked = sorted((-self.probability(symbol, context), symbol) for symbol in candidates)
        best = tuple(Answer(symbol, -minus) for minus, symbol in ranked[:3])
        self._answers[context] = best
        return best

    def _weigh(self, context: Context) -> tuple[float, float]:
        """Of a context: what its counts are divided by, and how much of that the shorter one shares out."""
        if (known := self._weights.get(context)) is not None:
            return known
        level, followers = self.levels[len(context)], self.table[context]
        weights = (
            sum(followers.values()) + level.strength,
            level.freed(followers) + level.strength,
        )
        self._weights[context] = weights
        return weights


def context_of(history: Sequence[str], order: int = ORDERS[-1]) -> Context:
    """What a model of that order, 2 or more, looks at."""
    return tuple([START, *history[1 - order :]][1 - order :])


def learn(visits: Sequence[Sequence[str]], most_symbols: int = 10_000) -> Model:
    """The model of visits, given in the order of their beginning; the rarest symbols are one."""
    frequent = _frequent(visits, most_symbols)
    if not frequent:
        return Model((), 0, 0, {})
    folded = [[symbol if symbol in frequent else RARE for symbol in visit] for visit in visits]
    going_on = sum(len(visit) > 1 for visit in visits)
    before = len(folded) - int(len(folded) * HELD_OUT)
    counted = _Counted(ORDERS[-1])
    counted.add(folded[:before])
    strengths = _fit(counted, list(_held_out(folded[before:])))
    counted.add(folded[before:])
    tables = counted.tables(len(strengths))
    levels = tuple(map(Level, map(discounts_of, tables), strengths))
    return Model(
        levels,
        len(counted.occurrences[0][()]),
        going_on,
        {context: followers for table in tables for context, followers in table.items()},
    )


def discounts_of(table: Mapping[Context, Followers]) -> Discounts:
    """By how many n-grams were counted once to four times; where that says nothing, 0.5, 1 and 1.5."""
    times = Counter(count for followers in table.values() for count in followers.values() if count <= 4)
    usual = (0.5, 1.0, 1.5)
    if not all(times[count] for count in (1, 2, 3, 4)):
        return usual
    share = times[1] / (times[1] + 2 * times[2])
    first, second, more = (n - (n + 1) * share * times[n + 1] / times[n] for n in (1, 2, 3))
    return (first, second, more) if first >= 0 and second >= 0 and more >= 0 else usual


class _Counted:
    """How often each symbol followed each context, up to a length."""

    def __init__(self, order: int) -> None:
        self.occurrences: list[Table] = [{} for _ in range(order)]

    def add(self, visits: Sequence[Sequence[str]]) -> None:
        for visit in visits:
            symbols = (START, *visit)
            for place in range(1, len(symbols)):
                symbol = symbols[place]
                for length in range(min(place + 1, len(self.occurrences))):
                    followers = self.occurrences[length].setdefault(symbols[place - length : place], {})
                    followers[symbol] = followers.get(symbol, 0) + 1

    def tables(self, order: int) -> list[Table]:
        """What a model of that order rests on, by the contexts' length."""
        shorter = [self._different(length) for length in range(order - 1)]
        return [*shorter, self.occurrences[order - 1]]

    def _different(self, length: int) -> Table:
        # Nothing stands before a visit's beginning, so there the occurrences count.
        table = {
            context: followers
            for context, followers in self.occurrences[length].items()
            if context and context[0] == START
        }
        for context, followers in self.occurrences[length + 1].items():
            counts = table.setdefault(context[1:], {})
            for symbol in followers:
                counts[symbol] = counts.get(symbol, 0) + 1
        return table


def _frequent(visits: Sequence[Sequence[str]], most: int) -> set[str]:
    times = Counter(symbol for visit in visits for symbol in visit)
    ranked = sorted(times, key=lambda symbol: (-times[symbol], symbol))
    return set(ranked[:most])


def _held_out(visits: Sequence[Sequence[str]]) -> Iterator[tuple[Context, str]]:
    """What came after what in the latest of these visits."""
    left = MOST_HELD_OUT
    for visit in reversed(visits):
        for place in range(1, min(len(visit), left + 1)):
            yield context_of(visit[:place]), visit[place]
        left -= max(len(visit) - 1, 0)
        if left <= 0:
            return


def _fit(counted: _Counted, held_out: Sequence[tuple[Context, str]]) -> tuple[float, ...]:
    """The strengths, from the shortest contexts on, under which what was held out is most probable."""
    if len(held_out) < LEAST_HELD_OUT:
        return (USUAL_STRENGTH,) * USUAL_ORDER
    return min(_fit_order(counted.tables(order), held_out) for order in ORDERS)[1]


def _fit_order(
    tables: Sequence[Table], held_out: Sequence[tuple[Context, str]]
) -> tuple[float, tuple[float, ...]]:
    """How surprising it is, and the strengths, found from the shortest contexts on."""
    # One more: what was held out may be new.
    shorter = [1 / (len(tables[0][()]) + 1)] * len(held_out)
    surprise, strengths = math.inf, []
    for length, table in enumerate(tables):
        seen = _seen(table, held_out, length)
        surprise, strength = min((_surprise(seen, shorter, each), each) for each in STRENGTHS)
        strengths.append(strength)
        shorter = [_mixed(one, low, strength) for one, low in zip(seen, shorter, strict=True)]
    return surprise, tuple(strengths)


# Of a symbol after a context: its count less the discount, the sum of counts, and what discounts freed.
_Seen = tuple[float, float, float]


def _seen(table: Table, held_out: Sequence[tuple[Context, str]], length: int) -> list[_Seen]:
    """All zero where the context wasn't seen."""
    level = Level(discounts_of(table), 0.0)
    sums: dict[Context, tuple[float, float]] = {}
    seen: list[_Seen] = []
    for context, symbol in held_out:
        ending = context[len(context) - length :]
        followers = table.get(ending) if length <= len(context) else None
        if followers is None:
            seen.append((0.0, 0.0, 0.0))
            continue
        if ending not in sums:
            sums[ending] = (sum(followers.values()), level.freed(followers))
        count = followers.get(symbol, 0)
        seen.append((count - level.discount(count), *sums[ending]))
    return seen


def _mixed(seen: _Seen, shorter: float, strength: float) -> float:
    kept, total, freed = seen
    return (kept + (freed + strength) * shorter) / (total + strength) if total else shorter


def _surprise(seen: Sequence[_Seen], shorter: Sequence[float], strength: float) -> float:
    return -sum(math.log(_mixed(one, low, strength)) for one, low in zip(seen, shorter, strict=True))
