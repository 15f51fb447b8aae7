"""One maintenance at a time: a deploy and the daily run may meet."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from footfall.errors import FootfallError

Connection = psycopg.Connection[Any]

# Any constant.
_LOCK = 4_617_315_517_961_601_024


class BusyError(FootfallError):
    """Another deploy, or the daily run, is still at work on this database."""


@contextmanager
def turn(connection: Connection) -> Iterator[None]:
    """Waits until it is this connection's turn, and keeps it; turns may be nested.

    Raises:
        BusyError: the wait was cancelled.
    """
    try:
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
    except psycopg.errors.QueryCanceled as error:
        raise BusyError from error
    try:
        yield
    finally:
        # A lost connection has given it back.
        with suppress(psycopg.Error):
            connection.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
