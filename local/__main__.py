"""`python -m local`: runs template.yaml on this machine until Ctrl-C."""

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from local.deployment import DeploymentError
from local.machine import TakenError
from local.postgres.server import PostgresError
from local.queue.store import QueueStoreError
from local.runtime.pool import FunctionError
from local.stack import Settings, Stack, StackError
from local.template.intrinsics import TemplateError
from local.template.parameters import parse_overrides

# Whatever is the user's to mend; anything else is a fault of ours and keeps its traceback.
EXPECTED = (
    TemplateError,
    TakenError,
    PostgresError,
    QueueStoreError,
    FunctionError,
    DeploymentError,
    StackError,
    ValueError,
    OSError,
)
_KILLED_BY_CTRL_C = 130
# A wrapper such as make or timeout may pass on a Ctrl-C that the terminal has sent already.
_SAME_REQUEST_SECONDS = 1.0


def read_settings(environ: Mapping[str, str], project: Path) -> Settings:
    """Raises ValueError or TemplateError naming the variable."""
    port = environ.get("PORT") or "8000"
    if not port.isdecimal() or int(port) > 65_535:
        raise ValueError(f"PORT is a number up to 65535, not {port!r}")
    return Settings(
        project=project,
        data_dir=(project / (environ.get("DATA_DIR") or ".local")).resolve(),
        port=int(port),
        database_url=environ.get("DATABASE_URL") or None,
        parameters=parse_overrides(environ.get("PARAMETERS", "")),
        machine=environ,
    )


async def run(settings: Settings) -> None:
    """Until SIGINT or SIGTERM; a second one ends the process at once."""
    asked_to_stop = asyncio.Event()
    on_signal = _signal_handler(asked_to_stop)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    stack = Stack(settings, say)
    asked = asyncio.create_task(asked_to_stop.wait())
    starting = asyncio.create_task(stack.start())
    try:
        await asyncio.wait({asked, starting}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            say(f"ready {starting.result()}")
            say(f"{starting.result()}/demo/ shows what it is for")
            say(f"{starting.result()}/insights/ shows what is known of everybody")
            await asked
    finally:
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await stack.stop()
    say("stopped")


def _signal_handler(asked_to_stop: asyncio.Event) -> Callable[[], None]:
    first_at: float | None = None

    def on_signal() -> None:
        nonlocal first_at
        now = time.monotonic()
        if first_at is None:
            first_at = now
            asked_to_stop.set()
        elif now - first_at > _SAME_REQUEST_SECONDS:
            # The functions and the database notice that this process is gone and end by themselves.
            os._exit(_KILLED_BY_CTRL_C)

    return on_signal


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    logging.basicConfig(format="%(message)s", stream=sys.stdout)
    try:
        asyncio.run(run(read_settings(os.environ, Path(__file__).parent.parent)))
    except EXPECTED as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
