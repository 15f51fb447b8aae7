"""What some tests need and not every machine has."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from local.sam.tools import ToolError, Tools

PROJECT = Path(__file__).parent.parent
NODE = PROJECT / ".venvs/node/bin/node"
CHROMIUM = shutil.which("chromium") or str(PROJECT / ".venvs/chromium/chromium")


@contextmanager
def needed() -> Iterator[Tools]:
    """Where a tool is missing, the test is skipped and says which; in CI it fails."""
    try:
        yield Tools(PROJECT)
    except ToolError as error:
        missing(str(error))


def missing(what: str) -> NoReturn:
    """Skips the test, which says so; in CI it fails."""
    if os.environ.get("CI"):
        pytest.fail(f"CI must have it: {what}", pytrace=False)
    pytest.skip(what)
