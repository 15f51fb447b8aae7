"""What a function says on stdout: log lines in JSON, and metrics as CloudWatch reads them there (EMF)."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from functools import cache

from aws_lambda_powertools import Logger

NAMESPACE = "Footfall"


class Metric(StrEnum):
    """All that is counted beside what AWS counts by itself; alarms rest on these names."""

    FINISHED = "Finished"
    USERS_LEARNED = "UsersLearned"
    QUARANTINED = "Quarantined"


_counts: ContextVar[Counter[Metric]] = ContextVar("counts")


@cache
def logger(service: str) -> Logger:
    """The room's logger; LOG_LEVEL sets its level."""
    return Logger(service=service)


def count(metric: Metric, number: int = 1) -> None:
    """Adds to what the handler counts; without `counting` around it, nothing does."""
    counts = _counts.get(None)
    if counts is not None:
        counts[metric] += number


@contextmanager
def counting(service: str) -> Iterator[None]:
    """Around a handler: what it counts is printed at its end, also at a bad one; zeros are not."""
    counts: Counter[Metric] = Counter()
    before = _counts.set(counts)
    try:
        yield
    finally:
        _counts.reset(before)
        if +counts:
            _print(service, +counts)


def _print(service: str, counts: Counter[Metric]) -> None:
    # Here, as most invocations have nothing to count.
    from aws_lambda_powertools import Metrics
    from aws_lambda_powertools.metrics import MetricUnit

    metrics = Metrics(namespace=NAMESPACE, service=service)
    for metric, number in counts.items():
        metrics.add_metric(metric, MetricUnit.Count, number)
    metrics.flush_metrics()
