"""Finds the Python that functions are deployed on. `python -m local.sam.interpreter` prints its path."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from local.template.reader import read_template

# Where the usual managers keep interpreters; their shims on PATH run only the version that is switched on.
_KEPT = (
    ".pyenv/versions/{0}.*/bin",
    ".local/share/uv/python/cpython-{0}.*/bin",
    ".asdf/installs/python/{0}.*/bin",
    ".local/share/mise/installs/python/{0}.*/bin",
)
# An interpreter that Debian ships may lack what makes environments.
_PROBE = "import ensurepip, sys, venv; print('python%d.%d' % sys.version_info[:2])"


class MissingPythonError(Exception):
    """No interpreter of the wanted version; the message names it."""


def runtime_of(project: Path) -> str:
    """The runtime of all functions, as in `python3.13`. Raises ValueError where they differ."""
    runtimes = {function.runtime for function in read_template(project / "template.yaml").functions.values()}
    if len(runtimes) != 1:
        raise ValueError(f"template.yaml: functions run on {', '.join(sorted(runtimes))}, not on one runtime")
    return runtimes.pop()


def find_python(runtime: str, machine: Mapping[str, str]) -> Path:
    """The first interpreter of this `machine` (its environment) that really runs and can make environments.

    Raises:
        MissingPythonError: there is none.
    """
    for folder in _folders(runtime, machine):
        candidate = folder / runtime
        if candidate.is_file() and _is(runtime, candidate):
            return candidate
    version = runtime.removeprefix("python")
    raise MissingPythonError(
        f"no Python {version} that runs and makes environments was found: install it "
        f"(Debian: python{version} and python{version}-venv; pyenv install {version})"
    )


def _folders(runtime: str, machine: Mapping[str, str]) -> Iterator[Path]:
    yield Path(sys.base_prefix) / "bin"
    yield from (Path(folder) for folder in machine.get("PATH", "").split(os.pathsep) if folder)
    if home := machine.get("HOME"):
        for pattern in _KEPT:
            yield from sorted(Path(home).glob(pattern.format(runtime.removeprefix("python"))))


def _is(runtime: str, candidate: Path) -> bool:
    try:
        said = subprocess.run(
            [candidate, "-c", _PROBE], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return said.returncode == 0 and said.stdout.strip() == runtime


if __name__ == "__main__":
    try:
        print(find_python(runtime_of(Path.cwd()), os.environ))
    except MissingPythonError as error:
        sys.exit(str(error))
