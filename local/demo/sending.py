"""Sends the network's events as a product does: its server, its pages, and who is logged in on them."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from local.demo.visits import Leg
from local.feeding.door import Door, Event
from local.feeding.sending import Backlog, send_all

T = TypeVar("T")

EVENTS_PER_REQUEST = 500
REQUESTS_AT_ONCE = 8
# A message is some ten events; the consumers write so many in some seconds.
MOST_WAITING = 1_000


class Sending:
    """What was taken so far, and what was refused and why."""

    def __init__(self, door: Door, on_progress: Callable[[int], object]) -> None:
        self.backlog = Backlog(door, MOST_WAITING)
        self.taken: list[str] = []
        self.refused: list[str] = []
        self._door = door
        self._on_progress = on_progress
        self._tokens: dict[str, asyncio.Future[str]] = {}

    async def server(self, events: Iterable[Event]) -> None:
        """What the product's own server says."""
        await send_all(_batches(iter(events), EVENTS_PER_REQUEST), self._send_as_server, self.backlog)

    async def browsers(self, visits: Iterable[Sequence[Leg]]) -> None:
        """Visits, several at once; each in its order."""
        await send_all(visits, self._send_visit, self.backlog, REQUESTS_AT_ONCE)

    async def _send_as_server(self, events: Sequence[Event]) -> None:
        self._note(events, await self._door.send(events))

    async def _send_visit(self, legs: Sequence[Leg]) -> None:
        for leg in legs:
            headers = leg.device.headers
            if leg.user_id is None:
                refused = await self._door.send_as_page(leg.events, headers)
            else:
                token = await self._token(leg.user_id)
                refused = await self._door.send_as_user(leg.events, headers, token)
            self._note(leg.events, refused)

    async def _token(self, user_id: str) -> str:
        if user_id not in self._tokens:
            self._tokens[user_id] = asyncio.ensure_future(self._door.token(user_id))
        return await self._tokens[user_id]

    def _note(self, events: Sequence[Event], refused: Sequence[Event]) -> None:
        why = {one["index"]: one["error"] for one in refused}
        self.taken += (event["id"] for index, event in enumerate(events) if index not in why)
        self.refused += (f"{events[index]['id']}: {error}" for index, error in why.items())
        self._on_progress(len(events))


def _batches(items: Iterator[T], size: int) -> Iterator[list[T]]:
    while batch := list(islice(items, size)):
        yield batch
