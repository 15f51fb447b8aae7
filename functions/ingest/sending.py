"""The queue's send side."""

import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from footfall.errors import QueueUnavailableError

# SQS takes 1 MiB a message.
MAX_MESSAGE_BYTES = 1024 * 1024
# A try that begins at the last moment ends three seconds after the first began.
CONNECT_SECONDS = 0.5
READ_SECONDS = 1.0
LAST_TRY_SECONDS = 1.5


class Sender:
    """Sends to one queue; gives up within three seconds, as a user waits and will send again.

    `clock` gives seconds from any moment on.
    """

    def __init__(self, queue_url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._queue_url = queue_url
        self._clock = clock
        patience = Config(
            connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS, retries={"total_max_attempts": 1}
        )
        # The queue's URL alone says where SQS is; for the signature the runtime sets AWS_REGION.
        address = urlsplit(queue_url)
        origin = f"{address.scheme}://{address.netloc}"
        self._client: Any = boto3.client("sqs", endpoint_url=origin, config=patience)

    def send(self, bodies: Iterable[str]) -> None:
        """All of them, or an error: what was sent before it counts once when the client sends it all again.

        Raises:
            QueueUnavailableError: the queue didn't take one, or not all in time.
        """
        latest = self._clock() + LAST_TRY_SECONDS
        for body in bodies:
            try:
                self._send(body, latest)
            except (BotoCoreError, ClientError) as error:
                raise QueueUnavailableError(f"{type(error).__name__}: {error}") from error

    def _send(self, body: str, latest: float) -> None:
        if self._clock() >= latest:
            raise QueueUnavailableError(f"the queue didn't take all within {LAST_TRY_SECONDS} seconds")
        try:
            self._client.send_message(QueueUrl=self._queue_url, MessageBody=body)
        except (BotoCoreError, ClientError):
            # A connection that died while the function was frozen deserves a second try. It is ours, because
            # botocore would first wait up to a second, which the three don't leave.
            if self._clock() >= latest:
                raise
            self._client.send_message(QueueUrl=self._queue_url, MessageBody=body)
