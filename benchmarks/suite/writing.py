"""How writing gets dearer when there is more already: the same batches into small and into large tables."""

import itertools
import statistics
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from benchmarks.clocks import Cost, total
from benchmarks.framework import Bench, BenchmarkError, Measured, benchmark, spread
from benchmarks.messages import Batch, batches
from benchmarks.population import LARGE, SMALL, Populated, writable
from benchmarks.race import requests_of
from benchmarks.sides import Consumer
from benchmarks.traffic import Traffic

EVENTS = 1_000
ROUNDS, BATCHES, WARM_UP = 9, 6, 3
AGAINST = (
    "the consumer's CPU per event (Python and Postgres) into tables of 300,000 activities = 1,"
    " for the same batches of 2.3 events a session; lower is better"
)


@benchmark("write_growth_300k_to_4m", unit="times", against=AGAINST)
def write_growth(bench: Bench) -> Measured:
    small, large = writable(bench, SMALL), writable(bench, LARGE)
    traffic = Traffic(bench.now - timedelta(hours=2))
    for side in (small, large):
        with closing(Consumer(side.url)) as consumer:
            for batch in batches(Traffic(bench.now - timedelta(hours=2)).ties(), EVENTS):
                consumer.consume(batch)
    mixed, sessions = (
        _rounds(bench, small, large, batches(requests_of(traffic, shape), EVENTS))
        for shape in ("mixed", "one_session")
    )
    detail = {
        "rows": {"small": asdict(small.size), "large": asdict(large.size)},
        "mixed": _detail(mixed),
        "one_session": _detail(sessions),
    }
    return Measured(statistics.median(map(_ratio, mixed)), detail)


_Lap = tuple[int, Cost, Cost]


def _rounds(bench: Bench, small: Populated, large: Populated, queue: Iterator[Batch]) -> list[list[_Lap]]:
    """On backends of their own each: where the scheduler puts one is luck that lasts."""
    return [_round(small, large, queue) for _ in range(bench.sized(ROUNDS, 2))]


def _round(small: Populated, large: Populated, queue: Iterator[Batch]) -> list[_Lap]:
    with closing(Consumer(small.url)) as into_small, closing(Consumer(large.url)) as into_large:
        laps = [_lap(into_small, into_large, batch) for batch in itertools.islice(queue, WARM_UP + BATCHES)]
    return laps[WARM_UP:]


def _lap(into_small: Consumer, into_large: Consumer, batch: Batch) -> _Lap:
    new, small = into_small.consume(batch)
    also_new, large = into_large.consume(batch)
    if new != also_new:
        raise BenchmarkError(f"of a batch {new} events were new to the small tables, {also_new} to the large")
    return new, small, large


def _ratio(laps: list[_Lap]) -> float:
    return total(large for _, _, large in laps).cpu / total(small for _, small, _ in laps).cpu


def _detail(rounds: list[list[_Lap]]) -> dict[str, Any]:
    laps = [lap for one in rounds for lap in one]
    events = sum(new for new, _, _ in laps)
    return {
        "ratio": spread([_ratio(one) for one in rounds]),
        "us_per_event_at_300k": total(small for _, small, _ in laps).per_event(events),
        "us_per_event_at_4m": total(large for _, _, large in laps).per_event(events),
    }
