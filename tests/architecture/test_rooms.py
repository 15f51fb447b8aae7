"""A function is a room: it knows the layer and itself, nothing else."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
LAYER = PROJECT / "layers" / "common"
ROOMS = sorted(
    folder.name for folder in (PROJECT / "functions").iterdir() if (folder / "handler.py").is_file()
)
# What may stand in the way of a cold start in front of users, by the room that must do without it.
HEAVY = {
    "ingest": {"psycopg", "ua_parser", "pydantic", "numpy", "jwt"},
    "recommend": {"numpy", "scipy", "boto3", "ua_parser"},
    "insights": {"numpy", "scipy", "boto3", "ua_parser"},
    "authorize": {"boto3", "psycopg", "ua_parser", "numpy"},
}


def imports_of(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


def test_there_are_rooms() -> None:
    assert {"authorize", "ingest", "session", "analyze", "recommend", "maintain"} <= set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_no_other(room: str) -> None:
    for file in (PROJECT / "functions" / room).rglob("*.py"):
        strange = {
            name
            for name in imports_of(file)
            if name.startswith(("functions", "local", "tests")) and not name.startswith(f"functions.{room}")
        }
        assert not strange, f"{file.name} imports {strange}"


def test_the_layer_imports_no_room() -> None:
    for file in (LAYER / "footfall").rglob("*.py"):
        assert not {name for name in imports_of(file) if name.startswith(("functions", "local"))}, file.name


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_runs_with_the_layer_alone(room: str, tmp_path: Path) -> None:
    """As Lambda lays it out; every file that it reads must lie in it."""
    shutil.copytree(PROJECT / "functions" / room, tmp_path / "functions" / room)
    script = (
        "import importlib, sys\n"
        f"sys.path[:0] = [{str(tmp_path)!r}, {str(LAYER)!r}]\n"
        f"module = importlib.import_module('functions.{room}.handler')\n"
        "assert callable(module.lambda_handler)\n"
        f"print(*sorted({HEAVY.get(room, set())!r} & set(sys.modules)))\n"
    )
    environ = {"PATH": "", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "", f"{room} loads {done.stdout.strip()} at its cold start"
