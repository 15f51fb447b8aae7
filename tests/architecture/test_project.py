"""The project's own files: what they promise to each other and to a new machine."""

import itertools
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from footfall import queries

PROJECT = Path(__file__).parents[2]
SQL = sorted(
    file for file in [*PROJECT.glob("functions/*/*.sql"), *PROJECT.glob("layers/common/footfall/*.sql")]
)
SHIPPED = [PROJECT / "layers/common/requirements.txt", *PROJECT.glob("functions/*/requirements.txt")]
PYTHON = [*PROJECT.glob("functions/**/*.py"), *PROJECT.glob("layers/common/footfall/*.py")]


def requirements(text: str) -> dict[str, str]:
    lines = [line.split("#")[0].strip() for line in text.splitlines()]
    return {re.split(r"[><=;\s]", line)[0].lower(): line for line in lines if line and line[0] != "-"}


def test_what_the_functions_need_is_what_the_project_installs() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    installed = requirements("\n".join(project["dependencies"]))
    for file in SHIPPED:
        for name, line in requirements(file.read_text()).items():
            assert installed[name] == line, (
                f"{file.parent.name} needs {line}, pyproject says {installed[name]}"
            )


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.parent.name)
def test_what_is_deployed_is_pinned_as_what_is_tested(file: Path) -> None:
    assert "-c ../../constraints.txt" in file.read_text().splitlines()


@pytest.mark.parametrize("file", sorted(PROJECT.glob("constraints*.txt")), ids=lambda file: file.name)
def test_constraints_pin_and_name_no_host(file: Path) -> None:
    for line in file.read_text().splitlines():
        assert re.match(r"[\w.-]+==[\w.]+( ;.*)?$", line), line


def test_no_file_names_a_package_host() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=False
    ).stdout.splitlines()
    hosts = re.compile(r"pypi\.(?:org|python)|python" + r"hosted|registry\.npm" + r"js|deb\.deb" + r"ian")
    for name in tracked:
        text = (
            (PROJECT / name).read_text(encoding="utf-8", errors="ignore")
            if (PROJECT / name).is_file()
            else ""
        )
        assert not hosts.search(text), name


def test_every_query_has_one_name_one_sentence_and_a_use() -> None:
    code = "\n".join(file.read_text(encoding="utf-8") for file in PYTHON)
    for folder in sorted({file.parent for file in SQL}):
        for name, text in queries.load(folder).items():
            said = " ".join(line[3:] for line in itertools.takewhile(_is_comment, text.splitlines()))
            assert re.match(r"[A-Z].*\.$", said), f"{folder.name}: {name} needs a sentence, not {said!r}"
            assert f'"{name}"' in code, f"{folder.name}: {name} isn't used"


def _is_comment(line: str) -> bool:
    return line.startswith("-- ")
