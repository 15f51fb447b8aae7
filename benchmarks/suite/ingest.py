"""What validating, cleaning and packing cost, against nothing but reading the same JSON."""

import itertools
import json
import statistics
from datetime import timedelta

from benchmarks.clocks import Cost, measure
from benchmarks.framework import Bench, Measured, benchmark, spread
from benchmarks.messages import bodies_of, each
from benchmarks.traffic import Sent, Traffic

SIZES = (1, 20, 100)
ROUNDS = 9
EVENTS = 4_000


@benchmark(
    "ingest_vs_json_loads_20",
    unit="times json.loads",
    against="json.loads of the same bytes = 1, at 20 events a request (CPU); lower is better",
)
def ingest_vs_json_loads(bench: Bench) -> Measured:
    traffic = Traffic(bench.now - timedelta(hours=1))
    ratios: dict[int, list[float]] = {size: [] for size in SIZES}
    costs: dict[int, list[tuple[Cost, Cost]]] = {size: [] for size in SIZES}
    sent_bytes = sent_events = 0
    for number in range(bench.sized(ROUNDS, 3)):
        for size in SIZES:
            # New events in each round, as ids are remembered.
            requests = list(itertools.islice(traffic.sessions(size), EVENTS // size))
            sent_bytes += sum(len(sent.body) for sent in requests)
            sent_events += sum(sent.events for sent in requests)
            floor, ours = _round(requests, floor_first=number % 2 == 0)
            costs[size].append((floor, ours))
            ratios[size].append(ours.cpu / floor.cpu)
    detail = {
        "bytes_per_event": round(sent_bytes / sent_events),
        **{f"{size}_events": _detail(size, ratios[size], costs[size]) for size in SIZES},
    }
    return Measured(statistics.median(ratios[20]), detail)


def _round(requests: list[Sent], floor_first: bool) -> tuple[Cost, Cost]:
    def read_only() -> None:
        each(requests, lambda sent: json.loads(sent.body))

    def take() -> None:
        each(requests, bodies_of)

    if floor_first:
        return measure(read_only)[1], measure(take)[1]
    ours, floor = measure(take)[1], measure(read_only)[1]
    return floor, ours


def _detail(size: int, ratios: list[float], costs: list[tuple[Cost, Cost]]) -> dict[str, object]:
    events = EVENTS // size * size
    return {
        "ratio": spread(ratios),
        "us_per_event": spread([ours.cpu / events * 1e6 for _, ours in costs], 2),
        "json_loads_us_per_event": spread([floor.cpu / events * 1e6 for floor, _ in costs], 2),
    }
