"""Values that JSON allows and Postgres doesn't: replaced where meaning survives.

NUL and lone surrogates, in values and keys    U+FFFD
NaN, infinities, numbers beyond a double       null
nesting deeper than 32                         null
"""

import math
import re
from typing import Any

from footfall.text import UNSTORABLE

MAX_DEPTH = 32

# Cheap tests of the raw bytes, so that a usual body is never walked through: an escaped NUL or surrogate …
_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_NUL = b"\\u0000"
# … or a number of so many digits that a double may not reach it. It shows in every thirtieth byte as ten
# digits in a row, which in a usual body chance hardly makes.
MANY_DIGITS = 300
_SAMPLED_DIGITS = 10
_DIGIT_TO_ZERO = bytes.maketrans(b"123456789", b"0" * 9)


def is_suspect(body: bytes) -> bool:
    """Whether a text in the body may need cleaning; numbers are seen to where they are read."""
    return _SUSPECT.search(body) is not None


def is_plain(body: bytes) -> bool:
    """Whether nothing in it needs cleaning, where lone surrogates, NaN and infinities are refused anyway."""
    if b"\\" in body and _NUL in body:
        return False
    sample = body[:: MANY_DIGITS // _SAMPLED_DIGITS].translate(_DIGIT_TO_ZERO)
    return b"0" * _SAMPLED_DIGITS not in sample


def clean(value: Any, depth: int = 0) -> Any:
    """The same value with nothing in it that can't be stored."""
    match value:
        case str():
            return UNSTORABLE.sub("\ufffd", value)
        case bool() | None:
            return value
        case int() | float():
            return value if _is_storable(value) else None
        case dict() if depth < MAX_DEPTH:
            return {UNSTORABLE.sub("\ufffd", key): clean(item, depth + 1) for key, item in value.items()}
        case list() if depth < MAX_DEPTH:
            return [clean(item, depth + 1) for item in value]
    return None


def _is_storable(number: float) -> bool:
    return number.bit_length() < 1024 if isinstance(number, int) else math.isfinite(number)
