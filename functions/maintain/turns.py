"""One maintenance at a time: a deploy and the daily run may meet."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

Connection = psycopg.Connection[Any]

# Any constant.
_LOCK = 4_617_315_517_961_601_024


@contextmanager
def turn(connection: Connection) -> Iterator[None]:
    """Waits until it is this connection's turn, and keeps it; turns may be nested."""
    connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
    try:
        yield
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
