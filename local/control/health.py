"""Whether each part of the stack can do its work now."""

import asyncio
import sqlite3
from collections.abc import Mapping

import psycopg

from local.control.routes import Check
from local.queue.store import QueueStore
from local.runtime.pool import FunctionPool

_DATABASE_SECONDS = 3


async def database_error(url: str) -> str | None:
    """Why the database does not answer a query; None where it does."""
    try:
        async with asyncio.timeout(_DATABASE_SECONDS):
            connection = await psycopg.AsyncConnection.connect(url, connect_timeout=_DATABASE_SECONDS)
            async with connection:
                await connection.execute("SELECT 1")
    except (psycopg.Error, TimeoutError, OSError) as error:
        return " ".join(str(error).split()) or type(error).__name__
    return None


def checks(database_url: str, store: QueueStore, pools: Mapping[str, FunctionPool]) -> dict[str, Check]:
    """By the name that `GET /health` gives a failing part."""

    async def database() -> bool:
        return await database_error(database_url) is None

    async def queue() -> bool:
        try:
            for name in store.names():
                store.get(name).attributes()
        except sqlite3.Error:
            return False
        return True

    functions = {logical_id: _is_up(pool) for logical_id, pool in pools.items()}
    return {"database": database, "queue": queue, **functions}


def _is_up(pool: FunctionPool) -> Check:
    async def check() -> bool:
        return pool.healthy

    return check
