"""What wakes functions besides HTTP: the local queue's event source mapping and the schedules."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.queue.store import Queue, QueueStore
from local.runtime.process import PAYLOAD_LIMIT, Outcome
from local.template.intrinsics import TemplateError
from local.template.model import QueueSource, Schedule
from local.triggers.queue_source import SourceMapping, failed_ids
from local.triggers.schedules import Timer, parse_rate, run_schedule, timers
from tests.on_loop import on_loop

ARN = "arn:aws:sqs:us-east-1:000000000000:work"
Answer = Callable[[list[dict[str, Any]]], Awaitable[Any]]


async def succeed(_: list[dict[str, Any]]) -> Any:
    return {"batchItemFailures": []}


@dataclass
class Function:
    """Keeps the batches it was woken with."""

    answer: Answer = succeed
    batches: list[list[dict[str, Any]]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    async def __call__(self, payload: bytes) -> Outcome:
        records = json.loads(payload)["Records"]
        self.batches.append(records)
        self.sizes.append(len(payload))
        answer = await self.answer(records)
        return answer if isinstance(answer, Outcome) else Outcome(json.dumps(answer).encode())

    def bodies(self) -> list[list[str]]:
        return [[record["body"] for record in batch] for batch in self.batches]

    def count(self) -> int:
        return sum(len(batch) for batch in self.batches)


@asynccontextmanager
async def mapped(
    folder: Path, function: Function, *, concurrency: int = 1, send: Sequence[str] = (), **changes: Any
) -> AsyncIterator[Queue]:
    source = QueueSource(
        **{
            "queue_arn": ARN,
            "batch_size": 10,
            "window": 0.0,
            "concurrency": None,
            "reports_failures": True,
            **changes,
        }
    )
    store = QueueStore(folder / "queues.sqlite")
    queue = store.create("work", {"VisibilityTimeout": "120"})
    for body in send:
        queue.send(body)
    mapping = SourceMapping(
        source,
        store,
        queue,
        function,
        concurrency=concurrency,
        visibility_timeout=120,
        write_line=lambda _: None,
    )
    running = asyncio.create_task(mapping.run())
    try:
        yield queue
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await mapping.drain()
        store.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


def left(queue: Queue) -> tuple[int, int]:
    """Visible and hidden messages."""
    attributes = queue.attributes()
    names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    visible, hidden = (int(attributes[name]) for name in names)
    return visible, hidden


@on_loop
async def test_messages_arrive_as_lambdas_records_and_are_deleted(tmp_path: Path) -> None:
    function = Function()
    async with mapped(tmp_path, function, send=["hällo"]) as queue:
        await until(lambda: left(queue) == (0, 0))
    ((record,),) = function.batches
    assert record["body"] == "hällo"
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"] == ARN
    assert record["awsRegion"] == "us-east-1"
    assert record["messageAttributes"] == {}
    assert record["messageId"]
    assert record["receiptHandle"]
    assert record["md5OfBody"] == hashlib.md5("hällo".encode()).hexdigest()
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert {"SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp"} <= set(record["attributes"])


@on_loop
async def test_a_batch_is_filled_up_to_its_size_from_several_receives(tmp_path: Path) -> None:
    function = Function()
    async with mapped(tmp_path, function, batch_size=25, window=30, send=[str(n) for n in range(50)]):
        await until(lambda: function.count() == 50)
    assert [len(batch) for batch in function.batches] == [25, 25]


@on_loop
async def test_a_window_waits_for_more_and_then_ends(tmp_path: Path) -> None:
    function = Function()
    async with mapped(tmp_path, function, batch_size=100, window=2, send=["first"]) as queue:
        await asyncio.sleep(0.05)
        queue.send("second")
        await until(lambda: function.count() == 2)
    assert function.bodies() == [["first", "second"]]


@on_loop
async def test_only_reported_messages_stay(tmp_path: Path) -> None:
    async def refuse_b(records: list[dict[str, Any]]) -> Any:
        failed = [record["messageId"] for record in records if record["body"] == "b"]
        return {"batchItemFailures": [{"itemIdentifier": id_} for id_ in failed]}

    function = Function(refuse_b)
    async with mapped(tmp_path, function, send=["a", "b", "c"]) as queue:
        await until(lambda: left(queue) == (0, 1))


@pytest.mark.parametrize(
    ("answer", "stays"),
    [
        ({"batchItemFailures": []}, 0),
        ({"batchItemFailures": None}, 0),
        ({}, 0),
        (None, 0),
        ({"batchItemFailures": [{"itemIdentifier": ""}]}, 2),
        ({"batchItemFailures": [{"itemIdentifier": None}]}, 2),
        ({"batchItemFailures": [{"id": "x"}]}, 2),
        ({"batchItemFailures": [{"itemIdentifier": "of another batch"}]}, 2),
        ("nonsense", 2),
        (Outcome.failure("KeyError", "x"), 2),
    ],
)
@on_loop
async def test_what_an_answer_leaves_in_the_queue(tmp_path: Path, answer: Any, stays: int) -> None:
    async def say(_: list[dict[str, Any]]) -> Any:
        return answer

    function = Function(say)
    async with mapped(tmp_path, function, send=["a", "b"]) as queue:
        await until(lambda: function.count() == 2)
        await until(lambda: left(queue) == (0, stays))


@on_loop
async def test_without_partial_failures_success_deletes_all(tmp_path: Path) -> None:
    async def say(_: list[dict[str, Any]]) -> Any:
        return "whatever"

    function = Function(say)
    async with mapped(tmp_path, function, reports_failures=False, send=["a"]) as queue:
        await until(lambda: left(queue) == (0, 0))
        await until(lambda: function.count() == 1)


@on_loop
async def test_a_batch_never_exceeds_lambdas_payload(tmp_path: Path) -> None:
    # Quotes take twice their size in a record, so three such messages fill a payload.
    bodies = [str(n) + '"' * 1_000_000 for n in range(7)]
    function = Function()
    async with mapped(tmp_path, function, batch_size=10, send=bodies) as queue:
        await until(lambda: left(queue) == (0, 0))
    assert max(function.sizes) <= PAYLOAD_LIMIT
    assert sorted(body for batch in function.bodies() for body in batch) == bodies
    assert [len(batch) for batch in function.batches] == [3, 3, 1]
    received = {record["attributes"]["ApproximateReceiveCount"] for b in function.batches for record in b}
    assert received == {"1"}, "what did not fit was carried over, not received again"


@on_loop
async def test_as_many_invocations_run_at_once_as_allowed_and_no_message_waits_hidden(tmp_path: Path) -> None:
    running = most = 0
    go_on = asyncio.Event()

    async def hold(_: list[dict[str, Any]]) -> Any:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await go_on.wait()
        running -= 1

    function = Function(hold)
    async with mapped(
        tmp_path, function, concurrency=3, batch_size=1, send=[str(n) for n in range(9)]
    ) as queue:
        await until(lambda: running == 3)
        await asyncio.sleep(0.05)
        assert left(queue) == (6, 3), "nothing is received that cannot be invoked"
        go_on.set()
        await until(lambda: left(queue) == (0, 0))
    assert most == 3


def test_failed_ids() -> None:
    assert failed_ids(b'{"batchItemFailures":[{"itemIdentifier":"a"}]}') == {"a"}
    assert failed_ids(b'{"other":1}') is None
    assert failed_ids(b"no json") is None


@pytest.mark.parametrize(
    ("expression", "period"),
    [
        ("rate(1 minute)", timedelta(minutes=1)),
        ("rate(5 minutes)", timedelta(minutes=5)),
        ("rate(12 hours)", timedelta(hours=12)),
        ("rate(1 day)", timedelta(days=1)),
    ],
)
def test_rates(expression: str, period: timedelta) -> None:
    assert parse_rate(expression, "Daily") == period


@pytest.mark.parametrize(
    "expression", ["cron(0 3 * * ? *)", "at(2026-01-01T00:00:00)", "rate(0 minutes)", "rate(1 year)"]
)
def test_other_schedules_are_refused_by_name(expression: str) -> None:
    with pytest.raises(TemplateError, match=r"Daily: .*does not run locally"):
        parse_rate(expression, "Daily")


def test_schedules_of_one_function_are_spread_over_their_period() -> None:
    shards = [Schedule(f"Shard{n}", "rate(2 minutes)", "aws.scheduler", "{}") for n in range(4)]
    spread = timers(shards)
    assert [timer.schedule for timer in spread] == shards
    assert [timer.first.total_seconds() for timer in spread] == [30, 60, 90, 120]
    assert {timer.period for timer in spread} == {timedelta(minutes=2)}
    daily = Schedule("Daily", "rate(1 day)", "aws.scheduler", None)
    assert timers([daily]) == [Timer(daily, timedelta(days=1), timedelta(days=1))]


@on_loop
async def test_a_schedule_fires_after_each_period_with_its_event(tmp_path: Path) -> None:
    payloads: list[bytes] = []
    loop = asyncio.get_running_loop()
    started = loop.time()
    times: list[float] = []

    async def invoke(payload: bytes) -> None:
        payloads.append(payload)
        times.append(loop.time() - started)

    schedule = Schedule("Often", "rate(1 minute)", "aws.scheduler", None)
    often = Timer(schedule, timedelta(seconds=0.1), timedelta(seconds=0.1))
    now = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
    timer = asyncio.create_task(run_schedule(often, invoke, lambda: now))
    await until(lambda: len(payloads) >= 2)
    timer.cancel()
    assert times[0] >= 0.099, "the first run comes when it is to"
    event = json.loads(payloads[0])
    assert event["source"] == "aws.scheduler"
    assert event["detail-type"] == "Scheduled Event"
    assert event["time"] == "2026-11-22T10:00:00Z"
    assert event["resources"] == ["arn:aws:scheduler:us-east-1:000000000000:schedule/default/Often"]


@on_loop
async def test_a_run_that_takes_longer_than_its_period_is_not_overtaken() -> None:
    running = 0
    runs = 0

    async def invoke(payload: bytes) -> None:
        nonlocal running, runs
        assert running == 0
        assert payload == b'{"own":1}'
        running += 1
        await asyncio.sleep(0.05)
        running -= 1
        runs += 1

    schedule = Schedule("Often", "rate(1 minute)", "aws.events", '{"own":1}')
    often = Timer(schedule, timedelta(seconds=0.02), timedelta())
    timer = asyncio.create_task(run_schedule(often, invoke))
    await until(lambda: runs >= 3 or timer.done())
    assert not timer.done()
    timer.cancel()
