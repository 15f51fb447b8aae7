"""Runs a command for a parent that may die: python watchdog.py PARENT_PID COMMAND…

Prints the command's pid, then waits. When the parent closes this process's stdin or dies, even by
SIGKILL, the command is asked to stop (SIGINT), then told to (SIGQUIT), then killed. Nothing that the
command started outlives this process (on Linux). Standard library only: it starts in a few
milliseconds, without `site`.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

STOP_SIGNALS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
PR_SET_CHILD_SUBREAPER = 36


def main(parent: int, command: list[str]) -> int:
    wake = _wake_on_child_exit()
    _adopt_orphans()
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, stderr=sys.stderr)
    with contextlib.suppress(BrokenPipeError):
        os.write(1, b"%d\n" % child.pid)
    _wait(child, parent, wake)
    _stop(child)
    _kill_orphans()
    return child.returncode or 0


def _wait(child: "subprocess.Popen[bytes]", parent: int, wake: int) -> None:
    # The pipe alone is not enough: a fork of the parent may hold its other end.
    while child.poll() is None and os.getppid() == parent:
        readable, _, _ = select.select([0, wake], [], [], 1.0)
        if 0 in readable and not os.read(0, 1):
            return
        if wake in readable:
            os.read(wake, 512)


def _stop(child: "subprocess.Popen[bytes]") -> None:
    for number, seconds in STOP_SIGNALS:
        if child.poll() is None:
            child.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(seconds)


def _wake_on_child_exit() -> int:
    """A descriptor that turns readable when a child ends. Signals to the terminal's group or to all
    processes are for the parent to act on: handled, not ignored, since a child would inherit that."""
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _do_nothing)
    return readable


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    return


def _adopt_orphans() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _kill_orphans(seconds: float = 5.0) -> None:
    """Ends what a killed command left behind: a busy backend of Postgres would hold its shared memory."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    deadline = time.monotonic() + seconds
    while children.exists() and time.monotonic() < deadline:
        for pid in children.read_text().split():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(int(pid), signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.01)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
