"""Waiting for what happens soon, however slow the machine."""

import threading
from collections.abc import Callable


def until(true: Callable[[], bool]) -> None:
    """Others use the same server: their transactions may keep a watermark low for a moment."""
    waiting = threading.Event()
    for _ in range(2_000):
        if true():
            return
        waiting.wait(0.02)
    raise AssertionError("it didn't happen")
