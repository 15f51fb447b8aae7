"""Requests under way: a few at once, and none while the queue is long."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from local.feeding.door import Door, DoorError

T = TypeVar("T")

REQUESTS_AT_ONCE = 4


class Backlog:
    """What waits in the queue, measured `every` so many seconds.

    Sending stops above `most` messages and goes on below half of it, so the queue never holds more than
    `most` and what is sent between two measurements.
    """

    def __init__(self, door: Door, most: int, every: float = 0.25) -> None:
        self.longest = 0
        self._every = every
        self._door = door
        self._most = most
        self._room = asyncio.Event()
        self._room.set()

    async def room(self) -> None:
        """Returns when another request may be sent."""
        await self._room.wait()

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Measures as long as the context lasts."""
        watch = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watch.cancel()

    async def _watch(self) -> None:
        while True:
            # While it doesn't answer, what was decided last holds, and whoever sends notices the outage.
            with suppress(DoorError):
                self.note(await self._door.waiting())
            await asyncio.sleep(self._every)

    def note(self, waiting: int) -> None:
        """Decides by one measurement."""
        self.longest = max(self.longest, waiting)
        if waiting > self._most:
            self._room.clear()
        elif waiting < self._most / 2:
            self._room.set()


async def send_all(
    items: Iterable[T],
    send: Callable[[T], Awaitable[None]],
    backlog: Backlog,
    at_once: int = REQUESTS_AT_ONCE,
) -> None:
    """Sends each item, the first ones first; what one raises ends it."""
    under_way: set[asyncio.Future[None]] = set()
    try:
        async with backlog.watched():
            for item in items:
                await backlog.room()
                under_way.add(asyncio.ensure_future(send(item)))
                if len(under_way) == at_once:
                    done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                    await asyncio.gather(*done)
            await asyncio.gather(*under_way)
    finally:
        # Nobody would hear of what is still under way when this ends early.
        for sending in under_way:
            sending.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
