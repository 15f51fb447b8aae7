"""What a function says on stdout: log lines in JSON, and metrics as CloudWatch reads them there (EMF)."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

from footfall.settings import Settings

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

NAMESPACE = "Footfall"


class Metric(StrEnum):
    """All that is said beside what AWS counts by itself; alarms rest on these names."""

    LAG = "Lag"
    USERS_LEARNED = "UsersLearned"
    QUARANTINED = "Quarantined"


# In CloudWatch's words; what isn't here is a Count.
_UNITS = {Metric.LAG: "Seconds"}

_said: ContextVar[dict[Metric, float]] = ContextVar("said")


@cache
def logger(service: str) -> "Logger":
    """The room's logger; LOG_LEVEL sets its level."""
    # Powertools takes longer to import than most invocations last, and most log nothing.
    from aws_lambda_powertools import Logger

    return Logger(service=service)


def count(metric: Metric, number: int = 1) -> None:
    """Adds to what the handler counts; without `counting` around it, nothing does."""
    said = _said.get({})
    if number:
        said[metric] = said.get(metric, 0) + number


def measure(metric: Metric, value: float) -> None:
    """Keeps the greatest value, zero too."""
    said = _said.get({})
    said[metric] = max(said.get(metric, value), value)


@contextmanager
def counting(service: str) -> Iterator[None]:
    """Around a handler: what it counts and measures is printed at its end, also at a bad one."""
    said: dict[Metric, float] = {}
    before = _said.set(said)
    try:
        yield
    finally:
        _said.reset(before)
        if said:
            _print(service, said)


def _print(service: str, said: Mapping[Metric, float]) -> None:
    from aws_lambda_powertools import Metrics

    metrics = Metrics(namespace=NAMESPACE, service=service)
    # Of several stacks in one account each has functions of its own.
    metrics.add_dimension("function_name", Settings(os.environ).function_name)
    for metric, value in said.items():
        metrics.add_metric(metric, _UNITS.get(metric, "Count"), value)
    metrics.flush_metrics()
