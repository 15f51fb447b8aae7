"""What some tests need and not every machine has."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local.sam.tools import ToolError, Tools

PROJECT = Path(__file__).parent.parent


@contextmanager
def needed() -> Iterator[Tools]:
    """Where a tool is missing, the test is skipped and says which; in CI it fails."""
    try:
        yield Tools(PROJECT)
    except ToolError as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI must have it: {error}", pytrace=False)
        pytest.skip(str(error))
