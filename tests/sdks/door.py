"""A door in front of the stack, which notes every request that an SDK sends."""

import gzip
import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Seen:
    """One request, and what was answered."""

    method: str
    path: str
    status: int
    body: bytes

    @property
    def messages(self) -> list[dict[str, Any]]:
        text = gzip.decompress(self.body) if self.body.startswith(b"\x1f\x8b") else self.body
        document = json.loads(text)
        found: list[dict[str, Any]] = document.get("batch", [document])
        return found


@dataclass
class Door:
    """While it isn't open, what is posted waits before it."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    opened: threading.Event = field(default_factory=threading.Event)
    waits: threading.Event = field(default_factory=threading.Event)

    @property
    def posts(self) -> list[Seen]:
        return [one for one in self.seen if one.method == "POST"]


@contextmanager
def door_to(stack_url: str) -> Iterator[Door]:
    door = Door()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(door, urlsplit(stack_url).netloc))
    server.daemon_threads = True
    door.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield door
    finally:
        door.opened.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(door: Door, stack: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            if self.command == "POST":
                door.waits.set()
                door.opened.wait()
            connection = http.client.HTTPConnection(stack, timeout=30)
            # The host stays the door's: the stack tells browsers to send to where they asked.
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            door.seen.append(Seen(self.command, self.path, answer.status, body))
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in {"content-length", "connection", "transfer-encoding"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_OPTIONS = _pass  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    return Handler
