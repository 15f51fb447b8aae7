"""The queue's send side."""

from collections.abc import Iterable
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from footfall.errors import QueueUnavailableError

# SQS takes 1 MiB a message.
MAX_MESSAGE_BYTES = 1024 * 1024


class Sender:
    """Sends to one queue; gives up within three seconds, as a user waits and will send again."""

    def __init__(self, queue_url: str) -> None:
        self._queue_url = queue_url
        patience = Config(connect_timeout=1, read_timeout=1.4, retries={"total_max_attempts": 1})
        # The URL says the region, but the client wants to hear it; the runtime sets AWS_REGION.
        self._client: Any = boto3.client("sqs", config=patience)

    def send(self, bodies: Iterable[str]) -> None:
        """All of them, or an error: what was sent before it counts once when the client sends it all again.

        Raises:
            QueueUnavailableError: the queue didn't take one.
        """
        for body in bodies:
            try:
                self._send(body)
            except (BotoCoreError, ClientError) as error:
                raise QueueUnavailableError(f"{type(error).__name__}: {error}") from error

    def _send(self, body: str) -> None:
        # A connection that died while the function was frozen deserves a second try. It is ours, because
        # botocore would first wait up to a second, which the three don't leave.
        try:
            self._client.send_message(QueueUrl=self._queue_url, MessageBody=body)
        except (BotoCoreError, ClientError):
            self._client.send_message(QueueUrl=self._queue_url, MessageBody=body)
