"""`python -m local.sam ARCHITECTURE`: builds into .aws-sam/build, where `sam deploy` looks."""

import sys
import time
from pathlib import Path

from local.sam.artifacts import LIMIT_BYTES, Artifacts, size
from local.sam.build import PARAMETER, BuildError, build
from local.sam.tools import ToolError
from local.template.intrinsics import TemplateError
from local.template.reader import read_template

_MEGABYTE = 1024 * 1024


def report(artifacts: Artifacts) -> list[str]:
    """Unzipped sizes, a line each."""
    lines = [f"  {layer.name:20}{size(layer) / _MEGABYTE:6.1f} MB" for layer in artifacts.all_layers()]
    for name, function in artifacts.template.functions.items():
        own, whole = size(artifacts.task(function)), artifacts.unzipped(function)
        lines.append(
            f"  {name:20}{own / _MEGABYTE:6.1f} MB, with its layers {whole / _MEGABYTE:.1f}"
            f" of {LIMIT_BYTES // _MEGABYTE} MB"
        )
    return lines


def main(arguments: list[str], project: Path) -> str:
    """Raises ToolError, BuildError or TemplateError; their text is for the user."""
    architecture = " ".join(arguments)
    read_template(project / "template.yaml", {PARAMETER: architecture})
    started = time.monotonic()
    artifacts = build(project, architecture, project / ".aws-sam" / "build")
    seconds = time.monotonic() - started
    lines = [f"built for {artifacts.architecture} in {seconds:.1f} s, unzipped:", *report(artifacts)]
    large = [f for f in artifacts.template.functions.values() if artifacts.unzipped(f) > LIMIT_BYTES]
    if large:
        names = ", ".join(function.logical_id for function in large)
        raise BuildError("\n".join([*lines, f"Lambda will refuse {names}: too large"]))
    return "\n".join(lines)


if __name__ == "__main__":
    try:
        print(main(sys.argv[1:], Path.cwd()))
    except (ToolError, BuildError, TemplateError) as error:
        sys.exit(str(error))
