"""What functions print for CloudWatch, read as CloudWatch reads it (EMF), and which rooms count what."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from footfall.telemetry import Metric

FUNCTIONS = Path(__file__).parents[1] / "functions"


class Measured(NamedTuple):
    """One value; `dimensions` are names with their values."""

    namespace: str
    name: str
    unit: str
    dimensions: tuple[tuple[str, str], ...]
    value: float


def measured(printed: str) -> set[Measured]:
    """All metrics in a function's output.

    Raises:
        AssertionError: one stands there twice.
    """
    found = [one for line in printed.splitlines() if '"_aws"' in line for one in _of_line(json.loads(line))]
    assert len({one[:-1] for one in found}) == len(found), found
    return set(found)


def _of_line(line: dict[str, Any]) -> Iterator[Measured]:
    aws = line["_aws"]
    assert isinstance(aws["Timestamp"], int)
    for directive in aws["CloudWatchMetrics"]:
        for names in directive["Dimensions"]:
            dimensions = tuple((name, str(line[name])) for name in names)
            for metric in directive["Metrics"]:
                value = line[metric["Name"]]
                [single] = value if isinstance(value, list) else [value]
                yield Measured(directive["Namespace"], metric["Name"], metric["Unit"], dimensions, single)


def counted() -> set[tuple[str, str]]:
    """(service, metric) of all that the rooms' code counts; an alarm on anything else would never ring."""
    found = set()
    for handler in FUNCTIONS.glob("*/handler.py"):
        services = re.findall(r'counting\("(\w+)"\)', handler.read_text(encoding="utf-8"))
        code = "".join(file.read_text(encoding="utf-8") for file in handler.parent.glob("*.py"))
        names = re.findall(r"(?:count|measure)\(Metric\.(\w+)", code)
        found |= {(service, Metric[name].value) for service in services for name in names}
    return found
