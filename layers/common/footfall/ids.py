"""Ids as callers send them, and the UUIDs that the tables hold.

A UUID is kept. Any other text becomes a name-based UUID (version 5, RFC 9562), the same one for ever; the
text itself is stored once in `external_ids`, and every answer gives it back.
"""

import re
import secrets
import time
import uuid
from functools import lru_cache
from typing import Literal

Kind = Literal["user", "anonymous", "session", "content", "event", "feed"]

NAMESPACE = uuid.UUID("0f00f411-0000-5000-8000-f00f411f00f4")
MAX_LENGTH = 255

# Placeholders that broken clients send for "nobody"; taken as ids they would merge strangers.
JUNK = frozenset(
    {"", "0", "null", "undefined", "none", "nil", "nan", "true", "false", "[object object]", "{}"}
)

_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}", re.ASCII)
_NIL = "00000000-0000-0000-0000-000000000000"


def is_junk(value: str) -> bool:
    return value.strip().lower() in JUNK or value == _NIL


def is_uuid(value: str) -> bool:
    return _UUID.fullmatch(value) is not None


def is_kept(kind: Kind, value: str) -> bool:
    """Whether a value is a UUID that stands for itself. Of sessions, version 8 is what the server makes."""
    return is_uuid(value) and not (kind == "session" and value[14] == "8")


@lru_cache(maxsize=16_384)
def to_uuid(kind: Kind, value: str) -> str:
    """The UUID that stands for `value`, in canonical form."""
    if is_kept(kind, value):
        return value.lower()
    return str(uuid.uuid5(NAMESPACE, f"{kind}:{value}"))


def uuid7(milliseconds: int | None = None) -> str:
    """A UUID of version 7 (RFC 9562): 48 bits of Unix milliseconds, then random bits."""
    stamp = int(time.time() * 1000) if milliseconds is None else milliseconds
    value = (stamp & 0xFFFF_FFFF_FFFF) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=value))
