"""Takes the answers of a custom resource, as the bucket behind CloudFormation's presigned URLs does."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

SIGNATURE = "X-Amz-Signature=not-for-logs"
Answer = dict[str, Any]


class Bucket:
    """`url` takes a PUT; `bodies` are what it took, `calls` how often it was asked."""

    def __init__(self, port: int, statuses: Sequence[int] = ()) -> None:
        self.url = f"http://127.0.0.1:{port}/arn%3Aaws%7CMigrations%7C1?{SIGNATURE}"
        self.statuses = list(statuses)
        self.bodies: list[bytes] = []
        self.calls = 0

    @property
    def answers(self) -> list[Answer]:
        return [json.loads(body) for body in self.bodies]

    def put(self, path: str, content_type: str | None, body: bytes) -> int:
        """The status; 0 hangs up."""
        self.calls += 1
        if self.statuses:
            return self.statuses.pop(0)
        parts = urlsplit(self.url)
        if path != f"{parts.path}?{parts.query}" or content_type:
            return 403
        self.bodies.append(body)
        return 200


@contextmanager
def bucket(*statuses: int) -> Iterator[Bucket]:
    """A bucket that first answers with these."""

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = taker.put(self.path, self.headers["content-type"], body)
            if status:
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()
            self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        taker = Bucket(server.server_port, statuses)
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield taker
        finally:
            server.shutdown()
            serving.join()
