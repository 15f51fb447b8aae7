"""What the database holds of what was sent, counted by id."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psycopg
from psycopg.rows import class_row

from footfall import queries
from local.feeding.door import Door

SQL = queries.load(Path(__file__).parent)

# So long the count may stand still before what is missing is called missing.
STALLED_SECONDS = 150.0

Count = Literal["count_events", "count_interactions"]


@dataclass(frozen=True, slots=True)
class Stored:
    """How many of the ids are stored, and how many of those stand under another time than their own."""

    events: int
    moved: int


async def stored(door: Door, ids: Collection[str], count: Count) -> Stored:
    """How it is now."""
    async with _knowing(door, ids) as connection:
        return await _count(connection, count)


async def wait_for(
    door: Door, ids: Collection[str], count: Count, on_progress: Callable[[int], object]
) -> Stored:
    """Waits until all ids are stored, or none has come for a while."""
    last, since = -1, time.monotonic()
    while True:
        try:
            # Asked anew after a lost connection, as a restarted stack has another database.
            async with _knowing(door, ids) as connection:
                while True:
                    found = await _count(connection, count)
                    on_progress(found.events)
                    if found.events != last:
                        last, since = found.events, time.monotonic()
                    if found.events == len(ids) or time.monotonic() - since > STALLED_SECONDS:
                        return found
                    await asyncio.sleep(0.5)
        except (psycopg.OperationalError, ConnectionError):
            if time.monotonic() - since > STALLED_SECONDS:
                raise
            await asyncio.sleep(1.0)


@asynccontextmanager
async def _knowing(door: Door, ids: Collection[str]) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    facts = await door.local()
    async with await psycopg.AsyncConnection.connect(facts["database_url"], autocommit=True) as connection:
        await connection.execute(SQL["begin"])
        async with connection.cursor().copy(SQL["note"]) as copy:
            for event_id in ids:
                await copy.write_row((event_id,))
        await connection.execute(SQL["analyze"])
        yield connection


async def _count(connection: psycopg.AsyncConnection[Any], count: Count) -> Stored:
    cursor = await connection.cursor(row_factory=class_row(Stored)).execute(SQL[count])
    return (await cursor.fetchall())[0]
