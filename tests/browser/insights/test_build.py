"""The page's build: that it is that of its source, how large it is, and the package made beside it."""

import gzip
import json
import os
import shutil
import subprocess
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.browser.insights.conftest import Open, settled
from tests.end_to_end.local_stack import LocalStack
from tests.needing import NODE, PROJECT, missing

pytestmark = pytest.mark.xdist_group("insights")

SOURCE = PROJECT / "web/insights"
BUILT = PROJECT / "functions/web/static/insights"
# Scripts and styles, gzipped: of the first view, and of all.
MOST_FIRST, MOST = 136_000, 157_000


@pytest.fixture(scope="session")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source, where it may be built."""
    if not NODE.exists() or not (SOURCE / "node_modules/done").exists():
        missing("Node and what the page is built with; `make insights` brings them")
    project = tmp_path_factory.mktemp("build")
    copy = project / "web/insights"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("node_modules", "dist", "schema.ts"))
    (copy / "node_modules").symlink_to((SOURCE / "node_modules").resolve())
    (project / "functions/web").mkdir(parents=True)
    shutil.copy(PROJECT / "functions/web/openapi.json", project / "functions/web")
    done = npm("run", "--silent", "build", within=copy)
    assert done.returncode == 0, done.stderr
    return copy


def npm(*command: str, within: Path) -> subprocess.CompletedProcess[str]:
    path = f"{NODE.parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [NODE.parent / "npm", *command],
        cwd=within,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def contents(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def test_what_is_served_is_what_the_source_makes(copy: Path) -> None:
    fresh = contents(copy.parents[1] / "functions/web/static/insights")
    committed = contents(BUILT)
    assert fresh.keys() == committed.keys(), "run `make insights`"
    assert [name for name in fresh if fresh[name] != committed[name]] == [], "run `make insights`"


def test_its_types_are_strict_its_contract_is_the_apis_and_it_is_formatted(copy: Path) -> None:
    done = npm("run", "--silent", "check", within=copy)
    assert done.returncode == 0, done.stdout + done.stderr
    code = "".join(file.read_text() for file in (copy / "src").rglob("*.ts*") if file.name != "schema.ts")
    for word in (": any", "as any", "<any", "@ts-ignore", "@ts-expect-error"):
        assert word not in code


def test_its_pins_name_no_host() -> None:
    lock = json.loads((SOURCE / "package-lock.json").read_text())
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]
    wanted = json.loads((SOURCE / "package.json").read_text())["devDependencies"]
    assert all(version[0].isdigit() for version in wanted.values())


def test_its_size(stack: LocalStack, looking: Open) -> None:
    code = {name: text for name, text in contents(BUILT).items() if name.endswith((".js", ".css"))}
    whole = sum(len(gzip.compress(text, mtime=0)) for text in code.values())
    loaded: list[str] = []
    with looking("live") as page:
        settled(page)
        page.on("response", lambda one: loaded.append(one.url))
        page.reload()
        settled(page)
    first = 0
    for url in {url for url in loaded if url.endswith((".js", ".css"))}:
        with urlopen(Request(url, headers={"accept-encoding": "gzip"})) as answer:
            assert answer.headers["content-encoding"] == "gzip"
            first += len(answer.read())
    print(f"first view: {first:,} bytes, all views: {whole:,} bytes, gzipped")
    assert 50_000 < first <= MOST_FIRST
    assert whole <= MOST
    said = (PROJECT / "docs/insights.md").read_text()
    assert f"{round(first / 1000)} kB" in said
    assert f"{round(whole / 1000)} kB" in said
