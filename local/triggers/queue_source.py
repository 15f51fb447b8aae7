"""The event source mapping: moves a queue's messages into a function, batch by batch."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from local.queue.store import Message, Queue
from local.runtime.process import PAYLOAD_LIMIT, Outcome
from local.template.model import QueueSource
from local.triggers.events import encode, sqs_record

_RECEIVE_LIMIT = 10
_POLL_SECONDS = 20.0
# After a function's error a pause, so that an outage is not hammered.
_ERROR_PAUSE = 1.0
_ENVELOPE = len(encode({"Records": []}))


class _Store(Protocol):
    def transaction(self) -> AbstractContextManager[Any]: ...


class _Invoke(Protocol):
    async def __call__(self, payload: bytes) -> Outcome: ...


class Batch:
    """Messages that fit one invocation: at most `limit` of them and Lambda's 6 MB."""

    def __init__(self, limit: int, queue_arn: str) -> None:
        self.messages: list[Message] = []
        self._records: list[bytes] = []
        self._limit = limit
        self._queue_arn = queue_arn
        self._size = _ENVELOPE

    @property
    def room(self) -> int:
        return self._limit - len(self.messages)

    def take(self, message: Message) -> bool:
        """Whether it fitted."""
        record = encode(sqs_record(message, self._queue_arn))
        if self.room < 1 or (self.messages and self._size + len(record) + 1 > PAYLOAD_LIMIT):
            return False
        self.messages.append(message)
        self._records.append(record)
        self._size += len(record) + 1
        return True

    def payload(self) -> bytes:
        return b'{"Records":[' + b",".join(self._records) + b"]}"


class SourceMapping:
    """Runs up to `concurrency` invocations at once. `clock` gives seconds and never goes back."""

    def __init__(
        self,
        source: QueueSource,
        store: _Store,
        queue: Queue,
        invoke: _Invoke,
        *,
        concurrency: int,
        visibility_timeout: float,
        write_line: Callable[[str], None] = print,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._store = store
        self._queue = queue
        self._invoke = invoke
        self._slots = asyncio.Semaphore(concurrency)
        self._visibility_timeout = visibility_timeout
        self._write_line = write_line
        self._clock = clock
        self._running: set[asyncio.Task[None]] = set()
        self._carried: list[Message] = []
        self._carried_until = 0.0

    async def run(self) -> None:
        """Until cancelled; a cancel leaves running invocations alone, see `drain`."""
        while True:
            # The slot comes first: nothing is received that could not be invoked at once.
            await self._slots.acquire()
            try:
                batch = await self._gather()
            except BaseException:
                self._slots.release()
                raise
            task = asyncio.create_task(self._process(batch))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def drain(self) -> None:
        """Waits for the invocations that run."""
        await asyncio.gather(*self._running, return_exceptions=True)

    # A batch ──────────────────────────────────────────────────────────────────────────────────────

    async def _gather(self) -> Batch:
        batch = Batch(self._source.batch_size, self._source.queue_arn)
        if self._clock() < self._carried_until:
            self._fill(batch, self._carried)
        else:
            self._carried = []
        while not batch.messages:
            self._fill(batch, await self._queue.receive(_limit(batch), _POLL_SECONDS))
        await self._fill_for_window(batch)
        return batch

    async def _fill_for_window(self, batch: Batch) -> None:
        deadline = self._clock() + min(self._source.window, self._visibility_timeout / 2)
        while batch.room and not self._carried:
            left = deadline - self._clock()
            messages = await self._queue.receive(_limit(batch), max(left, 0))
            self._fill(batch, messages)
            if not messages and left <= 0:
                return
            # SQLite answers at once, so let the rest of the stack breathe between two receives.
            await asyncio.sleep(0)

    def _fill(self, batch: Batch, messages: Sequence[Message]) -> None:
        """What does not fit is carried to the next batch, unless it would be held too long until then."""
        fitting = next((n for n, message in enumerate(messages) if not batch.take(message)), len(messages))
        self._carried = list(messages[fitting:])
        self._carried_until = self._clock() + self._visibility_timeout / 4

    # Its end ──────────────────────────────────────────────────────────────────────────────────────

    async def _process(self, batch: Batch) -> None:
        try:
            outcome = await self._invoke(batch.payload())
            done = self._done(batch, outcome)
            with self._store.transaction():
                for message in done:
                    self._queue.delete(message.receipt_handle)
            if outcome.failed:
                await asyncio.sleep(_ERROR_PAUSE)
        finally:
            self._slots.release()

    def _done(self, batch: Batch, outcome: Outcome) -> list[Message]:
        """What may be deleted; the rest stays until its visibility timeout."""
        if outcome.failed:
            self._write_line(f"{self._source.queue_arn}: a batch failed: {outcome.reason}")
            return []
        if not self._source.reports_failures:
            return batch.messages
        failed = failed_ids(outcome.payload)
        known = {message.id for message in batch.messages}
        if failed is None or not failed <= known:
            self._write_line(f"{self._source.queue_arn}: a batch failed: its batchItemFailures are malformed")
            return []
        return [message for message in batch.messages if message.id not in failed]


def failed_ids(payload: bytes) -> set[str] | None:
    """Of a function's answer; None where it is malformed, which fails the whole batch."""
    try:
        answer = json.loads(payload)
        if answer is None or answer == {}:
            return set()
        failures = answer["batchItemFailures"]
        ids = [failure["itemIdentifier"] for failure in failures or ()]
    except (ValueError, KeyError, TypeError):
        return None
    return set(ids) if all(isinstance(id_, str) and id_ for id_ in ids) else None


def _limit(batch: Batch) -> int:
    return min(_RECEIVE_LIMIT, batch.room)
