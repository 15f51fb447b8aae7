"""A site with a tracker, and the server it sends to: another origin, which notes what arrives."""

import base64
import gzip
import json
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any
from urllib.parse import unquote_plus, urlsplit

MARK = re.compile(r"mark-[0-9a-z-]+-(?:\d+|warm)")
# By which of its fields a tracker's server could tell that an event is there already.
ID = re.compile("id|messageId|uuid|eid|[$]insert_id")
# As over a network.
LATENCY = 0.1
# What each of the trackers takes for a yes.
YES = b'{"success": true, "status": 1, "error": null}'


@dataclass
class Sink:
    """`busy_until`: when, on the clock of `time.monotonic`, a visitor's server stops answering 503."""

    url: str = ""
    # The ids under which each mark came, as often as it came.
    arrived: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    busy_until: dict[str, float] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def note(self, body: bytes) -> bool:
        """Whether it was taken; of a visitor's marks all or none are."""
        document = text_of(body)
        marks = [*events(json.loads(document))] if MARK.search(document) else []
        with self.lock:
            for mark, _ in marks:
                if self.busy_until.get(mark.rpartition("-")[0], 0) > time.monotonic():
                    return False
            for mark, name in marks:
                self.arrived[mark].append(name)
        return True


def text_of(body: bytes) -> str:
    """The JSON of a body: plain, gzipped, or in a form, there perhaps as Base64."""
    if body.startswith(b"\x1f\x8b"):
        return gzip.decompress(body).decode()
    if not body.startswith(b"data="):
        return body.decode()
    said = unquote_plus(body.decode()).removeprefix("data=")
    return said if said.startswith(("{", "[")) else base64.b64decode(said).decode()


def events(document: Any) -> Iterator[tuple[str, str]]:
    """Each mark in a body, with the id of its event, empty if it has none."""
    if isinstance(document, list):
        for one in document:
            yield from events(one)
    elif isinstance(document, dict):
        marks = set(MARK.findall(json.dumps(document)))
        names = [str(value) for key, value in document.items() if ID.fullmatch(key)]
        inner = [value for value in document.values() if isinstance(value, dict | list)]
        if len(marks) == 1 and names:
            yield marks.pop(), names[0]
        elif marks and not any(MARK.search(json.dumps(value)) for value in inner):
            yield from ((mark, "") for mark in marks)
        else:
            for value in inner:
                yield from events(value)


@dataclass
class Site:
    """Every path is a page with the tracker; the path's first part says which."""

    sink: Sink
    scripts: dict[str, str]
    url: str = ""

    def page(self, tracker: str) -> str:
        if tracker == "footfall":
            tag = f'<script src="{self.sink.url}/tracker.js" data-write-key="key" data-auto="false"></script>'
            return f"<!doctype html><title>Shop</title>{tag}<script>{self.scripts[tracker]}</script>"
        script = f'<script src="/{tracker}.js"></script>'
        return f"<!doctype html><title>Shop</title><script>SINK = '{self.sink.url}'</script>{script}"


@contextmanager
def serving(scripts: dict[str, str], tracker: Path) -> Iterator[tuple[Site, Sink]]:
    sink = Sink()
    site = Site(sink, scripts)
    with (
        _running(_sink_handler(sink, tracker.read_bytes())) as sink.url,
        _running(_site_handler(site)) as site.url,
    ):
        yield site, sink


@contextmanager
def _running(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    # Pages that go away hang up in the middle of an answer.
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status: int, kind: str, content: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


def _site_handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(_Quiet):
        def do_GET(self) -> None:
            name = urlsplit(self.path).path.split("/")[1]
            if name.removesuffix(".js") not in site.scripts:
                self.answer(404, "text/plain", b"")
            elif name.endswith(".js"):
                self.answer(200, "text/javascript", site.scripts[name.removesuffix(".js")].encode())
            else:
                self.answer(200, "text/html; charset=utf-8", site.page(name).encode())

    return Handler


def _sink_handler(sink: Sink, tracker: bytes) -> type[BaseHTTPRequestHandler]:
    class Handler(_Quiet):
        def _allowed(self) -> dict[str, str]:
            return {
                "access_control_allow_origin": self.headers.get("origin", "*"),
                "access_control_allow_credentials": "true",
                "access_control_allow_methods": "GET, POST, OPTIONS",
                "access_control_allow_headers": self.headers.get("access-control-request-headers", ""),
            }

        def do_OPTIONS(self) -> None:
            time.sleep(LATENCY)
            self.answer(204, "text/plain", b"", **self._allowed())

        def do_GET(self) -> None:
            content = tracker if self.path == "/tracker.js" else b"{}"
            self.answer(200, "text/javascript", content, **self._allowed())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            status, content = (200, YES) if sink.note(body) else (503, b"{}")
            time.sleep(LATENCY)
            self.answer(status, "application/json", content, **self._allowed())

    return Handler
