"""A database that hangs up on the first who call, as one does that wakes from a pause."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


@contextmanager
def waking(url: str, refusals: int) -> Iterator[str]:
    """The URL of the same database behind a door that opens at the call after so many."""
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or 5432)
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        threading.Thread(target=_keep, args=(door, address, refusals), daemon=True).start()
        yield url.replace(f"@{parts.hostname}:{parts.port}/", f"@127.0.0.1:{port}/")
        # Wakes the thread, as closing the door alone doesn't.
        door.shutdown(socket.SHUT_RDWR)


def _keep(door: socket.socket, address: tuple[str, int], refusals: int) -> None:
    with suppress(OSError):
        while True:
            caller, _ = door.accept()
            if refusals:
                refusals -= 1
                caller.close()
                continue
            server = socket.create_connection(address)
            for source, target in ((caller, server), (server, caller)):
                threading.Thread(target=_pass_on, args=(source, target), daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with source, target, suppress(OSError):
        while chunk := source.recv(65_536):
            target.sendall(chunk)
