"""Values that JSON allows and Postgres doesn't: replaced where meaning survives.

NUL and lone surrogates, in values and keys    U+FFFD
NaN, infinities, numbers beyond a double       null
nesting deeper than 32                         null
"""

import math
import re
from typing import Any

MAX_DEPTH = 32

# A cheap test of the raw bytes, so that a usual body is never walked through: an escaped NUL or surrogate.
_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def is_suspect(body: bytes) -> bool:
    """Whether a text in the body may need cleaning; numbers are seen to where they are read."""
    return _SUSPECT.search(body) is not None


def clean(value: Any, depth: int = 0) -> Any:
    """The same value with nothing in it that can't be stored."""
    match value:
        case str():
            return _UNSTORABLE.sub("\ufffd", value)
        case bool() | None:
            return value
        case int() | float():
            return value if _is_storable(value) else None
        case dict() if depth < MAX_DEPTH:
            return {_UNSTORABLE.sub("\ufffd", key): clean(item, depth + 1) for key, item in value.items()}
        case list() if depth < MAX_DEPTH:
            return [clean(item, depth + 1) for item in value]
    return None


def _is_storable(number: float) -> bool:
    return number.bit_length() < 1024 if isinstance(number, int) else math.isfinite(number)
