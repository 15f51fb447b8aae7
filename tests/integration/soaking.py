"""Consumers as Lambda runs them, in processes that may be killed, behind a queue that forgets nothing.

`python -m tests.integration.soaking` is one of them: it takes an SQS event a line, and answers it in a line.
"""

import asyncio
import json
import logging
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import psutil
import psycopg

from footfall.database import Database, Transaction
from footfall.telemetry import logger
from functions.session import handler
from local.postgres.server import PostgresServer

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
MOST_MESSAGES = 20
# How far apart messages may change places.
WINDOW = 100
# What Lambda leaves a batch beyond what the handler keeps back: now and then enough to see a restart through.
PATIENCE = 1.0
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


@dataclass
class Figures:
    """What happened, added up over all consumers."""

    deliveries: int = 0
    consumers_killed: int = 0
    postgres_killed: int = 0
    # Messages that were delivered again, by what the consumer said of them.
    returned: Counter[str] = field(default_factory=Counter)
    # Transactions that were begun again, by the error that had ended them.
    retried: Counter[str] = field(default_factory=Counter)
    # As Postgres counts them itself, read before each kill, which makes it forget.
    deadlocks: int = 0


class Consumer:
    """One process."""

    def __init__(self, url: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.soaking"],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": url, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def handle(self, messages: Mapping[str, str]) -> dict[str, Any] | None:
        """What it answered; None where it was killed meanwhile."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        records = [{"messageId": name, "body": body} for name, body in messages.items()]
        try:
            print(json.dumps({"Records": records}), file=self._process.stdin, flush=True)
        except BrokenPipeError:
            return None
        line = self._process.stdout.readline()
        answer: dict[str, Any] | None = json.loads(line) if line else None
        return answer

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        self.kill()
        self._process.communicate()


class Lane(threading.Thread):
    """Delivers its messages to one consumer after the other, in an order of its own."""

    def __init__(self, url: str, messages: Mapping[str, str], seed: int) -> None:
        super().__init__(daemon=True)
        self.figures = Figures()
        self.consumer = Consumer(url)
        self._url, self._messages = url, messages
        self._chance = random.Random(seed)
        # The same message reaches several at about the same time.
        places = {name: place + self._chance.uniform(0, WINDOW) for place, name in enumerate(messages)}
        self._waiting = sorted(messages, key=lambda name: places[name])

    def run(self) -> None:
        while self._waiting:
            most = self._chance.randint(1, MOST_MESSAGES)
            batch, self._waiting = self._waiting[:most], self._waiting[most:]
            self.figures.deliveries += len(batch)
            for name in self._deliver(batch):
                self._waiting.insert(self._chance.randint(0, len(self._waiting)), name)
        self.consumer.close()

    @property
    def left(self) -> int:
        return len(self._waiting)

    def _deliver(self, batch: Sequence[str]) -> Sequence[str]:
        """Those that are to be delivered again."""
        answer = self.consumer.handle({name: self._messages[name] for name in batch})
        if answer is None:
            self.consumer.close()
            self.consumer = Consumer(self._url)
            self.figures.returned["killed"] += len(batch)
            return batch
        self.figures.retried.update(answer["retried"])
        if answer["returned"]:
            self.figures.returned[answer["reason"]] += len(answer["returned"])
        names: list[str] = answer["returned"]
        return names


def soak(
    server: PostgresServer, url: str, lanes: Sequence[Mapping[str, str]], kills: Sequence[str], seed: int
) -> Figures:
    """Delivers all messages of each lane, until they are taken.

    Args:
        url: what a consumer connects to.
        lanes: message bodies by id; the same message may be in several.
        kills: `postgres` or `consumer`, one after the other, evenly spread over the deliveries.
    """
    chance = random.Random(seed)
    running = [Lane(url, messages, seed=chance.getrandbits(32)) for messages in lanes]
    total, deadlocks = Figures(), 0
    with kept_alive(server):
        for lane in running:
            lane.start()
        for number, victim in enumerate(kills, start=1):
            due = sum(map(len, lanes)) * (1 - number / (len(kills) + 1))
            _until(partial(_is_left, running, due))
            # Somewhere in a transaction, not always at its end.
            time.sleep(chance.uniform(0, 0.05))
            if victim == "postgres":
                deadlocks += _deadlocks(server)
                kill_postgres(server)
                total.postgres_killed += 1
            else:
                chance.choice([lane for lane in running if lane.is_alive()]).consumer.kill()
                total.consumers_killed += 1
        for lane in running:
            lane.join()
    for lane in running:
        total.deliveries += lane.figures.deliveries
        total.returned += lane.figures.returned
        total.retried += lane.figures.retried
    total.deadlocks = deadlocks + _deadlocks(server)
    return total


@contextmanager
def kept_alive(server: PostgresServer) -> Iterator[None]:
    """The launcher's own care for a server that dies."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(server.keep_alive())

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()


def kill_postgres(server: PostgresServer) -> None:
    """All its processes at once, as the machine's end would; returns when it is back."""
    assert server.pid is not None
    postmaster = psutil.Process(server.pid)
    for process in (postmaster, *postmaster.children(recursive=True)):
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    _until(lambda: server.pid not in {None, postmaster.pid} and _answers(server))


def _answers(server: PostgresServer) -> bool:
    try:
        psycopg.connect(server.url()).close()
    except psycopg.OperationalError:
        return False
    return True


def _is_left(running: Sequence[Lane], most: float) -> bool:
    return sum(lane.left for lane in running) <= most


def _deadlocks(server: PostgresServer) -> int:
    with psycopg.connect(server.url()) as connection:
        row = connection.execute(DEADLOCKS).fetchone()
    return int(row[0]) if row else 0


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 240
    while not true():
        assert time.monotonic() < deadline, "it didn't happen"
        time.sleep(0.005)


class CountingDatabase(Database):
    """Notes why a transaction was begun again."""

    retried: ClassVar[Counter[str]] = Counter()

    def run(self, work: Callable[[Transaction], T], *, patience: float = 0.0) -> T:
        def counted(transaction: Transaction) -> T:
            try:
                return work(transaction)
            except Exception as error:
                self.retried[type(error).__name__] += 1
                raise

        return super().run(counted, patience=patience)


class Context:
    """What the handler asks of Lambda."""

    def get_remaining_time_in_millis(self) -> int:
        return int((handler.RESERVE_SECONDS + PATIENCE) * 1000)


class Listener(logging.Handler):
    """Hears what a function warns of."""

    def __init__(self, heard: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        self._heard.append(f"{record.getMessage()}: {getattr(record, 'reason', '')}")


def main() -> None:
    answers, sys.stdout = sys.stdout, sys.stderr
    reasons: list[str] = []
    room: Any = handler
    room.Database = CountingDatabase
    logger("session").addHandler(Listener(reasons))
    for line in sys.stdin:
        reasons.clear()
        CountingDatabase.retried.clear()
        answer = handler.lambda_handler(json.loads(line), Context())
        returned = [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
        told = {
            "returned": returned,
            "reason": "; ".join(reasons) or "a history waits",
            "retried": CountingDatabase.retried,
        }
        print(json.dumps(told), file=answers, flush=True)


if __name__ == "__main__":
    main()
