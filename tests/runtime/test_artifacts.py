"""What `sam deploy` would upload: complete, lean, for the right processors, and able to run alone."""

import re
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.sam.artifacts import LIMIT_BYTES, Artifacts, size
from local.sam.build import PARAMETER
from local.sam.interpreter import runtime_of
from local.sam.tools import Tools
from local.template.intrinsics import TemplateError
from local.template.model import Function
from local.template.reader import read_template
from tests.needing import PROJECT

pytestmark = pytest.mark.xdist_group("runtime")

TEMPLATE = read_template(PROJECT / "template.yaml")
EACH_FUNCTION = pytest.mark.parametrize(
    "function", TEMPLATE.functions.values(), ids=lambda one: one.short_name
)
# As in `cpython-313`.
TAG = runtime_of(PROJECT).replace("python", "cpython-").replace(".", "")
# e_machine of an ELF header.
MACHINES = {"x86_64": 62, "arm64": 183}
# Nothing but the standard library beside the folders; says which modules come from elsewhere, and the paths
# that the bytecode of its own modules names.
ALONE = """
import importlib, sys, sysconfig
sys.path[:0] = sys.argv[2:]
module = importlib.import_module(sys.argv[1])
assert callable(module.lambda_handler)
own = (*sys.argv[2:], sysconfig.get_path("stdlib"))
files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
print(*{file for file in files if file and not file.startswith(own)})
"""
NAMED = """
import marshal, sys
print(marshal.loads(open(sys.argv[1], "rb").read()[16:]).co_filename)
"""


def python(tools: Tools, script: str, *arguments: str | Path) -> str:
    command = [tools.python, "-I", "-S", "-c", script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@EACH_FUNCTION
def test_a_function_imports_with_only_its_layers_beside_it(
    function: Function, artifacts: Artifacts, tools: Tools
) -> None:
    module = function.handler.rpartition(".")[0]
    layers = [
        layer / "python" for layer in artifacts.layers(artifacts.template.functions[function.logical_id])
    ]
    assert python(tools, ALONE, module, artifacts.task(function), *layers) == ""


@EACH_FUNCTION
def test_a_function_holds_its_room_and_no_other(function: Function, each_build: Artifacts) -> None:
    room = Path(*function.handler.split(".")[:-2])
    shipped = each_build.task(function) / "functions"
    assert files_of(shipped) == {file.relative_to("functions") for file in sources(room)}


def test_the_layer_holds_all_that_rooms_share(each_build: Artifacts) -> None:
    [layer] = each_build.all_layers()
    shared = Path("layers/common/footfall")
    assert files_of(layer / "python/footfall") == {file.relative_to(shared) for file in sources(shared)}


def sources(folder: Path) -> Iterator[Path]:
    """Relative to the project."""
    return (folder / file for file in files_of(PROJECT / folder))


def files_of(folder: Path) -> set[Path]:
    found = (file for file in folder.rglob("*") if file.is_file() and file.suffix != ".pyc")
    return {file.relative_to(folder) for file in found if file.name != "requirements.txt"}


def test_libraries_are_for_the_right_processors(each_build: Artifacts) -> None:
    machines = {file.name: machine for file in all_files(each_build) if (machine := machine_of(file))}
    assert any("psycopg" in name or "_psycopg" in name for name in machines), machines
    assert set(machines.values()) == {MACHINES[each_build.architecture]}, machines


def machine_of(file: Path) -> int | None:
    with file.open("rb") as content:
        head = content.read(20)
    return struct.unpack_from("<H", head, 18)[0] if head.startswith(b"\x7fELF") else None


def all_files(artifacts: Artifacts) -> Iterator[Path]:
    folders = [*map(artifacts.task, TEMPLATE.functions.values()), *artifacts.all_layers()]
    return (file for folder in folders for file in folder.rglob("*") if file.is_file())


def test_every_module_has_bytecode_that_is_believed(each_build: Artifacts) -> None:
    bytecode = {file for file in all_files(each_build) if file.suffix == ".pyc"}
    modules = {file for file in all_files(each_build) if file.suffix == ".py"}
    assert modules
    strange = bytecode ^ {compiled(file) for file in modules}
    assert strange == set()
    # By hash, and unchecked (PEP 552): zipping changes times, and reading the source again takes its own.
    assert {file.read_bytes()[4:8] for file in bytecode} == {b"\x01\0\0\0"}


def compiled(module: Path) -> Path:
    return module.parent / "__pycache__" / f"{module.stem}.{TAG}.pyc"


def test_bytecode_names_the_paths_of_lambda(artifacts: Artifacts, tools: Tools) -> None:
    handler = compiled(artifacts.folder / "IngestFunction/functions/ingest/handler.py")
    assert python(tools, NAMED, handler) == "/var/task/functions/ingest/handler.py"
    [layer] = artifacts.all_layers()
    shared = compiled(layer / "python/footfall/events.py")
    assert python(tools, NAMED, shared) == "/opt/python/footfall/events.py"


def test_what_is_deployed_is_what_is_tested(each_build: Artifacts) -> None:
    """The versions that the build took are those of constraints.txt."""
    pins = dict(
        line.split(" ;")[0].split("==") for line in (PROJECT / "constraints.txt").read_text().splitlines()
    )
    taken = [
        file.parent.name.removesuffix(".dist-info").rsplit("-", 1)
        for file in all_files(each_build)
        if file.name == "METADATA"
    ]
    assert {re.sub(r"[-_.]+", "-", name).lower() for name, _ in taken} >= {"boto3", "psycopg", "pyjwt"}
    for name, version in taken:
        assert pins[re.sub(r"[-_.]+", "-", name).lower()] == version


@EACH_FUNCTION
def test_a_function_is_smaller_than_lambda_allows(function: Function, each_build: Artifacts) -> None:
    built = each_build.template.functions[function.logical_id]
    assert size(each_build.task(built)) < each_build.unzipped(built) < LIMIT_BYTES


def test_a_build_is_refused_for_other_processors(each_build: Artifacts) -> None:
    built = each_build.folder / "template.yaml"
    assert read_template(built).parameters[PARAMETER] == each_build.architecture
    [other] = MACHINES.keys() - {each_build.architecture}
    with pytest.raises(TemplateError, match=f"'{other}' is none of {each_build.architecture}"):
        read_template(built, {PARAMETER: other})
