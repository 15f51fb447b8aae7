"""The tests' database: one Postgres for all workers of a run, and a fresh database for each test.

Import the fixtures into a conftest. The server lives in a process of its own (`python -m tests.database`),
which ends it when the last worker has let go of its lock, however that worker ended.
"""

import fcntl
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from footfall.settings import Settings
from local.postgres.server import PostgresError, PostgresServer

__all__ = ["database_url", "empty_database_url", "postgres_url", "shared_folder", "template_url"]

ROOT = Path(__file__).parent.parent
TEMPLATE = "template_footfall"
# Nothing here outlives the run; vacuuming in the background would only disturb it.
OPTIONS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}
START_SECONDS = 120


@pytest.fixture(scope="session")
def shared_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for all workers of one run."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if hasattr(request.config, "workerinput") else base) / "database"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def postgres_url(shared_folder: Path) -> Iterator[str]:
    """The owner's URL of the run's server; it may create databases and roles."""
    with _locked(shared_folder / "users", fcntl.LOCK_SH):
        with _locked(shared_folder / "starting", fcntl.LOCK_EX):
            url = _read(shared_folder / "url") or _start_host(shared_folder)
        yield url


@pytest.fixture(scope="session")
def template_url(postgres_url: str, shared_folder: Path) -> str:
    """A maintained database that is only there to be cloned: nobody may stay connected to it."""
    url = _sibling(postgres_url, TEMPLATE)
    with _locked(shared_folder / "template", fcntl.LOCK_EX):
        if not _exists(postgres_url, TEMPLATE):
            _make_template(postgres_url, url)
    return url


@pytest.fixture
def database_url(postgres_url: str, template_url: str) -> Iterator[str]:
    """The owner's URL of a migrated, empty database of this test's own."""
    with _database(postgres_url, TEMPLATE) as url:
        yield url


@pytest.fixture
def empty_database_url(postgres_url: str) -> Iterator[str]:
    """The owner's URL of a database without any table."""
    with _database(postgres_url, "template1") as url:
        yield url


@contextmanager
def _database(postgres_url: str, template: str) -> Iterator[str]:
    name = f"test_{uuid4().hex}"
    _execute(postgres_url, "CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy", name, template)
    try:
        yield _sibling(postgres_url, name)
    finally:
        _execute(postgres_url, "DROP DATABASE {} WITH (FORCE)", name)


def _make_template(postgres_url: str, url: str) -> None:
    from functions.maintain.handler import maintain

    _execute(postgres_url, "CREATE DATABASE {}", TEMPLATE)
    try:
        maintain(Settings({"DATABASE_URL": url, "RETENTION_MONTHS": "13"}), datetime.now(UTC))
    except BaseException:
        _execute(postgres_url, "DROP DATABASE {} WITH (FORCE)", TEMPLATE)
        raise


def _execute(url: str, statement: str, *names: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SQL(statement).format(*map(Identifier, names)))


def _exists(url: str, database: str) -> bool:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,)).fetchone()
    return row is not None


def _sibling(url: str, database: str) -> str:
    return f"{url.rpartition('/')[0]}/{database}"


@contextmanager
def _locked(path: Path, how: int) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, how)
        yield


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None


def _start_host(shared: Path) -> str:
    # Through a process that ends at once: the host must outlive the worker that happens to start it.
    detach = "import subprocess, sys; subprocess.Popen(sys.argv[1:], start_new_session=True)"
    with (shared / "host.log").open("a") as log:
        command = [sys.executable, "-c", detach, sys.executable, "-m", "tests.database", str(shared)]
        subprocess.run(command, check=True, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if url := _read(shared / "url"):
            return url
        if error := _read(shared / "error"):
            raise PostgresError(error)
        time.sleep(0.02)
    raise PostgresError(f"the tests' Postgres does not start; see {shared / 'host.log'}")


def _host(shared: Path) -> None:
    server = PostgresServer(shared / "postgres", options=OPTIONS)
    try:
        server.start()
    except PostgresError as error:
        _write(shared / "error", str(error))
        return
    _write(shared / "url", server.url())
    with _locked(shared / "users", fcntl.LOCK_EX):
        (shared / "url").unlink()
        server.stop()
        shutil.rmtree(shared / "postgres", ignore_errors=True)


def _write(path: Path, text: str) -> None:
    """Whole or not at all: a worker is waiting for it."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


if __name__ == "__main__":
    _host(Path(sys.argv[1]))
