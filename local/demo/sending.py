"""Sends the network's events as a product does.

Its server says what it knows itself, and passes on what its app tells it. Pages send for themselves, with a
token where somebody is logged in, and so does the app where somebody logs in.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from local.demo.visits import Leg
from local.feeding.door import Door, Event
from local.feeding.sending import Backlog, send_all

T = TypeVar("T")

EVENTS_PER_REQUEST = 500
EVENTS_PER_FORWARD = 100
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
        await send_all(self._requests(visits), lambda send: send(), self.backlog, REQUESTS_AT_ONCE)

    def _requests(self, visits: Iterable[Sequence[Leg]]) -> Iterator[Callable[[], Coroutine[Any, Any, None]]]:
        waiting: list[Event] = []
        for legs in visits:
            if len(legs) > 1 or not legs[0].device.is_app:
                yield partial(self._send_visit, legs)
                continue
            waiting += map(partial(_forwarded, legs[0]), legs[0].events)
            if len(waiting) >= EVENTS_PER_FORWARD:
                yield partial(self._send_as_server, waiting)
                waiting = []
        if waiting:
            yield partial(self._send_as_server, waiting)

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


def _forwarded(leg: Leg, event: Event) -> Event:
    said = {**event, "context": {**event["context"], **leg.device.forwarded}}
    return said | ({"user_id": leg.user_id} if leg.user_id else {})


def _batches(items: Iterator[T], size: int) -> Iterator[list[T]]:
    while batch := list(islice(items, size)):
        yield batch
