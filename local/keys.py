"""The write key of pages and the key of servers that the local stack makes once and keeps."""

import hashlib
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Keys:
    browser_key: str
    server_key: str


def keep_keys(path: Path) -> Keys:
    """Of the file, which is made if missing, readable by its owner alone. Raises ValueError naming it."""
    try:
        return Keys(**json.loads(path.read_text()))
    except FileNotFoundError:
        keys = Keys(f"local_browser_{secrets.token_urlsafe(18)}", f"local_server_{secrets.token_urlsafe(24)}")
    except (ValueError, TypeError):
        raise ValueError(f"{path} holds no keys; without the file new ones are made") from None
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(keys), file)
    unfinished.replace(path)
    return keys


def digest(key: str) -> str:
    """SHA-256 in hex, as the template's parameters take it."""
    return hashlib.sha256(key.encode()).hexdigest()
