"""A message as it is received, and the handle of one receipt."""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any, NamedTuple

from local.queue.rules import ACCOUNT, ReceiptHandleIsInvalidError, md5

_RECEIPT = re.compile(r"(\d{1,18}) (\d{1,18}) (\d{1,18}) ([0-9a-f-]{36})")


@dataclass(frozen=True, slots=True)
class Message:
    """A received message. `message_attributes` as in AWS's JSON protocol, binary values in base64."""

    id: str
    body: str
    receipt_handle: str
    md5_of_body: str
    attributes: dict[str, str]
    message_attributes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SentMessage:
    """What a sender learns."""

    id: str
    md5_of_body: str


class Receipt(NamedTuple):
    """Which receive of which message: a later one makes it stale. `queue` is the queue's number."""

    sequence: int
    queue: int
    received: int
    message_id: str

    @property
    def handle(self) -> str:
        return urlsafe_b64encode(" ".join(map(str, self)).encode()).decode()


def receipt(handle: str, queue: int) -> Receipt:
    """What the handle says; raises ReceiptHandleIsInvalidError if no such queue gave it."""
    try:
        fields = _RECEIPT.fullmatch(urlsafe_b64decode(handle).decode())
    except ValueError:
        fields = None
    if fields is None:
        raise ReceiptHandleIsInvalidError(
            f'The input receipt handle "{handle}" is not a valid receipt handle.'
        )
    if int(fields[2]) != queue:
        raise ReceiptHandleIsInvalidError(f'The input receipt handle "{handle}" is of another queue.')
    return Receipt(int(fields[1]), queue, int(fields[3]), fields[4])


def received_message(row: tuple[Any, ...], queue: int, now: int) -> Message:
    """The message of a row of the query `next`, received at `now` milliseconds."""
    sequence, message_id, sent_at, first_received_at, received, moved_from, body, attributes, trace = row
    system = {
        "SenderId": ACCOUNT,
        "SentTimestamp": str(sent_at),
        "ApproximateReceiveCount": str(received + 1),
        "ApproximateFirstReceiveTimestamp": str(first_received_at or now),
    }
    system |= {"DeadLetterQueueSourceArn": moved_from} if moved_from else {}
    system |= {"AWSTraceHeader": trace} if trace else {}
    handle = Receipt(sequence, queue, received + 1, message_id).handle
    return Message(message_id, body, handle, md5(body.encode()), system, json.loads(attributes))
