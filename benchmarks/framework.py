"""What a benchmark is, what it is given, and how its rounds become one figure."""

import importlib
import pkgutil
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar, cast

from benchmarks import suite
from benchmarks.postgres import Postgres

T = TypeVar("T")


class BenchmarkError(Exception):
    """What was to be measured didn't happen, so there is no figure."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The figure and what it rests on; the detail must be JSON."""

    value: float
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bench:
    """What a benchmark is given: a Postgres, the time of the run, and how large everything is to be."""

    postgres: Postgres
    now: datetime
    scale: float = 1.0
    _made: dict[str, Any] = field(default_factory=dict)

    def sized(self, full: int, least: int = 1) -> int:
        """A number of rows, rounds or batches, smaller where the run is a quick look."""
        return max(round(full * min(self.scale, 1.0)), least)

    def once(self, key: str, make: Callable[[], T]) -> T:
        """What several benchmarks of a run share, made for the first of them."""
        if key not in self._made:
            self._made[key] = make()
        return cast("T", self._made[key])


@dataclass(frozen=True, slots=True)
class Benchmark:
    name: str
    unit: str
    against: str
    measure: Callable[[Bench], Measured]


_REGISTERED: dict[str, Benchmark] = {}


def benchmark(
    name: str, *, unit: str, against: str
) -> Callable[[Callable[[Bench], Measured]], Callable[[Bench], Measured]]:
    """Marks a function as the benchmark `name`.

    Args:
        against: what the value is compared with, and which way is better.
    """

    def register(measure: Callable[[Bench], Measured]) -> Callable[[Bench], Measured]:
        _REGISTERED[name] = Benchmark(name, unit, against, measure)
        return measure

    return register


def benchmarks() -> Mapping[str, Benchmark]:
    """All of them by name, in the order of their modules."""
    for module in sorted(module.name for module in pkgutil.iter_modules(suite.__path__)):
        importlib.import_module(f"{suite.__name__}.{module}")
    return _REGISTERED


def spread(values: Sequence[float], digits: int = 3) -> dict[str, float]:
    """The middle round, and the least and the greatest: how noisy the machine was."""
    return {
        "median": round(statistics.median(values), digits),
        "min": round(min(values), digits),
        "max": round(max(values), digits),
    }
