"""Where the consumer's CPU goes: `python -m benchmarks.profiling [one_session|mixed]`."""

import argparse
import cProfile
import itertools
import os
import pstats
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from unittest import mock

from benchmarks.clocks import Cost, total
from benchmarks.messages import Batch, batches
from benchmarks.postgres import Postgres
from benchmarks.race import requests_of
from benchmarks.sides import Consumer
from benchmarks.stopwatch import TimedTransaction
from benchmarks.traffic import Traffic

EVENTS, WARM_UP, BATCHES, LINES = 1_000, 12, 30, 18


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profiling", description=__doc__)
    parser.add_argument("shape", nargs="?", choices=["one_session", "mixed"], default="one_session")
    shape = parser.parse_args().shape
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    now = datetime.now(UTC)
    with Postgres(now) as postgres, postgres.database() as url:
        traffic = Traffic(now - timedelta(hours=2))
        consumer = Consumer(url)
        queue = itertools.chain(batches(traffic.ties(), EVENTS), batches(requests_of(traffic, shape), EVENTS))
        for batch in itertools.islice(queue, WARM_UP):
            consumer.consume(batch)
        print(f"{shape}: microseconds per event, at {EVENTS} events a batch\n")
        _statements(consumer, queue)
        _python(consumer, queue)
        consumer.close()
    return 0


def _statements(consumer: Consumer, queue: Iterator[Batch]) -> None:
    spent: dict[str, list[Cost]] = defaultdict(list)
    whole, events = Cost(), 0
    with mock.patch("footfall.database.Transaction", partial(TimedTransaction, spent=spent)):
        for batch in itertools.islice(queue, BATCHES):
            new, cost = consumer.consume(batch)
            whole, events = whole + cost, events + new
    named = {query: total(costs) for query, costs in spent.items()}
    known = total(named.values())
    rest = Cost(whole.python - known.python, whole.postgres - known.postgres, whole.wall - known.wall)
    print(f"{'statement':<24}{'postgres':>10}{'python':>10}{'wall':>10}")
    for query, cost in sorted(named.items(), key=lambda item: -item[1].postgres):
        _line(query, cost, events)
    _line("(begin, commit, Python)", rest, events)
    _line("all", whole, events)


def _line(name: str, cost: Cost, events: int) -> None:
    us = cost.per_event(events)
    print(f"{name:<24}{us['postgres']:>10.2f}{us['python']:>10.2f}{us['wall']:>10.2f}")


def _python(consumer: Consumer, queue: Iterator[Batch]) -> None:
    waiting = list(itertools.islice(queue, BATCHES))
    profile = cProfile.Profile(time.process_time)
    profile.enable()
    for batch in waiting:
        consumer.consume(batch)
    profile.disable()
    print("\nPython, CPU seconds of the batches:\n")
    pstats.Stats(profile).strip_dirs().sort_stats("tottime").print_stats(LINES)


if __name__ == "__main__":
    sys.exit(main())
