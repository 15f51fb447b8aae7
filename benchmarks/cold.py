"""Cold starts under AWS's emulator: a built function, and a bare handler that does nothing of its own."""

import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.framework import BenchmarkError, spread
from local.sam.artifacts import Artifacts
from local.sam.build import BuildError, build, kept
from local.sam.emulator import Emulator, EmulatorError, Program, own_architecture, program_of
from local.sam.tools import ToolError, Tools
from local.template.model import Function

PROJECT = Path(__file__).parents[1]
# What Lambda mounts can't be written to, so that a first start leaves no bytecode for the next.
READ_ONLY = {"PYTHONDONTWRITEBYTECODE": "1"}


@dataclass(frozen=True, slots=True)
class Built:
    """What was built for this machine, and the tools that run it."""

    tools: Tools
    artifacts: Artifacts

    def program(self, room: str, given: Mapping[str, str]) -> Program:
        return program_of(self.artifacts, self._function(room), {**READ_ONLY, **given})

    def _function(self, room: str) -> Function:
        [found] = [each for each in self.artifacts.template.functions.values() if each.short_name == room]
        return found


def built() -> Built:
    """Builds where something changed.

    Raises:
        BenchmarkError: a tool is missing, or the build fails.
    """
    tools = Tools(PROJECT)
    try:
        artifacts = build(PROJECT, own_architecture(), kept(PROJECT, own_architecture()))
        # Said now, where one is missing.
        _ = tools.python, tools.emulator(own_architecture())
    except (ToolError, BuildError) as error:
        raise BenchmarkError(str(error)) from error
    return Built(tools, artifacts)


@contextmanager
def bare(source: str, beside: Program, packages: Sequence[str]) -> Iterator[Program]:
    """A handler of its own that finds the same `packages` as the function it is compared with."""
    with tempfile.TemporaryDirectory() as folder:
        task = Path(folder)
        (task / "bare.py").write_text(source)
        for package in packages:
            (task / package).symlink_to(beside.task / package)
        yield replace(beside, task=task, handler="bare.lambda_handler")


@contextmanager
def without_bytecode(program: Program) -> Iterator[Program]:
    """The same files, all of them to be compiled when they are imported."""
    with tempfile.TemporaryDirectory() as folder:
        copies = [Path(folder) / str(number) for number in range(len(program.layers) + 1)]
        for source, copy in zip([program.task, *program.layers], copies, strict=True):
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        yield replace(program, task=copies[0], layers=copies[1:])


@dataclass(frozen=True, slots=True)
class Race:
    """Seconds from the first invocation to its answer, round by round: the start is part of it."""

    bare: list[float]
    ours: list[float]

    @property
    def ratio(self) -> float:
        return statistics.median(self.ours) / statistics.median(self.bare)

    @property
    def detail(self) -> dict[str, Any]:
        return {
            "ratio": round(self.ratio, 3),
            "bare_ms": spread([seconds * 1e3 for seconds in self.bare], 1),
            "ours_ms": spread([seconds * 1e3 for seconds in self.ours], 1),
        }


def sample(name: str) -> dict[str, Any]:
    """That file of `events/`."""
    found: dict[str, Any] = json.loads((PROJECT / "events" / f"{name}.json").read_text(encoding="utf-8"))
    return found


def race(tools: Tools, theirs: Program, ours: Program, event: Mapping[str, Any], rounds: int) -> Race:
    """Each starts cold in turn, `rounds` times, after a round that only warms the disk's cache."""
    sides: dict[str, list[float]] = {"bare": [], "ours": []}
    for number in range(rounds + 1):
        for name, program in (("bare", theirs), ("ours", ours)):
            seconds = _start(tools, program, event)
            if number:
                sides[name].append(seconds)
    return Race(sides["bare"], sides["ours"])


def _start(tools: Tools, program: Program, event: Mapping[str, Any]) -> float:
    try:
        with Emulator(tools, program) as emulator:
            began = time.perf_counter()
            answer = emulator.invoke(event)
            seconds = time.perf_counter() - began
    except EmulatorError as error:
        raise BenchmarkError(str(error)) from error
    if isinstance(answer, dict) and answer.get("statusCode", 200) >= 400:
        raise BenchmarkError(f"answered {json.dumps(answer)}")
    return seconds


def imports(tools: Tools, program: Program) -> dict[str, float]:
    """Milliseconds that each package's own modules cost `program` at import; the costly ones first."""
    places = [program.task, *(layer / "python" for layer in program.layers)]
    environment = {**program.environment, "PYTHONPATH": os.pathsep.join(map(str, places))}
    module = program.handler.rpartition(".")[0]
    command = [str(tools.python), "-X", "importtime", "-c", f"import {module}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(done.stderr)
    costs: Counter[str] = Counter()
    for line in done.stderr.splitlines()[1:]:
        own, _, name = line.removeprefix("import time:").split("|")
        costs[_package(name.strip(), places)] += int(own)
    return {name: round(cost / 1e3, 1) for name, cost in costs.most_common() if cost >= 1_000}


def _package(module: str, places: Sequence[Path]) -> str:
    top = module.partition(".")[0]
    shipped = any((place / top).exists() or (place / f"{top}.py").exists() for place in places)
    return top if shipped else "standard library"
