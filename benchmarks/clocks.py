"""CPU and wall time of a piece of work, of this process and of the Postgres backend that serves it."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds: CPU of Python, CPU of the Postgres backend, and on the wall."""

    python: float = 0.0
    postgres: float = 0.0
    wall: float = 0.0

    @property
    def cpu(self) -> float:
        return self.python + self.postgres

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.python + other.python, self.postgres + other.postgres, self.wall + other.wall)

    def per_event(self, events: int) -> dict[str, float]:
        """Microseconds."""
        parts = {"python": self.python, "postgres": self.postgres, "cpu": self.cpu, "wall": self.wall}
        return {name: round(seconds / events * 1e6, 2) for name, seconds in parts.items()}


def total(costs: Iterable[Cost]) -> Cost:
    return sum(costs, Cost())


def measure(work: Callable[[], T], backend: int | None = None) -> tuple[T, Cost]:
    """Does `work` once.

    Args:
        backend: the process id of the Postgres backend that does its share.
    """
    server, cpu, wall = backend_seconds(backend), time.process_time(), time.perf_counter()
    result = work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return result, Cost(cpu, backend_seconds(backend) - server, wall)


def backend_seconds(pid: int | None) -> float:
    """CPU seconds that a process has used so far."""
    if pid is None:
        return 0.0
    # Linux counts in nanoseconds here, and in ticks of 10 ms where everybody looks.
    fine = Path(f"/proc/{pid}/schedstat")
    if fine.exists():
        return int(fine.read_text().split()[0]) / 1e9
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)
