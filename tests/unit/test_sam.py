"""What a build needs, found or named; what a build says, held to."""

from pathlib import Path

import pytest

from local.sam.__main__ import main, report
from local.sam.artifacts import Artifacts
from local.sam.build import pin_architecture
from local.sam.interpreter import MissingPythonError, find_python, runtime_of
from local.sam.tools import ToolError, Tools, check_sam
from local.template.intrinsics import TemplateError
from local.template.reader import read_template

PROJECT = Path(__file__).parents[2]
# None that this machine could have.
RUNTIME = "python3.99"


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


# The interpreter ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "script", ["exit 127", "echo python3.11", "echo 'no module named ensurepip' >&2; exit 1", "kill -9 $$"]
)
def test_what_only_has_the_name_is_passed_over(script: str, tmp_path: Path) -> None:
    program(tmp_path / "shims" / RUNTIME, script)
    real = program(tmp_path / "bin" / RUNTIME, f"echo {RUNTIME}")
    machine = {"PATH": f"{tmp_path}/shims::{tmp_path}/nowhere:{tmp_path}/bin"}
    assert find_python(RUNTIME, machine) == real


def test_interpreters_that_no_path_names_are_found(tmp_path: Path) -> None:
    real = program(tmp_path / ".pyenv/versions/3.99.1/bin" / RUNTIME, f"echo {RUNTIME}")
    assert find_python(RUNTIME, {"PATH": "", "HOME": str(tmp_path)}) == real


def test_a_file_that_cannot_run_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / RUNTIME).write_text("not a program")
    with pytest.raises(MissingPythonError):
        find_python(RUNTIME, {"PATH": str(tmp_path)})


def test_a_missing_interpreter_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingPythonError, match=r"no Python 3\.99 .*python3\.99-venv"):
        find_python(RUNTIME, {"PATH": str(tmp_path), "HOME": str(tmp_path)})


def test_the_runtime_is_that_of_the_template() -> None:
    assert f"Runtime: {runtime_of(PROJECT)}\n" in (PROJECT / "template.yaml").read_text()


# The tools ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("version", ["1.145.0", "1.170.0", "2.0.0", "1.1000.0"])
def test_a_sam_that_nests_packages_will_do(version: str, tmp_path: Path) -> None:
    check_sam(program(tmp_path / "sam", f"echo 'SAM CLI, version {version}'"))


@pytest.mark.parametrize("version", ["1.144.9", "1.99.0", "0.200.0"])
def test_an_old_sam_is_refused_by_name(version: str, tmp_path: Path) -> None:
    sam = program(tmp_path / "sam", f"echo 'SAM CLI, version {version}'")
    with pytest.raises(ToolError, match=rf"sam is of version {version[:-2]}; .* 1\.145 or newer"):
        check_sam(sam)


def test_a_sam_that_fails_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="doesn't say its version"):
        check_sam(program(tmp_path / "sam", "exit 1"))


@pytest.mark.parametrize(
    ("tool", "message"),
    [
        ("sam", r"make \.venvs/sam/done$"),
        ("checkov", r"make \.venvs/checkov/done$"),
        ("python", r"make \.venvs/runtime/done; it needs Python 3\.13$"),
    ],
)
def test_a_missing_tool_says_what_makes_it(tool: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text((PROJECT / "template.yaml").read_text())
    with pytest.raises(ToolError, match=message):
        getattr(Tools(tmp_path), tool)


# The build ────────────────────────────────────────────────────────────────────────────────────────


def test_a_built_template_says_what_it_is_for_and_nothing_else_changes(tmp_path: Path) -> None:
    built = tmp_path / "template.yaml"
    built.write_text((PROJECT / "template.yaml").read_text())
    pin_architecture(built, "x86_64")
    before, after = read_template(PROJECT / "template.yaml"), read_template(built)
    assert after.parameters == {**before.parameters, "Architecture": "x86_64"}
    assert (after.functions, after.queues, after.api) == (before.functions, before.queues, before.api)
    with pytest.raises(TemplateError, match="'arm64' is none of x86_64"):
        read_template(built, {"Architecture": "arm64"})


@pytest.mark.parametrize("arguments", [[], ["mips"], ["arm64", "x86_64"]])
def test_processors_that_lambda_has_not_are_refused(arguments: list[str]) -> None:
    with pytest.raises(TemplateError, match=r"is none of arm64, x86_64"):
        main(arguments, PROJECT)


def test_sizes_are_of_a_function_and_with_its_layers(tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text((PROJECT / "template.yaml").read_text())
    artifacts = Artifacts(tmp_path, "arm64")
    megabyte = 1024 * 1024
    [layer] = artifacts.all_layers()
    for file, size in {layer / "python/a": 2 * megabyte, tmp_path / "IngestFunction/b/c": megabyte}.items():
        file.parent.mkdir(parents=True)
        file.write_bytes(b"x" * size)
    assert artifacts.unzipped(artifacts.template.functions["IngestFunction"]) == 3 * megabyte
    said = {line.split()[0]: line for line in report(artifacts)}
    assert said["IngestFunction"].split(maxsplit=1)[1] == "1.0 MB, with its layers 3.0 of 250 MB"
