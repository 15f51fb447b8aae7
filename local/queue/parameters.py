"""Reads what an SQS request says, and refuses what AWS refuses about its form."""

import re
from typing import Any, TypeVar

from local.queue.rules import MAXIMUM_SIZE, InvalidParameterValueError, QueueError, message_size

T = TypeVar("T")
_ENTRY_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")


class SerializationError(QueueError, code="SerializationException"):
    """The request is not JSON of the shape the action takes."""


class MissingParameterError(QueueError):
    """The action needs a parameter that is not there."""


class EmptyBatchRequestError(QueueError, code="AWS.SimpleQueueService.EmptyBatchRequest"):
    """A batch without entries."""


class TooManyEntriesInBatchRequestError(
    QueueError, code="AWS.SimpleQueueService.TooManyEntriesInBatchRequest"
):
    """A batch of more than ten."""


class BatchEntryIdsNotDistinctError(QueueError, code="AWS.SimpleQueueService.BatchEntryIdsNotDistinct"):
    """Two entries of a batch share an id."""


class InvalidBatchEntryIdError(QueueError, code="AWS.SimpleQueueService.InvalidBatchEntryId"):
    """An entry's id holds other than letters, digits, hyphens and underscores, or is too long."""


class BatchRequestTooLongError(QueueError, code="AWS.SimpleQueueService.BatchRequestTooLong"):
    """The messages of a batch are together larger than one may be."""


class Parameters:
    """The JSON object of a request or of one entry, read by type."""

    def __init__(self, fields: object) -> None:
        if not isinstance(fields, dict):
            raise SerializationError("Expected a JSON object.")
        self._fields: dict[str, Any] = fields

    def __contains__(self, name: str) -> bool:
        return self._fields.get(name) is not None

    def text(self, name: str) -> str:
        if name not in self:
            raise MissingParameterError(f"The request must contain the parameter {name}.")
        return self._typed(name, str, "")

    def optional_text(self, name: str) -> str:
        return self._typed(name, str, "")

    def number(self, name: str, low: int, high: int) -> int | None:
        """None where it is absent."""
        if name not in self:
            return None
        value = self._typed(name, int, 0)
        if isinstance(value, bool) or not low <= value <= high:
            raise InvalidParameterValueError(
                f"Value {value} for parameter {name} is invalid. "
                f"Reason: Must be between {low} and {high}, if provided."
            )
        return value

    def texts(self, name: str) -> list[str]:
        values = self._typed(name, list, [])
        if not all(isinstance(value, str) for value in values):
            raise SerializationError(f"{name} must be a list of strings.")
        return values

    def text_map(self, name: str) -> dict[str, str]:
        values = self.map(name)
        if not all(isinstance(value, str) for value in values.values()):
            raise SerializationError(f"{name} must map strings to strings.")
        return values

    def map(self, name: str) -> dict[str, Any]:
        return self._typed(name, dict, {})

    def entries(self) -> "dict[str, Parameters]":
        """A batch's entries by id."""
        entries = [Parameters(entry) for entry in self._typed("Entries", list, [])]
        if not entries:
            raise EmptyBatchRequestError("There should be at least one entry in the request.")
        if len(entries) > 10:
            raise TooManyEntriesInBatchRequestError(
                f"Maximum number of entries per request are 10. You have sent {len(entries)}."
            )
        by_id = {_entry_id(entry): entry for entry in entries}
        if len(by_id) < len(entries):
            raise BatchEntryIdsNotDistinctError("Two entries of the batch have the same Id.")
        return by_id

    def check_batch_size(self) -> None:
        size = sum(
            message_size(entry.optional_text("MessageBody"), entry.map("MessageAttributes"))
            for entry in self.entries().values()
        )
        if size > MAXIMUM_SIZE:
            raise BatchRequestTooLongError(
                f"Batch requests cannot be longer than {MAXIMUM_SIZE} bytes. You have sent {size} bytes."
            )

    def _typed(self, name: str, kind: type[T], default: T) -> T:
        value = self._fields.get(name)
        if value is None:
            return default
        if not isinstance(value, kind):
            raise SerializationError(f"{name} must be of type {kind.__name__}, not {type(value).__name__}.")
        return value


def _entry_id(entry: Parameters) -> str:
    entry_id = entry.text("Id")
    if not _ENTRY_ID.fullmatch(entry_id):
        raise InvalidBatchEntryIdError(
            "A batch entry id can only contain alphanumeric characters, hyphens and underscores. "
            f"It can be at most 80 letters long: {entry_id!r}."
        )
    return entry_id
