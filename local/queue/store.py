"""The queue of the local stack: messages in one SQLite file, received as SQS receives.

Every change is committed before it is answered, so it outlives a SIGKILL of the process. One process
holds a store at a time, as those who wait for messages wait in memory; its threads may share it.
"""

import asyncio
import contextlib
import json
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from footfall import queries
from local.queue.message import Message, SentMessage, receipt, received_message
from local.queue.rules import (
    ARN_PREFIX,
    InvalidParameterValueError,
    MessageNotInflightError,
    QueueDoesNotExistError,
    check_message,
    checked_name,
    checked_visibility,
    described,
    in_range,
    md5,
    settings,
)

SQL = queries.load(Path(__file__).parent)

__all__ = ["Message", "Queue", "QueueDoesNotExistError", "QueueStore", "QueueStoreError", "SentMessage"]


class QueueStoreError(Exception):
    """The store's file cannot be opened."""


class QueueStore:
    """Every queue of the stack, in the SQLite file `path`. `clock` gives seconds since the epoch."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._database = _opened(path)
        self._queues = {
            name: Queue(self, number, name)
            for number, name in self._database.execute(SQL["queues"]).fetchall()
        }

    def now(self) -> int:
        """Milliseconds since the epoch."""
        return int(self._clock() * 1000)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything inside is committed together; may nest, so that a batch costs one commit."""
        with self._lock:
            if self._database.in_transaction:
                yield self._database
                return
            with self._database:
                self._database.execute("BEGIN IMMEDIATE")
                yield self._database

    def create(self, name: str, attributes: Mapping[str, str]) -> "Queue":
        """The queue `name` with exactly these attributes, made if there is none."""
        with self.transaction() as database:
            queue = self.find(checked_name(name))
            if queue is None:
                number = database.execute(SQL["create"], (name, self.now(), self.now())).lastrowid
                queue = Queue(self, number or 0, name)
            queue.configure(attributes)
            self._queues[name] = queue
        return queue

    def get(self, name: str) -> "Queue":
        """The queue `name`, or QueueDoesNotExistError."""
        queue = self.find(name)
        if queue is None:
            raise QueueDoesNotExistError(f"The specified queue does not exist: {name!r}.")
        return queue

    def find(self, name: str | None) -> "Queue | None":
        return self._queues.get(name) if name else None

    def names(self) -> list[str]:
        return sorted(self._queues)

    def remove(self, name: str) -> None:
        """Forget the queue `name` and its messages."""
        queue = self.get(name)
        with self.transaction() as database:
            database.execute(SQL["remove"], (queue.number,))
            del self._queues[name]

    def release_in_flight(self) -> int:
        """Make every message in flight visible, in its old place; return how many. Before consumers start."""
        with self.transaction() as database:
            released = database.execute(SQL["release"], {"now": self.now()}).rowcount
        for queue in self._queues.values():
            queue.wake()
        return released

    def close(self) -> None:
        with self._lock:
            self._database.close()


