"""Files as browsers like them: compressed once, and not sent again while they are the same."""

import base64
import gzip
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Any

from footfall.http import Answer, Request


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
    def to(cls, request: Request, file: File) -> "FileAnswer":
        """304 for who has it; gzipped for who takes that. Pages of any origin may use it."""
        gzips = "gzip" in request.headers.get("accept-encoding", "")
        # Weak, as it names both encodings.
        tag = f'W/"{file.tag}"'
        headers = {
            "cache-control": "public, max-age=3600, stale-while-revalidate=86400",
            "cross-origin-resource-policy": "cross-origin",
            "etag": tag,
            "vary": "accept-encoding",
        }
        if tag in request.headers.get("if-none-match", ""):
            return cls(b"", HTTPStatus.NOT_MODIFIED, headers)
        headers |= {"content-type": file.content_type, "x-content-type-options": "nosniff"}
        if gzips:
            headers["content-encoding"] = "gzip"
        return cls(file.gzipped if gzips else file.plain, headers=headers)

    def to_gateway(self) -> dict[str, Any]:
        return {
            "statusCode": int(self.status),
            "headers": dict(self.headers or {}),
            "body": base64.b64encode(self.body).decode(),
            "isBase64Encoded": True,
        }
