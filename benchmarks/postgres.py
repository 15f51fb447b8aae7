"""The Postgres of a run: started when first needed, with a migrated database for whoever asks."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import LiteralString, Self

import psycopg
from psycopg.sql import SQL, Identifier

from footfall.settings import Settings
from functions.maintain.handler import maintain
from local.postgres.server import PostgresServer

# Durable as in production; what works in the background at times of its own choosing stays away.
OPTIONS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "512MB",
    "autovacuum": "off",
    "checkpoint_timeout": "1h",
    "max_wal_size": "4GB",
}
TEMPLATE = "template_benchmarks"


class Postgres:
    """One server for all benchmarks of a run, under a folder that goes with it."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._folder: Path | None = None
        self._databases = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if "_server" in self.__dict__:
            self._server.stop()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def make_database(self) -> str:
        """The owner's URL of a migrated, empty database."""
        template = self._template
        self._databases += 1
        name = f"benchmark_{self._databases}"
        self._execute("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy", name, template)
        return self._server.url(name)

    @contextmanager
    def database(self) -> Iterator[str]:
        """The same, dropped afterwards."""
        url = self.make_database()
        try:
            yield url
        finally:
            self._execute("DROP DATABASE {} WITH (FORCE)", url.rpartition("/")[2])

    @property
    def version(self) -> str | None:
        """Null while nobody needed it."""
        if "_server" not in self.__dict__:
            return None
        with psycopg.connect(self._server.url()) as connection:
            row = connection.execute("SELECT current_setting('server_version')").fetchone()
        return str(row[0]) if row else ""

    @cached_property
    def _server(self) -> PostgresServer:
        self._folder = Path(tempfile.mkdtemp(prefix="footfall-benchmarks-"))
        server = PostgresServer(self._folder, options=OPTIONS)
        server.start()
        return server

    @cached_property
    def _template(self) -> str:
        self._execute("CREATE DATABASE {}", TEMPLATE)
        settings = Settings({"DATABASE_URL": self._server.url(TEMPLATE), "RETENTION_MONTHS": "13"})
        maintain(settings, self._now)
        return TEMPLATE

    def _execute(self, statement: LiteralString, *names: str) -> None:
        with psycopg.connect(self._server.url(), autocommit=True) as connection:
            connection.execute(SQL(statement).format(*map(Identifier, names)))
