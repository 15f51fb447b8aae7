"""What the database holds of an import, counted by id."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import class_row

from footfall import queries

SQL = queries.load(Path(__file__).parent)

# So long the count may stand still before what is missing is called missing.
STALLED_SECONDS = 150.0


@dataclass(frozen=True, slots=True)
class Stored:
    """How many of the ids are interactions, and how many of those stand under another time than their own."""

    interactions: int
    moved: int


def wait_for(
    database_url: Callable[[], str], ids: Sequence[str], on_progress: Callable[[int], None]
) -> Stored:
    """Waits until all ids are stored, or none has come for a while.

    Args:
        database_url: asked again after a lost connection, as a restarted stack has another.
    """
    last, since = -1, time.monotonic()
    while True:
        try:
            with psycopg.connect(database_url(), autocommit=True) as connection:
                _note(connection, ids)
                while True:
                    stored = _count(connection)
                    on_progress(stored.interactions)
                    if stored.interactions != last:
                        last, since = stored.interactions, time.monotonic()
                    if stored.interactions == len(ids) or time.monotonic() - since > STALLED_SECONDS:
                        return stored
                    time.sleep(0.5)
        except (psycopg.OperationalError, ConnectionError):
            if time.monotonic() - since > STALLED_SECONDS:
                raise
            time.sleep(1.0)


def _note(connection: psycopg.Connection[Any], ids: Iterable[str]) -> None:
    connection.execute(SQL["begin"])
    with connection.cursor().copy(SQL["note"]) as copy:
        for event_id in ids:
            copy.write_row((event_id,))
    connection.execute(SQL["analyze"])


def _count(connection: psycopg.Connection[Any]) -> Stored:
    return connection.cursor(row_factory=class_row(Stored)).execute(SQL["count_stored"]).fetchall()[0]