class Queue:
    """One queue. Its methods raise the errors of `queue_rules`, as AWS would."""

    def __init__(self, store: QueueStore, number: int, name: str) -> None:
        self.name = name
        self.number = number
        self._store = store
        self._waiting: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self.settings = settings(self.configuration())

    @property
    def arn(self) -> str:
        return ARN_PREFIX + self.name

    def configuration(self) -> dict[str, str]:
        """The attributes as they were set, without defaults."""
        with self._store.transaction() as database:
            row = database.execute(SQL["configuration"], (self.number,)).fetchone()
        configured: dict[str, str] = json.loads(row[0])
        return configured

    def configure(self, attributes: Mapping[str, str]) -> None:
        """Set exactly these attributes; an empty value unsets one."""
        kept = {name: value for name, value in attributes.items() if value != ""}
        meaning = settings(kept)
        with self._store.transaction() as database:
            database.execute(SQL["configure"], (json.dumps(kept), self._store.now(), self.number))
            self.settings = meaning

    def send(
        self,
        body: str,
        *,
        delay_seconds: int | None = None,
        message_attributes: Mapping[str, Any] | None = None,
        trace_header: str | None = None,
    ) -> SentMessage:
        """Store one message; when this returns it is on disk."""
        attributes = message_attributes or {}
        check_message(body, attributes, self.settings.maximum_size)
        delay = self.settings.delay if delay_seconds is None else delay_seconds
        if not in_range(delay, 0, 900):
            raise InvalidParameterValueError(
                f"Value {delay} for parameter DelaySeconds is invalid: 0 to 900."
            )
        sent = SentMessage(str(uuid.uuid4()), md5(body.encode()))
        now = self._store.now()
        with self._store.transaction() as database:
            sequence = database.execute(
                SQL["send"], (self.number, sent.id, now, now + delay * 1000)
            ).lastrowid
            database.execute(SQL["send_contents"], (sequence, body, json.dumps(attributes), trace_header))
        self.wake()
        return sent

    def receive_now(self, limit: int, visibility_timeout: int | None = None) -> list[Message]:
        """Up to `limit` visible messages, hidden from now on for `visibility_timeout` seconds."""
        seconds = self.settings.visibility_timeout if visibility_timeout is None else visibility_timeout
        with self._store.transaction() as database:
            now = self._store.now()
            hidden_until = now + checked_visibility(seconds) * 1000
            self._expire(database, now)
            self._redrive(database, now, limit)
            rows = database.execute(SQL["next"], (self.number, now, limit)).fetchall()
            database.executemany(SQL["hide"], [(hidden_until, now, row[0]) for row in rows])
        return [received_message(row, self.number, now) for row in rows]

    async def receive(
        self, limit: int, wait_seconds: float, visibility_timeout: int | None = None
    ) -> list[Message]:
        """As `receive_now`, after waiting up to `wait_seconds` for the first message. A cancel loses none."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_seconds
        with self._listening(loop) as arrival:
            while True:
                arrival.clear()
                messages = self.receive_now(limit, visibility_timeout)
                left = deadline - loop.time()
                if messages or left <= 0:
                    return messages
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(left, self._seconds_until_visible())):
                        await arrival.wait()

    def delete(self, receipt_handle: str) -> None:
        """Delete what this handle received; does nothing if it was received again since, or is gone."""
        where = receipt(receipt_handle, self.number)
        with self._store.transaction() as database:
            database.execute(SQL["delete"], where)

    def change_visibility(self, receipt_handle: str, seconds: int) -> None:
        """Hide the message for `seconds` from now; 0 makes it visible at once."""
        where = receipt(receipt_handle, self.number)
        now = self._store.now()
        visible_at = now + checked_visibility(seconds) * 1000
        with self._store.transaction() as database:
            row = database.execute(SQL["find"], where).fetchone()
            if row is None:
                raise InvalidParameterValueError(
                    f"Value {receipt_handle} for parameter ReceiptHandle is invalid. Reason: "
                    "Message does not exist or is not available for visibility timeout change."
                )
            if row[0] <= now:
                raise MessageNotInflightError("The message is visible: its visibility timeout cannot change.")
            database.execute(SQL["change"], (visible_at, where.sequence))
        self.wake()

    def purge(self) -> None:
        with self._store.transaction() as database:
            database.execute(SQL["purge"], (self.number,))

    def attributes(self) -> dict[str, str]:
        """Every attribute as AWS names and writes it, the counts included."""
        with self._store.transaction() as database:
            now = self._store.now()
            self._expire(database, now)
            counts = database.execute(SQL["count"], {"queue": self.number, "now": now}).fetchone()
            created, modified = database.execute(SQL["times"], (self.number,)).fetchone()
        return described(self.configuration()) | {
            "QueueArn": self.arn,
            "ApproximateNumberOfMessages": str(counts[0]),
            "ApproximateNumberOfMessagesNotVisible": str(counts[1]),
            "ApproximateNumberOfMessagesDelayed": str(counts[2]),
            "CreatedTimestamp": str(created),
            "LastModifiedTimestamp": str(modified),
        }

    def wake(self) -> None:
        """Let those who wait look again."""
        for arrival, loop in tuple(self._waiting.items()):
            # A loop that closed in the meantime has nobody left to wake.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(arrival.set)

    @contextlib.contextmanager
    def _listening(self, loop: asyncio.AbstractEventLoop) -> Iterator[asyncio.Event]:
        arrival = asyncio.Event()
        self._waiting[arrival] = loop
        try:
            yield arrival
        finally:
            del self._waiting[arrival]

    def _seconds_until_visible(self) -> float:
        with self._store.transaction() as database:
            row = database.execute(SQL["first"], (self.number,)).fetchone()
        return max(0.0, (row[0] - self._store.now()) / 1000) if row else float("inf")

    def _expire(self, database: sqlite3.Connection, now: int) -> None:
        database.execute(SQL["expire"], (self.number, now - self.settings.retention * 1000))

    def _redrive(self, database: sqlite3.Connection, now: int, limit: int) -> None:
        target = self._store.find(self.settings.dead_letter_queue)
        if target is None:
            return
        search = (self.number, now, limit, self.settings.maximum_receives)
        while exhausted := database.execute(SQL["exhausted"], search).fetchall():
            database.executemany(SQL["move"], [(target.number, now, self.arn, row[0]) for row in exhausted])
            target.wake()


def _opened(path: Path) -> sqlite3.Connection:
    with contextlib.ExitStack() as on_failure:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(path, timeout=1, isolation_level=None, check_same_thread=False)
            on_failure.callback(database.close)
            database.executescript(SQL["open"])
        except (sqlite3.Error, OSError) as error:
            raise QueueStoreError(
                f"cannot open the queue store {path}, one process at a time: {error}"
            ) from None
        on_failure.pop_all()
    return database
