"""The front door of the local stack, as a patient client sees it."""

import asyncio
from collections.abc import Sequence
from typing import Any

import aiohttp

# A stack that is killed and started again is back within this.
PATIENCE_SECONDS = 120.0
_AGAIN = frozenset({429, 500, 502, 503, 504})


class DoorError(ConnectionError):
    """The stack doesn't answer, or doesn't want what is sent; the message says which."""


class Door:
    """Sends events with the server key; what may have been lost on the way is sent again."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session
        self._local: dict[str, str] = {}

    async def local(self) -> dict[str, str]:
        """What the stack says of itself: addresses and keys.

        Raises:
            DoorError: nothing answers there.
        """
        try:
            async with self._session.get(f"{self._url}/local", raise_for_status=True) as answer:
                self._local = await answer.json()
        except (aiohttp.ClientError, TimeoutError):
            raise DoorError(f"nothing answers at {self._url}: start the stack with `make run`") from None
        return self._local

    async def send(self, events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The events that were refused, as the answer lists them.

        Raises:
            DoorError: the stack stayed away, or refused the request.
        """
        request = {"write_key": self._local["server_key"], "events": events}
        status, body = await self._post("/v1/events", request)
        if status not in (202, 400) or "rejected" not in body:
            raise DoorError(f"POST /v1/events answered {status}: {body.get('message', body)}")
        rejected: list[dict[str, Any]] = body["rejected"]
        return rejected

    async def invoke(self, function: str) -> dict[str, Any]:
        """What a function answers to an empty event."""
        _, body = await self._post(f"/2015-03-31/functions/{function}/invocations", {})
        return body

    async def _post(self, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        pause, waited = 0.1, 0.0
        while True:
            try:
                async with self._session.post(self._url + path, json=body) as answer:
                    if answer.status not in _AGAIN:
                        return answer.status, await answer.json(content_type=None)
                    reason = f"answers {answer.status}"
            except (aiohttp.ClientError, TimeoutError) as error:
                reason = f"doesn't answer ({type(error).__name__})"
            if waited > PATIENCE_SECONDS:
                raise DoorError(f"{self._url} {reason}, for {waited:.0f} seconds now")
            await asyncio.sleep(pause)
            waited += pause
            pause = min(pause * 2, 2.0)
