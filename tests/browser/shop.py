"""A site on another origin than the API's, and a door before the API that notes what pages send."""

import contextlib
import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

Json = dict[str, Any]
# What the door says instead of the API: a status and headers; 0 hangs up without an answer.
Instead = tuple[int, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Seen:
    """One request that came through the door, when, and what was answered."""

    method: str
    path: str
    headers: Json
    body: bytes
    status: int
    at: float

    @property
    def events(self) -> list[Json]:
        found: list[Json] = json.loads(self.body)["events"]
        return found


@dataclass
class Door:
    """`instead` may answer for the API; None lets a request through. `is_mute`: an answer gets lost."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    instead: Callable[[str, str], Instead | None] = lambda method, path: None
    is_mute: Callable[[], bool] = lambda: False

    @property
    def posts(self) -> list[Seen]:
        return [one for one in self.seen if one.method == "POST"]

    @property
    def taken(self) -> list[Json]:
        """The events that the API has taken, as often as it has."""
        return [event for one in self.posts if one.status == 202 for event in one.events]

    def tries(self, action: str) -> int:
        """How often the action was sent, whatever was answered."""
        return [event.get("event_action") for one in self.posts for event in one.events].count(action)

    def actions(self) -> Counter[str]:
        return Counter(event["event_action"] for event in self.taken if event.get("event_action"))


@dataclass
class Shop:
    """Every path is a page with the script tag. Attributes are the tracker's settings."""

    url: str
    door: Door
    key: str
    attributes: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    head: str = ""
    body: str = "<p>Hello"
    files: dict[str, bytes] = field(default_factory=dict)
    script: str = "/tracker.js"
    has_tag: bool = True

    @property
    def tag(self) -> str:
        said = {"write-key": self.key, **self.attributes}
        data = " ".join(f'data-{name}="{escape(value)}"' for name, value in said.items())
        return f'<script defer src="{self.door.url}{self.script}" {data}></script>'

    def page(self, path: str) -> bytes:
        tag = self.tag if self.has_tag else ""
        title = f"Page {path.partition('?')[0]}"
        return f"<!doctype html><title>{title}</title>{self.head}{tag}{self.body}".encode()


@contextmanager
def shop_before(stack_url: str, key: str) -> Iterator[Shop]:
    door = Door()
    with serving(_door_handler(door, urlsplit(stack_url).netloc)) as door.url:
        shop = Shop("", door, key)
        with serving(_page_handler(shop)) as shop.url:
            yield shop


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    # Pages that crash hang up.
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        with contextlib.suppress(ConnectionError):  # the page has gone
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


def _page_handler(shop: Shop) -> type[BaseHTTPRequestHandler]:
    class Handler(Quiet):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            kind = "text/javascript" if path.endswith(".js") else "text/html; charset=utf-8"
            content = shop.files.get(path) or shop.page(self.path)
            self.answer(200, {"content-type": kind, **shop.headers}, content)

    return Handler


def _door_handler(door: Door, stack: str) -> type[BaseHTTPRequestHandler]:
    class Handler(Quiet):
        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            at = time.monotonic()
            instead = door.instead(self.command, self.path)
            status, headers, content = (*instead, b"{}") if instead else self._ask(body)
            said = {name.lower(): value for name, value in self.headers.items()}
            door.seen.append(Seen(self.command, self.path, said, body, status, at))
            if status and not (self.command == "POST" and door.is_mute()):
                self.answer(status, headers, content)
            else:
                self.close_connection = True

        def _ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            connection = http.client.HTTPConnection(stack, timeout=30)
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            unlike = {"content-length", "connection", "transfer-encoding"}
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in unlike}
            return answer.status, kept, content

        do_GET = do_POST = do_OPTIONS = _pass  # noqa: N815

    return Handler


def busy(status: int = 503, **headers: str) -> Callable[[str, str], Instead | None]:
    """An API that can't take events now, and says so to pages of any origin."""
    said = {"access-control-allow-origin": "*", "access-control-expose-headers": "retry-after"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda method, path: (status, {**said, **named}) if method == "POST" else None


def once(instead: Callable[[str, str], Instead | None]) -> Callable[[str, str], Instead | None]:
    """Only the first request is answered so."""
    left = [instead]
    return lambda method, path: left.pop()(method, path) if method == "POST" and left else None
