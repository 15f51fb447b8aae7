"""A run of analyze's users' task over everybody who was active for fifteen minutes."""

import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

from benchmarks.clocks import Cost, backend_seconds, measure
from benchmarks.framework import Bench, BenchmarkError, Measured, benchmark, spread
from benchmarks.population import LARGE, QUERIES, Populated, Size, learnable, noon
from footfall.database import Database, connect
from functions.analyze import learning
from functions.analyze.shards import Shard, all_shards

# As template.yaml has them, each woken by a schedule of its own.
SHARDS = 4
ROUNDS = 9
ACTIVE = 16_700
# As dense as LARGE: ten times as long a history of the same users.
LONG = Size(activities=4_000_000, users=10_000, interactions=1_000_000, contents=20_000, days=350)
SHORT = Size(activities=400_000, users=10_000, interactions=100_000, contents=20_000, days=35)
STAYING = 5_000

WRITTEN = ("user_activities", "content_interactions", "profiles", "user_preferences", "suggestions", "tastes")
KNOWN = {**learning.QUERIES, "backend": QUERIES["backend"]}

# Seconds.
Round = dict[str, float]


@benchmark(
    "analyze_vs_query_4m",
    unit="ratio",
    against="users per second of a bare query (what they like in 30 days, not kept) = 1; higher is better",
)
def against_the_query(bench: Bench) -> Measured:
    side = _Side(bench, LARGE, ACTIVE)
    rounds = [side.round() for _ in range(bench.sized(ROUNDS, 3))]
    ratios = [one["query"] / one["run"] for one in rounds]
    alone = [one["query"] / one["run_of_one_shard"] for one in rounds]
    cpu = [one["cpu_of_query"] / one["cpu_of_run"] for one in rounds]
    detail = {
        "ratio": spread(ratios),
        "ratio_of_one_shard": spread(alone),
        "cpu_ratio": spread(cpu),
        **side.detail(rounds),
    }
    return Measured(statistics.median(ratios), detail)


@benchmark(
    "analyze_growth_history_10x",
    unit="times",
    against="seconds of a run over the same active users with a tenth of the history = 1; lower is better",
)
def growth(bench: Bench) -> Measured:
    long, short = _Side(bench, LONG, STAYING), _Side(bench, SHORT, STAYING)
    rounds = [(long.round(), short.round()) for _ in range(bench.sized(ROUNDS, 3))]
    ratios = [of_long["run"] / of_short["run"] for of_long, of_short in rounds]
    alone = [of_long["run_of_one_shard"] / of_short["run_of_one_shard"] for of_long, of_short in rounds]
    cpu = [of_long["cpu_of_run"] / of_short["cpu_of_run"] for of_long, of_short in rounds]
    detail = {
        "ratio": spread(ratios),
        "ratio_of_one_shard": spread(alone),
        "cpu_ratio": spread(cpu),
        "long": long.detail([one for one, _ in rounds]),
        "short": short.detail([one for _, one in rounds]),
    }
    return Measured(statistics.median(ratios), detail)


class _Side:
    """A population of whom all were learned; some of them are active for fifteen minutes, again and again."""

    def __init__(self, bench: Bench, size: Size, active: int) -> None:
        self._active = min(bench.sized(active, 25), size.at(bench.scale).users)
        self._where: Populated = learnable(bench, size, self._active)
        self._now = noon(bench)

    def round(self) -> Round:
        query = self._after_a_quarter(self._ask)
        run = self._after_a_quarter(lambda now: self._run(SHARDS, now))
        alone = self._after_a_quarter(lambda now: self._run(1, now))
        return {
            "query": query.wall,
            "run": run.wall,
            "run_of_one_shard": alone.wall,
            "cpu_of_query": query.cpu,
            "cpu_of_run": alone.cpu,
        }

    def _after_a_quarter(self, work: Callable[[datetime], Cost]) -> Cost:
        self._now += timedelta(minutes=15)
        with connect(self._where.url) as connection:
            parameters = {
                "now": self._now,
                "contents": self._where.size.contents,
                "tasks": [shard.task for of in (1, SHARDS) for shard in all_shards(of)],
            }
            for name in ("note_progress", "be_active"):
                connection.execute(QUERIES[name], parameters)
            connection.execute("VACUUM " + ", ".join(WRITTEN))
        return work(self._now)

    def _ask(self, now: datetime) -> Cost:
        """On the wall as Postgres plans it, perhaps with workers beside; its CPU without them, to be all."""
        with connect(self._where.url) as connection:

            def ask() -> None:
                connection.execute(QUERIES["preferences_of_the_active"], {"now": now}).fetchall()

            _, planned = measure(ask)
            connection.execute("SET max_parallel_workers_per_gather = 0")
            _, alone = measure(ask, connection.info.backend_pid)
        return replace(alone, wall=planned.wall)

    def _run(self, of: int, now: datetime) -> Cost:
        databases = [Database(self._where.url, KNOWN, statement_seconds=600) for _ in range(of)]
        backends = [
            database.run(lambda transaction: transaction.one("backend") or {})["pid"]
            for database in databases
        ]

        def run(shard: Shard) -> learning.Run:
            return learning.analyze(databases[shard.number], [shard], now, lambda: True)

        with ThreadPoolExecutor(of) as threads:
            before = sum(map(backend_seconds, backends))
            runs, cost = measure(lambda: list(threads.map(run, all_shards(of))))
            cost = replace(cost, postgres=sum(map(backend_seconds, backends)) - before)
        for database in databases:
            database.close()
        if sum(one.users for one in runs) < self._active or not all(one.finished for one in runs):
            raise BenchmarkError(f"of {self._active} active users not all were learned: {runs}")
        return cost

    def detail(self, rounds: list[Round]) -> dict[str, Any]:
        seconds = {side: statistics.median(one[side] for one in rounds) for side in rounds[0]}
        with connect(self._where.url) as connection:
            [learned] = connection.execute(QUERIES["count_learned"]).fetchall()
        return {
            "rows": asdict(self._where.size),
            "active_users": self._active,
            "shards": SHARDS,
            "ms": {side: round(value * 1000, 1) for side, value in seconds.items()},
            "users_per_second": {side: round(self._active / value) for side, value in seconds.items()},
            "learned": learned,
        }
