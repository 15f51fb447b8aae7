"""The front door of the local stack, as a patient client sees it."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp

# A stack that is killed and started again is back within this.
PATIENCE_SECONDS = 120.0
_AGAIN = frozenset({429, 500, 502, 503, 504})
_LEARNING_RUNS = 60

Event = dict[str, Any]


class DoorError(ConnectionError):
    """The stack doesn't answer, or doesn't want what is sent; the message says which."""


class Door:
    """Speaks as a server, a page or a user; what may have been lost on the way is sent again."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session
        self._local: dict[str, str] = {}

    async def local(self) -> dict[str, str]:
        """What the stack says of itself: addresses and keys.

        Raises:
            DoorError: nothing answers there.
        """
        try:
            async with self._session.get(f"{self.url}/local", raise_for_status=True) as answer:
                self._local = await answer.json()
        except (aiohttp.ClientError, TimeoutError):
            raise DoorError(f"nothing answers at {self.url}: start the stack with `make run`") from None
        return self._local

    async def send(self, events: Sequence[Event]) -> list[dict[str, Any]]:
        """Sends as a server: the events that were refused, as the answer lists them.

        Raises:
            DoorError: the stack stayed away, or refused the request; so in the other ways to send.
        """
        return await self._send("/v1/events", {"write_key": self._local["server_key"], "events": events})

    async def send_as_page(self, events: Sequence[Event], headers: Mapping[str, str]) -> list[dict[str, Any]]:
        """Sends as a page of which nobody knows whose it is; `headers` are its device's."""
        body = {"write_key": self._local["browser_key"], "events": events}
        return await self._send("/v1/events", body, headers)

    async def send_as_user(
        self, events: Sequence[Event], headers: Mapping[str, str], token: str
    ) -> list[dict[str, Any]]:
        """Sends as a page in which the token's user is logged in."""
        bearer = {"authorization": f"Bearer {token}"}
        return await self._send("/v1/me/events", {"events": events}, {**headers, **bearer})

    async def token(self, user: str) -> str:
        """What the user's browser holds after a login."""
        _, body = await self._ask("POST", "/local/token", {"sub": user})
        return str(body["access_token"])

    async def get(self, path: str) -> dict[str, Any]:
        """What a server is answered.

        Raises:
            DoorError: it isn't.
        """
        bearer = {"authorization": f"Bearer {self._local['server_key']}"}
        status, body = await self._ask("GET", path, headers=bearer)
        if status != 200:
            raise DoorError(f"GET {path} answered {status}: {body.get('message', body)}")
        return body

    async def invoke(self, function: str) -> dict[str, Any]:
        """What a function answers to an empty event."""
        _, body = await self._ask("POST", f"/2015-03-31/functions/{function}/invocations", {})
        return body

    async def learn(self) -> int:
        """Has analyze look at everyone now instead of at its next tick; says at how many it looked."""
        users = 0
        for _ in range(_LEARNING_RUNS):
            answer = await self.invoke("AnalyzeFunction")
            users += int(answer.get("users", 0))
            if answer.get("finished", True):
                break
            await asyncio.sleep(0.5)
        return users

    async def waiting(self) -> int:
        """How many messages are in the queue, those that are being written among them.

        Raises:
            DoorError: the queue doesn't answer now.
        """
        # A restarted stack has another address for its queue.
        facts = await self.local()
        counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        question = {"QueueUrl": facts["queue_url"], "AttributeNames": counts}
        headers = {"X-Amz-Target": "AmazonSQS.GetQueueAttributes"}
        try:
            async with self._session.post(facts["sqs_endpoint"], json=question, headers=headers) as answer:
                said = await answer.json(content_type=None)
                return sum(int(said["Attributes"][count]) for count in counts)
        except (aiohttp.ClientError, TimeoutError, KeyError, ValueError):
            raise DoorError(f"the queue at {facts['sqs_endpoint']} doesn't answer") from None

    async def _send(
        self, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> list[dict[str, Any]]:
        status, answer = await self._ask("POST", path, body, headers)
        if status not in (202, 400) or "rejected" not in answer:
            raise DoorError(f"POST {path} answered {status}: {answer.get('message', answer)}")
        rejected: list[dict[str, Any]] = answer["rejected"]
        return rejected

    async def _ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        pause, waited = 0.1, 0.0
        while True:
            request = self._session.request(method, self.url + path, json=body, headers=headers)
            try:
                async with request as answer:
                    if answer.status not in _AGAIN:
                        return answer.status, await answer.json(content_type=None)
                    reason = f"answers {answer.status}"
            except (aiohttp.ClientError, TimeoutError) as error:
                reason = f"doesn't answer ({type(error).__name__})"
            if waited > PATIENCE_SECONDS:
                raise DoorError(f"{self.url} {reason}, for {waited:.0f} seconds now")
            await asyncio.sleep(pause)
            waited += pause
            pause = min(pause * 2, 2.0)
