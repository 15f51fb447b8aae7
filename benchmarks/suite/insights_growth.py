"""How long each report takes, the live view and what is asked of people, on small and on large tables."""

import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from itertools import cycle
from typing import Any

from benchmarks.clocks import measure
from benchmarks.framework import Bench, BenchmarkError, Measured, benchmark
from benchmarks.population import LARGE, SMALL, Populated, user, visited
from footfall.database import Database, Transaction
from functions.insights.activity import activity
from functions.insights.content import content
from functions.insights.funnel import funnel
from functions.insights.handler import QUERIES
from functions.insights.live import live
from functions.insights.paths import paths
from functions.insights.people import find, timeline
from functions.insights.retention import retention
from functions.insights.sessions import sessions

# Of what takes tens of milliseconds, and of a report over 28 days.
READS, REPORTS, WARM_UP = 300, 30, 2
Answer = Callable[[Transaction], Any]


@benchmark(
    "live_growth_300k_to_4m",
    unit="times",
    against="the live view of insights, whole: its median latency at 300,000 activities of 35 days = 1, at as"
    " many a minute; lower is better. `detail`: also finding users and a timeline",
)
def live_view(bench: Bench) -> Measured:
    names = cycle(range(0, 5_000, 7))
    answers: dict[str, Answer] = {
        "live": lambda transaction: live(transaction, bench.now),
        "find_users": lambda transaction: find(transaction, f"name {next(names)}"),
        "timeline": lambda transaction: timeline(
            transaction, user(3 * next(names) % 5_000 + 1), 20, None, bench.now
        ),
    }
    found = {name: _in_turns(bench, answer, READS) for name, answer in answers.items()}
    return Measured(_growth(found)["live"], {"growth": _growth(found), **found})


@benchmark(
    "reports_growth_300k_to_4m",
    unit="times",
    against="each report of insights over 28 of 35 days, whole: its median latency at 300,000 activities = 1;"
    " the greatest of them; lower is better (13.3 is as much more as there is to report of)",
)
def reports(bench: Bench) -> Measured:
    now = bench.now
    steps = ("page:/pricing", "action:sign_up")
    last_week = {"by": "hour", "from": f"{now.date() - timedelta(days=6)}"}
    answers: dict[str, Answer] = {
        "activity": lambda transaction: activity(transaction, {"time_zone": "Europe/Berlin"}, now),
        "activity_by_hour": lambda transaction: activity(transaction, last_week, now),
        "activity_of_a_country": lambda transaction: activity(transaction, {"country": "DE"}, now),
        "sessions": lambda transaction: sessions(transaction, {}, now),
        "funnel": lambda transaction: funnel(transaction, {}, steps, now),
        "retention": lambda transaction: retention(transaction, {}, now),
        "paths": lambda transaction: paths(transaction, {}, now),
        "paths_from_a_page": lambda transaction: paths(transaction, {"start": "/pricing"}, now),
        "content": lambda transaction: content(transaction, {}, now),
        "content_of_a_device": lambda transaction: content(transaction, {"device": "mobile"}, now),
    }
    found = {name: _in_turns(bench, answer, REPORTS) for name, answer in answers.items()}
    return Measured(max(_growth(found).values()), {"growth": _growth(found), **found})


def _growth(found: dict[str, dict[str, dict[str, float]]]) -> dict[str, float]:
    return {name: round(one["at_4m"]["ms_p50"] / one["at_300k"]["ms_p50"], 3) for name, one in found.items()}


def _in_turns(bench: Bench, answer: Answer, rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds of each side."""
    sides = {"at_300k": visited(bench, SMALL), "at_4m": visited(bench, LARGE)}
    latencies: dict[str, list[float]] = {side: [] for side in sides}
    with ExitStack() as stack:
        readers = {side: stack.enter_context(_reader(where, answer)) for side, where in sides.items()}
        for turn in range(WARM_UP + bench.sized(rounds, 5)):
            for side, read in readers.items():
                milliseconds = read()
                if turn >= WARM_UP:
                    latencies[side].append(milliseconds)
    return {
        side: {
            "ms_p50": round(statistics.median(found), 3),
            "ms_p99": round(statistics.quantiles(found, n=100, method="inclusive")[98], 3),
        }
        for side, found in latencies.items()
    }


@contextmanager
def _reader(where: Populated, answer: Answer) -> Iterator[Callable[[], float]]:
    database = Database(where.url, QUERIES, statement_seconds=60)

    def read() -> float:
        found, cost = measure(lambda: database.run(answer))
        if not found:
            raise BenchmarkError("an answer is empty")
        return cost.wall * 1000

    yield read
    database.close()
