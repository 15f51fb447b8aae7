"""The sample triggers of `events/`, as AWS sends them."""

import base64
import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "events"


def load(name: str) -> dict[str, Any]:
    """A fresh copy of `events/<name>.json`."""
    sample: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return sample


def with_body(name: str, body: bytes) -> dict[str, Any]:
    """The sample with another body, in base64 as the gateway hands on what may be no text."""
    return {**load(name), "body": base64.b64encode(body).decode(), "isBase64Encoded": True}
