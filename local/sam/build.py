"""Builds template.yaml with the SAM CLI, for one architecture."""

import fcntl
import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import yaml

from local.sam.artifacts import Artifacts
from local.sam.interpreter import runtime_of
from local.sam.tools import Tools, check_sam
from local.template.intrinsics import load_yaml

PARAMETER = "Architecture"
_SOURCES = ("template.yaml", "constraints.txt", "constraints-sam.txt", "layers", "functions", "local/sam")
# Lies in the build, so that whoever builds anew without us forgets it.
_STAMP = "built-from"


class BuildError(Exception):
    """The build failed; the message is what the tool said."""


def kept(project: Path, architecture: str) -> Path:
    """The build of tests and benchmarks, beside the one that is deployed."""
    return project / ".aws-sam" / architecture / "build"


def build(project: Path, architecture: str, folder: Path) -> Artifacts:
    """Leaves in `folder` what `sam deploy` takes, with bytecode; does nothing where it is already there.

    Raises:
        ToolError: a tool is missing or too old.
        BuildError: a tool failed.
    """
    tools = Tools(project)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        artifacts = Artifacts(folder, architecture)
        stamp = f"{architecture} {_digest(project)}"
        if _read(folder / _STAMP) != stamp:
            check_sam(tools.sam)
            _run_sam(tools, project, architecture, folder)
            pin_architecture(folder / "template.yaml", architecture)
            _compile(tools.python, artifacts)
            (folder / _STAMP).write_text(stamp)
    return artifacts


def pin_architecture(template: Path, architecture: str) -> None:
    """Lets the built template be deployed for this architecture alone, without a word about it."""
    document = load_yaml(template.read_text())
    document["Parameters"][PARAMETER] |= {"Default": architecture, "AllowedValues": [architecture]}
    template.write_text(yaml.safe_dump(document, sort_keys=False))


def _run_sam(tools: Tools, project: Path, architecture: str, folder: Path) -> None:
    overrides = ["--parameter-overrides", f"{PARAMETER}={architecture}"]
    _run(
        [tools.sam, "build", "--parallel", "--build-dir", folder, *overrides],
        cwd=project,
        # SAM looks for the deployed Python on PATH, where a shim may stand in its way.
        PATH=f"{tools.python.parent}{os.pathsep}{os.environ['PATH']}",
        SAM_CLI_TELEMETRY="0",
    )


def _compile(python: Path, artifacts: Artifacts) -> None:
    """Bytecode that is believed unchecked, as zipping changes times; tracebacks name Lambda's paths."""
    mounts = {artifacts.task(function): "/var/task" for function in artifacts.template.functions.values()}
    mounts |= dict.fromkeys(artifacts.all_layers(), "/opt")
    for folder, mount in mounts.items():
        options = ["-q", "--invalidation-mode", "unchecked-hash", "-s", str(folder), "-p", mount]
        _run([python, "-m", "compileall", *options, folder], cwd=artifacts.folder)


def _run(command: list[str | Path], cwd: Path, **environment: str) -> None:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        command, cwd=cwd, env=inherited | environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BuildError(f"{Path(command[0]).name} failed:\n{done.stdout}{done.stderr}".strip())


def _digest(project: Path) -> str:
    digest = hashlib.sha256(runtime_of(project).encode())
    for file in _files(project):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(project)} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _files(project: Path) -> Iterator[Path]:
    for source in _SOURCES:
        path = project / source
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (file for file in found if file.is_file() and "__pycache__" not in file.parts)


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None
