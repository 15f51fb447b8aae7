"""Files as browsers like them: compressed once, and not sent again while they are the same."""

import base64
import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Any

from footfall.http import Answer, Request, names


@dataclass(frozen=True, slots=True)
class File:
    """A file, plain and gzipped, and what tells it from its other versions."""

    content_type: str
    plain: bytes
    gzipped: bytes
    tag: str

    @classmethod
    def read(cls, path: Path, content_type: str) -> "File":
        plain = path.read_bytes()
        return cls(content_type, plain, gzip.compress(plain, mtime=0), sha256(plain).hexdigest()[:16])


class FileAnswer(Answer):
    """An answer whose body is bytes."""

    @classmethod
    def to(cls, request: Request, file: File, more: Mapping[str, str]) -> "FileAnswer":
        """Gzipped for who takes that; `more` are headers, of caching above all."""
        gzips = "gzip" in request.headers.get("accept-encoding", "")
        headers = {
            **more,
            # Weak, as it names both encodings.
            "etag": f'W/"{file.tag}"',
            "vary": "accept-encoding",
            "content-type": file.content_type,
            "x-content-type-options": "nosniff",
        }
        if gzips:
            headers["content-encoding"] = "gzip"
        return cls(file.gzipped if gzips else file.plain, headers=headers)

    def to_gateway(self, known: str = "") -> dict[str, Any]:
        """304 for who has it."""
        headers = dict(self.headers or {})
        status, body = self.status, self.body
        if names(known, headers["etag"].removeprefix("W/")):
            status, body = HTTPStatus.NOT_MODIFIED, b""
            headers.pop("content-encoding", None)
        return {
            "statusCode": int(status),
            "headers": headers,
            "body": base64.b64encode(body).decode(),
            "isBase64Encoded": True,
        }
