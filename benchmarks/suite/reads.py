"""How long each read takes, on small and on large tables, and for the busiest user."""

import random
import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from typing import Any

from benchmarks.clocks import measure
from benchmarks.framework import Bench, BenchmarkError, Measured, benchmark
from benchmarks.population import LARGE, SMALL, Populated, Size, noon, readable, user, user_of
from footfall.database import Database, Transaction
from functions.recommend import people
from functions.recommend.feed import Wish, feed
from functions.recommend.handler import QUERIES
from functions.recommend.ranking import Visitor

USERS, BUSIEST, WARM_UP = 600, 200, 20
Answer = Callable[[Transaction, str], Any]


@benchmark(
    "reads_growth_300k_to_4m",
    unit="times",
    against="each read of recommend, whole, for users drawn by how active they are: its median latency"
    " at 300,000 activities = 1; the greatest of them; lower is better",
)
def reads(bench: Bench) -> Measured:
    now = noon(bench)
    answers: dict[str, Answer] = {
        "feed": lambda transaction, who: feed(
            transaction, Visitor(who), Wish(limit=20), people.intent_of(transaction, who), now
        ),
        "next_action": lambda transaction, who: asdict(people.next_action_of(transaction, who, now)),
        "similar_users": lambda transaction, who: people.similar_users(transaction, who, 10, now),
        "insights": lambda transaction, who: people.insights(transaction, who, now),
        "preferences": people.preferences,
    }
    drawn = {name: _drawn(bench, size) for name, size in {"at_300k": SMALL, "at_4m": LARGE}.items()}
    sides = {
        "at_300k": readable(bench, SMALL, sorted({user(0), *drawn["at_300k"]})),
        "at_4m": readable(bench, LARGE, sorted({user(0), *drawn["at_4m"]})),
    }
    found = {name: _in_turns(bench, answer, sides, drawn) for name, answer in answers.items()}
    growth = {name: each["at_4m"]["ms_p50"] / each["at_300k"]["ms_p50"] for name, each in found.items()}
    return Measured(
        max(growth.values()),
        {"growth": {name: round(value, 3) for name, value in growth.items()}, **found},
    )


def _drawn(bench: Bench, size: Size) -> list[str]:
    """By how active they are."""
    source = random.Random(11)
    return [user_of(size.at(bench.scale), source) for _ in range(WARM_UP + bench.sized(USERS, 60))]


def _in_turns(
    bench: Bench, answer: Answer, sides: dict[str, Populated], drawn: dict[str, list[str]]
) -> dict[str, dict[str, float]]:
    """Milliseconds of each side."""
    latencies: dict[str, list[float]] = {side: [] for side in sides}
    busiest: dict[str, list[float]] = {side: [] for side in sides}
    with ExitStack() as stack:
        readers = {side: stack.enter_context(_reader(where, answer)) for side, where in sides.items()}
        for turn in range(len(drawn["at_4m"])):
            for side, read in readers.items():
                milliseconds = read(drawn[side][turn])
                if turn >= WARM_UP:
                    latencies[side].append(milliseconds)
        for _ in range(bench.sized(BUSIEST, 10)):
            for side, read in readers.items():
                busiest[side].append(read(user(0)))
    return {side: _told(latencies[side], busiest[side]) for side in sides}


@contextmanager
def _reader(where: Populated, answer: Answer) -> Iterator[Callable[[str], float]]:
    database = Database(where.url, QUERIES)

    def read(who: str) -> float:
        found, cost = measure(lambda: database.run(lambda transaction: answer(transaction, who)))
        if not found:
            raise BenchmarkError("an answer is empty")
        return cost.wall * 1000

    yield read
    database.close()


def _told(latencies: list[float], busiest: list[float]) -> dict[str, float]:
    return {
        "ms_p50": round(statistics.median(latencies), 3),
        "ms_p99": round(statistics.quantiles(latencies, n=100)[98], 3),
        "ms_busiest_p50": round(statistics.median(busiest), 3),
        "ms_busiest_p99": round(statistics.quantiles(busiest, n=100)[98], 3),
    }
