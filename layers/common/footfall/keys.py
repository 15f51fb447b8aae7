"""Write keys and server keys: only their digests are stored."""

import hashlib
import hmac
from collections.abc import Collection


def digest(key: str) -> str:
    """The SHA-256 hex digest under which a key is configured."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def matches(key: str, hashes: Collection[str]) -> bool:
    """Whether the key is one of those, in a time that doesn't tell which or how nearly."""
    presented = digest(key)
    found = False
    for known in hashes:
        found |= hmac.compare_digest(presented, known.lower())
    return found
