"""A connection that a second thread can take away, so that work ends in time however it hangs."""

import math
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from typing import TypeVar

import psycopg

from footfall.database import connect
from footfall.errors import DatabaseUnavailableError, FootfallError
from functions.maintain.turns import Connection

T = TypeVar("T")

# A database that wakes from a pause refuses connections for some seconds, one that starts for minutes.
_PAUSE = 1.0
# What one try to connect may take, so that its error is there before the time is over.
_CONNECT_SECONDS = 6.0
# How long a cancelled statement, and then a connection that was cut, may take to end.
_GRACE_SECONDS = 2.5


class LateError(FootfallError):
    """The work didn't end in time."""


class TimedConnection:
    """Opened by the thread that works, cut by the one that watches the clock."""

    def __init__(self, url: str, until: float) -> None:
        """`until` is a time of `time.monotonic()`."""
        self.until = until
        self._url = url
        self._connection: Connection | None = None
        self._is_cut = False

    @contextmanager
    def open(self) -> Iterator[Connection]:
        """Tries until the time is over.

        Raises:
            psycopg.OperationalError: the database can't be reached.
        """
        with self._connect() as connection:
            self._connection = connection
            if self._is_cut:
                raise LateError
            yield connection

    def cancel(self) -> None:
        """Ends the statement that runs."""
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.cancel_safe(timeout=_GRACE_SECONDS)

    def cut(self) -> None:
        """Nothing is committed after this: Postgres undoes what it can't get an order for."""
        self._is_cut = True
        if self._connection is not None:
            with suppress(psycopg.Error, OSError), socket.socket(fileno=self._duplicate()) as line:
                line.shutdown(socket.SHUT_RDWR)

    def _duplicate(self) -> int:
        assert self._connection is not None
        return os.dup(self._connection.fileno())

    def _connect(self) -> Connection:
        while True:
            # Postgres ends a statement too, should this process be gone by then.
            seconds = math.ceil(max(self.until - time.monotonic(), 0) + _GRACE_SECONDS)
            try:
                return connect(self._url, seconds)
            except (psycopg.OperationalError, DatabaseUnavailableError):
                if time.monotonic() + _PAUSE + _CONNECT_SECONDS > self.until:
                    raise
                time.sleep(_PAUSE)


def in_time(timed: TimedConnection, work: Callable[[], T]) -> T:
    """Does `work`, which uses the connection, in a thread of its own.

    Raises:
        LateError: it wasn't done in time; what it hadn't committed is undone.
    """
    future: Future[T] = Future()
    threading.Thread(target=_fulfil, args=(future, work), daemon=True).start()
    wait([future], max(timed.until - time.monotonic(), 0))
    if future.done():
        return future.result()
    for stop in (timed.cancel, timed.cut):
        stop()
        if wait([future], _GRACE_SECONDS).done:
            break
    error = future.exception() if future.done() else LateError("it hangs")
    if error is None:
        return future.result()
    raise LateError(f"the time ran out: {error}") from error


def _fulfil(future: Future[T], work: Callable[[], T]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001 - whoever waits for it gets it
        future.set_exception(error)
