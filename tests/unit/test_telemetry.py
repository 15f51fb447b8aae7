"""Metrics, as CloudWatch finds them in a function's output."""

import pytest

from footfall.telemetry import Metric, count, counting, measure
from tests.metrics import Measured, measured


@pytest.fixture(autouse=True)
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "stack-room")


def of_room(metric: Metric, value: float, unit: str = "Count") -> Measured:
    dimensions = (("function_name", "stack-room"), ("service", "room"))
    return Measured("Footfall", metric.value, unit, dimensions, value)


def test_are_sums_of_what_was_counted_since_the_last_invocation(capsys: pytest.CaptureFixture[str]) -> None:
    @counting("room")
    def handler(users: int) -> str:
        measure(Metric.LAG, 0)
        count(Metric.USERS_LEARNED, users)
        count(Metric.USERS_LEARNED, users)
        return "answer"

    for users in (3, 500):
        assert handler(users) == "answer"
        assert measured(capsys.readouterr().out) == {
            of_room(Metric.LAG, 0, "Seconds"),
            of_room(Metric.USERS_LEARNED, 2 * users),
        }


def test_are_printed_also_where_the_handler_fails(capsys: pytest.CaptureFixture[str]) -> None:
    @counting("room")
    def handler() -> None:
        count(Metric.QUARANTINED, 2)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        handler()
    assert measured(capsys.readouterr().out) == {of_room(Metric.QUARANTINED, 2)}


def test_of_a_measure_the_greatest_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with counting("room"):
        for seconds in (3, 70.5, 0):
            measure(Metric.LAG, seconds)
    assert measured(capsys.readouterr().out) == {of_room(Metric.LAG, 70.5, "Seconds")}


def test_nothing_counted_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with counting("room"):
        count(Metric.QUARANTINED, 0)
    # Nor does a tool that uses a room's code.
    count(Metric.QUARANTINED, 7)
    with counting("room"):
        pass
    assert capsys.readouterr().out == ""
