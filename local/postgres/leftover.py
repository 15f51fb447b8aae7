"""Finds the server of a data folder by its postmaster.pid, and stops one that nobody supervises."""

import contextlib
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from local.postgres.watchdog import STOP_SIGNALS


@dataclass(frozen=True)
class Postmaster:
    """What postmaster.pid tells: the process may be gone, or `ready` to take connections."""

    pid: int
    ready: bool


def read_postmaster(data: Path) -> Postmaster | None:
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        return Postmaster(int(lines[0]), len(lines) > 7 and lines[7].strip() == "ready")
    except (FileNotFoundError, IndexError, ValueError):
        return None


def stop_leftover(data: Path) -> None:
    """Stops a server of `data` that outlived its supervisor; never touches a stranger."""
    postmaster = read_postmaster(data)
    command = _command_line(postmaster.pid) if postmaster else None
    if postmaster is None or not command:
        return
    if not _serves(command, data):
        # The number went to a stranger, whom Postgres would take for a rival and refuse to start.
        (data / "postmaster.pid").unlink(missing_ok=True)
        return
    for number, seconds in STOP_SIGNALS:
        with contextlib.suppress(ProcessLookupError):
            os.kill(postmaster.pid, number)
        if _gone(postmaster.pid, data, seconds):
            return


def _gone(pid: int, data: Path, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while _serves(_command_line(pid) or "", data):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _serves(command: str, data: Path) -> bool:
    program, _, rest = command.partition(" -D ")
    return program.endswith("/postgres") and f"{rest} ".startswith(f"{data} ")


def _command_line(pid: int) -> str | None:
    """The command of a process; None when it is gone, was not reaped yet, or does not tell."""
    with contextlib.suppress(OSError):
        return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).replace("\0", " ") or None
    with contextlib.suppress(OSError):
        answer = subprocess.run(
            ["ps", "-ww", "-o", "command=", "-p", str(pid)],
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
        return answer.stdout.strip() or None
    return None
