"""What one stack takes from the machine for itself: its data folder and its port."""

import fcntl
import socket
from pathlib import Path
from typing import IO

HOST = "127.0.0.1"


class TakenError(Exception):
    """Somebody else has it; the message says what and what to do."""


def lock_folder(folder: Path) -> IO[str]:
    """Held until the file is closed or the process dies, however it dies."""
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise TakenError(f"another stack runs on {folder}: stop it or set DATA_DIR") from None
    return file


def take_port(port: int) -> socket.socket:
    """Listening: of two stacks that only bind the same port, both would succeed. 0 takes any."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = error.strerror if isinstance(error, OSError) else error
        raise TakenError(f"cannot listen on {HOST}:{port} ({reason}): free it or set PORT") from None
    return listener
