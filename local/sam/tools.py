"""The tools that have environments of their own under `.venvs`, made by make."""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from local.sam.interpreter import runtime_of

# The first that nests a function's folder back into its packages (ParentPackageMode).
OLDEST_SAM = (1, 145)


class ToolError(Exception):
    """A tool is missing or too old; the message says what to do."""


@dataclass(frozen=True)
class Tools:
    """`project` holds `.venvs`. Each property raises ToolError where the tool is not there."""

    project: Path

    @property
    def sam(self) -> Path:
        return self._tool("sam", "sam")

    @property
    def checkov(self) -> Path:
        return self._tool("checkov", "checkov")

    @property
    def schemathesis(self) -> Path:
        return self._tool("schemathesis", "st")

    @property
    def python(self) -> Path:
        """The Python that functions are deployed on, with AWS's runtime client."""
        version = runtime_of(self.project).removeprefix("python")
        return self._tool("runtime", "python", f"; it needs Python {version}")

    def emulator(self, architecture: str) -> Path:
        """AWS's Lambda Runtime Interface Emulator, which comes with SAM."""
        if not sys.platform.startswith("linux"):
            raise ToolError("the Lambda Runtime Interface Emulator runs on Linux alone")
        name = f"samcli/local/rapid/aws-lambda-rie-{architecture}"
        found = list(self.sam.parent.parent.glob(f"lib/python3*/site-packages/{name}"))
        if not found:
            raise ToolError(f"{self.sam} came without {name}")
        return found[0]

    def _tool(self, environment: str, name: str, more: str = "") -> Path:
        path = self.project / ".venvs" / environment / "bin" / name
        if not path.exists():
            raise ToolError(
                f"{path.relative_to(self.project)} is missing: make .venvs/{environment}/done{more}"
            )
        return path


def check_sam(sam: Path) -> None:
    """Raises ToolError where this SAM CLI would build functions that can't be imported."""
    said = subprocess.run([sam, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"(\d+)\.(\d+)", said)
    if version is None:
        raise ToolError(f"{sam} doesn't say its version, but {said.strip()!r}")
    if (int(version[1]), int(version[2])) < OLDEST_SAM:
        needed = ".".join(map(str, OLDEST_SAM))
        raise ToolError(f"{sam} is of version {version[0]}; Footfall needs SAM CLI {needed} or newer")
