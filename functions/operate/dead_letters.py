"""Sends messages from the dead-letter queue back; says what waits there, and in the queue.

A message is deleted after it was sent: what happens in between only repeats it, and its events count once.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from footfall.errors import QueueUnavailableError

STEP_SECONDS = 8.0
# Of ten messages of 1 MiB, which a step must have sent when others may receive them again.
HIDDEN_SECONDS = 60
# A look: whoever replays meanwhile waits for the messages. A dead-letter queue has no maxReceiveCount, so
# looking gives nothing up.
LOOK_SECONDS = 2
WAITING, IN_FLIGHT = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"


class DeadLetters:
    """One queue, and the one that its messages came from. `clock` gives seconds from any moment on."""

    def __init__(self, url: str, target_url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._target_url = target_url
        self._clock = clock
        address = urlsplit(url)
        patience = Config(connect_timeout=1, read_timeout=5, retries={"total_max_attempts": 2})
        self._client: Any = boto3.client(
            "sqs", endpoint_url=f"{address.scheme}://{address.netloc}", config=patience
        )

    def send_back(self) -> dict[str, Any]:
        """As many messages as eight seconds allow.

        Raises:
            QueueUnavailableError: those that were sent are gone from here, but for the last.
        """
        latest, sent = self._clock() + STEP_SECONDS, 0
        try:
            while self._clock() < latest:
                messages = self._receive()
                # What somebody looks at, or another replay has, comes again.
                if not messages and not self.waiting():
                    return _step(sent, 0)
                for message in messages:
                    self._move(message)
                    sent += 1
            return _step(sent, self._left())
        except (BotoCoreError, ClientError) as error:
            raise QueueUnavailableError(f"{type(error).__name__}: {error}") from error

    def look(self) -> list[dict[str, Any]]:
        """Ten messages at most, which stay; some may be hidden from others for two seconds.

        Raises:
            QueueUnavailableError: there is no way to the queue.
        """
        try:
            return self._receive(LOOK_SECONDS, ["SentTimestamp"])
        except (BotoCoreError, ClientError) as error:
            raise QueueUnavailableError(f"{type(error).__name__}: {error}") from error

    def waiting(self) -> int:
        """About how many there are, those that somebody just looks at included.

        Raises:
            QueueUnavailableError: there is no way to the queue.
        """
        return sum(self._counts(self._url).values())

    def target(self) -> dict[str, int]:
        """About how many messages of the queue wait, and how many are being written.

        Raises:
            QueueUnavailableError: there is no way to the queue.
        """
        counts = self._counts(self._target_url)
        return {"waiting": counts[WAITING], "in_flight": counts[IN_FLIGHT]}

    def _counts(self, url: str) -> dict[str, int]:
        names = [WAITING, IN_FLIGHT]
        try:
            answer = self._client.get_queue_attributes(QueueUrl=url, AttributeNames=names)
        except (BotoCoreError, ClientError) as error:
            raise QueueUnavailableError(f"{type(error).__name__}: {error}") from error
        return {name: int(answer["Attributes"][name]) for name in names}

    def _receive(
        self, hidden_seconds: int = HIDDEN_SECONDS, attributes: Sequence[str] = ()
    ) -> list[dict[str, Any]]:
        # Waiting asks all of SQS's servers; else a few messages may seem to be none.
        answer = self._client.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=hidden_seconds,
            WaitTimeSeconds=1,
            MessageSystemAttributeNames=list(attributes),
        )
        found: list[dict[str, Any]] = answer.get("Messages", [])
        return found

    def _move(self, message: dict[str, Any]) -> None:
        self._client.send_message(QueueUrl=self._target_url, MessageBody=message["Body"])
        self._client.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])

    def _left(self) -> int:
        """About; at least one, as nobody has seen the end."""
        return max(self.waiting(), 1)


def _step(sent: int, left: int) -> dict[str, Any]:
    return {"replayed": sent, "stayed": {}, "left": left, "after": None, "finished": left == 0}
