"""How reading gets slower when there is more to read: the same queries on small and on large tables."""

import random
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from benchmarks.clocks import Cost, measure
from benchmarks.framework import Bench, BenchmarkError, Measured, benchmark, spread
from benchmarks.population import LARGE, SMALL, Populated, populated, user, user_of
from benchmarks.stopwatch import TimedTransaction
from footfall.database import connect
from functions.recommend.feed import Wish, feed
from functions.recommend.handler import QUERIES
from functions.recommend.ranking import Visitor

ROUNDS, USERS, WARM_UP = 25, 100, 15
AGAINST = (
    "its median latency at 300,000 activities = 1, for users drawn by how active they are; lower is better"
)
Read = Callable[[TimedTransaction, str], None]


@benchmark("last20_growth_300k_to_4m", unit="times", against=f"recommend's query last_activities: {AGAINST}")
def last20(bench: Bench) -> Measured:
    def read(transaction: TimedTransaction, user_id: str) -> None:
        if not transaction.all("last_activities", user_id=user_id, limit=20):
            raise BenchmarkError("a user has no activities")

    return _growth(bench, "last_activities", read)


@benchmark("feed_growth_300k_to_4m", unit="times", against=f"recommend's query rank, 20 items: {AGAINST}")
def feed_of_20(bench: Bench) -> Measured:
    def read(transaction: TimedTransaction, user_id: str) -> None:
        if not feed(transaction, Visitor(user_id), Wish(limit=20), "browsing", bench.now)["items"]:
            raise BenchmarkError("a feed is empty")

    return _growth(bench, "rank", read)


class _Side:
    """Reads of one size."""

    def __init__(self, where: Populated, query: str, read: Read) -> None:
        self._where, self._query, self._read = where, query, read
        self._random = random.Random(7)
        self.costs: list[Cost] = []

    @contextmanager
    def connected(self) -> Iterator[Callable[[], Cost]]:
        """What reads for the next user; what is written is undone. A new backend, whose plans are made."""
        with connect(self._where.url) as connection:
            transaction = TimedTransaction(connection, QUERIES)

            def read() -> Cost:
                with connection.transaction(force_rollback=True):
                    self._read(transaction, user_of(self._where.size, self._random))
                return transaction.spent[self._query][-1]

            for _ in range(WARM_UP):
                read()
            yield read

    def detail(self) -> dict[str, Any]:
        latencies = [cost.wall * 1000 for cost in self.costs]
        return {
            "rows": asdict(self._where.size),
            "ms_p50": round(statistics.median(latencies), 3),
            "ms_p99": round(statistics.quantiles(latencies, n=100)[98], 3),
            "ms_hottest_user": round(self._hottest(), 3),
            "postgres_cpu_ms_p50": round(statistics.median(cost.postgres for cost in self.costs) * 1000, 3),
        }

    def round_trip(self) -> float:
        """Milliseconds of a query that does nothing: so much of each latency isn't the query's own."""
        with connect(self._where.url) as connection:
            costs = [measure(lambda: connection.execute("SELECT 1").fetchone())[1] for _ in range(200)]
        return _latency(costs)

    def _hottest(self) -> float:
        with connect(self._where.url) as connection:
            transaction = TimedTransaction(connection, QUERIES)
            for _ in range(WARM_UP + USERS):
                with connection.transaction(force_rollback=True):
                    self._read(transaction, user(0))
        return _latency(transaction.spent[self._query][WARM_UP:])


def _growth(bench: Bench, query: str, read: Read) -> Measured:
    small = _Side(populated(bench, SMALL), query, read)
    large = _Side(populated(bench, LARGE), query, read)
    ratios = [_round(small, large) for _ in range(bench.sized(ROUNDS, 5))]
    detail = {
        "ratio": spread(ratios),
        "cpu_ratio": round(_cpu(large.costs) / _cpu(small.costs), 3),
        "at_300k": small.detail(),
        "at_4m": large.detail(),
        "round_trip_ms": round(small.round_trip(), 3),
    }
    return Measured(statistics.median(ratios), detail)


def _round(small: _Side, large: _Side) -> float:
    """Turn by turn, on backends of its own: where the scheduler puts one is luck that lasts."""
    before = len(small.costs)
    with small.connected() as read_small, large.connected() as read_large:
        for _ in range(USERS // 2):
            small.costs.append(read_small())
            large.costs += [read_large(), read_large()]
            small.costs.append(read_small())
    return _latency(large.costs[before:]) / _latency(small.costs[before:])


def _latency(costs: list[Cost]) -> float:
    return statistics.median(cost.wall for cost in costs) * 1000


def _cpu(costs: list[Cost]) -> float:
    return statistics.median(cost.postgres for cost in costs)
