"""What SQS accepts and refuses: queue attributes, message contents, sizes; and the errors in AWS's words."""

import hashlib
import json
import re
import struct
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

ACCOUNT = "000000000000"
ARN_PREFIX = f"arn:aws:sqs:us-east-1:{ACCOUNT}:"
MAXIMUM_SIZE = 1_048_576
MAXIMUM_VISIBILITY = 43_200

_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ATTRIBUTE_NAME = re.compile(
    r"(?!(?:aws|amazon)\.)(?!.*\.\.)(?!\.)[A-Za-z0-9_.-]{1,256}(?<!\.)", re.IGNORECASE
)
_DATA_TYPE = re.compile(r"(String|Number|Binary)(\.[A-Za-z0-9_.-]{1,248})?")
_RANGES = {
    "DelaySeconds": (0, 900),
    "MaximumMessageSize": (1024, MAXIMUM_SIZE),
    "MessageRetentionPeriod": (60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": (0, 20),
    "VisibilityTimeout": (0, MAXIMUM_VISIBILITY),
}
_DEFAULTS = {
    "DelaySeconds": "0",
    "MaximumMessageSize": str(MAXIMUM_SIZE),
    "MessageRetentionPeriod": "345600",
    "ReceiveMessageWaitTimeSeconds": "0",
    "SqsManagedSseEnabled": "true",
    "VisibilityTimeout": "30",
}
# Kept and given back, without effect on one machine.
_KEPT = {
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "Policy",
    "RedriveAllowPolicy",
    "SqsManagedSseEnabled",
}
SETTABLE = frozenset(_RANGES) | _KEPT | {"RedrivePolicy"}


class QueueError(Exception):
    """A request that the queue refuses; `shape` and `code` are AWS's names for it, new and old."""

    shape: ClassVar[str]
    code: ClassVar[str]
    status: ClassVar[int]

    def __init_subclass__(cls, code: str = "", status: int = 400) -> None:
        cls.shape = cls.__name__.removesuffix("Error")
        cls.code, cls.status = code or cls.shape, status


class QueueDoesNotExistError(QueueError, code="AWS.SimpleQueueService.NonExistentQueue"):
    """No queue has this name."""


class QueueNameExistsError(QueueError, code="QueueAlreadyExists"):
    """A queue of this name has other attributes."""


class InvalidAttributeNameError(QueueError):
    """No such queue attribute."""


class InvalidAttributeValueError(QueueError):
    """A queue attribute is out of its range."""


class InvalidMessageContentsError(QueueError):
    """A message holds characters that SQS does not carry."""


class InvalidParameterValueError(QueueError):
    """A parameter is out of its range."""


class MessageNotInflightError(QueueError, code="AWS.SimpleQueueService.MessageNotInflight"):
    """The message is visible, so its visibility cannot change."""


class ReceiptHandleIsInvalidError(QueueError):
    """Not a receipt handle of this queue."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a queue's attributes mean; times in seconds, size in bytes."""

    visibility_timeout: int
    delay: int
    retention: int
    wait: int
    maximum_size: int
    dead_letter_queue: str | None
    maximum_receives: int


def checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InvalidParameterValueError(
            f"Queue name {name!r}: use 1 to 80 letters, digits, hyphens, underscores (no FIFO queues)"
        )
    return name


def settings(attributes: Mapping[str, str]) -> Settings:
    """The meaning of these attributes; raises InvalidAttributeNameError or InvalidAttributeValueError."""
    for name, value in attributes.items():
        if name not in SETTABLE:
            raise InvalidAttributeNameError(f"Unknown Attribute {name}.")
        if name in _RANGES and not in_range(value, *_RANGES[name]):
            raise InvalidAttributeValueError(f"Invalid value for the parameter {name}: {value!r}.")
    values = _DEFAULTS | dict(attributes)
    target, receives = _redrive(attributes.get("RedrivePolicy", ""))
    return Settings(
        visibility_timeout=int(values["VisibilityTimeout"]),
        delay=int(values["DelaySeconds"]),
        retention=int(values["MessageRetentionPeriod"]),
        wait=int(values["ReceiveMessageWaitTimeSeconds"]),
        maximum_size=int(values["MaximumMessageSize"]),
        dead_letter_queue=target,
        maximum_receives=receives,
    )


def described(attributes: Mapping[str, str]) -> dict[str, str]:
    """The attributes with AWS's defaults where none is set."""
    return _DEFAULTS | dict(attributes)


def in_range(value: object, low: int, high: int) -> bool:
    digits = str(value) if isinstance(value, int | str) else ""
    return digits.isdecimal() and len(digits) < 10 and low <= int(digits) <= high


def _redrive(policy: str) -> tuple[str | None, int]:
    if not policy:
        return None, 0
    try:
        fields = json.loads(policy)
        target, receives = str(fields["deadLetterTargetArn"]), fields["maxReceiveCount"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InvalidAttributeValueError(
            f"RedrivePolicy needs deadLetterTargetArn and maxReceiveCount: {policy!r}"
        ) from None
    if not target.startswith(ARN_PREFIX):
        raise InvalidAttributeValueError(
            f"RedrivePolicy: deadLetterTargetArn {target!r} is not {ARN_PREFIX}NAME"
        )
    if not in_range(receives, 1, 1000):
        raise InvalidAttributeValueError(f"RedrivePolicy: maxReceiveCount {receives!r} is not within 1..1000")
    return target.removeprefix(ARN_PREFIX), int(receives)


def checked_visibility(seconds: int) -> int:
    if not in_range(seconds, 0, MAXIMUM_VISIBILITY):
        raise InvalidParameterValueError(
            f"Value {seconds} for parameter VisibilityTimeout is invalid. "
            f"Reason: Must be between 0 and {MAXIMUM_VISIBILITY}."
        )
    return seconds


def check_message(body: str, attributes: Mapping[str, Any], limit: int) -> None:
    """Refuse what SQS refuses to carry; `limit` in bytes, attributes included."""
    if not body:
        raise InvalidParameterValueError(
            "The message body is empty: MessageBody needs at least one character."
        )
    check_characters(body)
    if len(attributes) > 10:
        raise InvalidParameterValueError(
            f"Number of message attributes [{len(attributes)}] exceeds the allowed 10."
        )
    for name, value in attributes.items():
        _check_attribute(name, value)
    if message_size(body, attributes) > limit:
        raise InvalidParameterValueError(
            f"One or more parameters are invalid. Reason: Message must be shorter than {limit} bytes."
        )


def check_characters(text: str) -> None:
    if found := _FORBIDDEN.search(text):
        raise InvalidMessageContentsError(
            f"Invalid character #x{ord(found.group()):X} at {found.start()}: allowed are "
            "#x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"
        )


def _check_attribute(name: str, attribute: Any) -> None:
    if not _ATTRIBUTE_NAME.fullmatch(name):
        raise InvalidParameterValueError(f"The message attribute name {name!r} is invalid.")
    kind = _DATA_TYPE.fullmatch(str(attribute.get("DataType"))) if isinstance(attribute, dict) else None
    if kind is None:
        raise InvalidParameterValueError(
            f"The message attribute '{name}' needs a DataType: String, Number or Binary."
        )
    field = "BinaryValue" if kind[1] == "Binary" else "StringValue"
    value = attribute.get(field)
    if not isinstance(value, str) or not value:
        raise InvalidParameterValueError(f"The message attribute '{name}' must contain a non-empty {field}.")
    if field == "StringValue":
        check_characters(value)
    elif not _decoded(value):
        raise InvalidParameterValueError(
            f"The message attribute '{name}' has a BinaryValue that is not base64."
        )


def _decoded(value: str) -> bytes:
    try:
        return b64decode(value, validate=True)
    except ValueError:
        return b""


def message_size(body: str, attributes: Mapping[str, Any]) -> int:
    """Bytes that count against the limit: body, and each attribute's name, type and value."""
    sizes = (sum(map(len, _parts(name, value))) for name, value in attributes.items())
    return len(_utf8(body)) + sum(sizes)


def _parts(name: str, attribute: Any) -> tuple[bytes, bytes, bytes]:
    fields = attribute if isinstance(attribute, dict) else {}
    data_type = str(fields.get("DataType", ""))
    binary = data_type.startswith("Binary")
    value = _decoded(str(fields.get("BinaryValue"))) if binary else _utf8(str(fields.get("StringValue", "")))
    return _utf8(name), _utf8(data_type), value


def _utf8(text: str) -> bytes:
    # Half a surrogate pair has no UTF-8. It is refused for what it is, but a batch is measured before.
    return text.encode("utf-8", "surrogatepass")


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def md5_of_attributes(attributes: Mapping[str, Any]) -> str:
    """The digest that SDKs compare: name, type and value by length, in the order of names."""
    packed = bytearray()
    for name in sorted(attributes):
        encoded_name, data_type, value = _parts(name, attributes[name])
        packed += struct.pack(">I", len(encoded_name)) + encoded_name
        packed += struct.pack(">I", len(data_type)) + data_type
        packed += b"\x02" if data_type.startswith(b"Binary") else b"\x01"
        packed += struct.pack(">I", len(value)) + value
    return md5(bytes(packed))
