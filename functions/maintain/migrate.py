"""Brings the schema up to date: the migrations of this folder, in order, each once and in one transaction."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import LiteralString

import psycopg

from footfall.errors import FootfallError
from functions.maintain.turns import Connection, turn

FOLDER = Path(__file__).parent / "migrations"


class MigrationError(FootfallError):
    """A migration that was applied has since been changed."""


@dataclass(frozen=True, slots=True)
class Migration:
    name: str
    text: LiteralString

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def migrations(folder: Path = FOLDER) -> list[Migration]:
    """Those of the folder, in order."""
    return [Migration(file.stem, file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.sql"))]


def migrate(connection: Connection, now: datetime | None = None, folder: Path = FOLDER) -> list[str]:
    """Applies what is pending and says which; a second call finds nothing to do.

    Args:
        connection: the owner's, in autocommit mode.

    Raises:
        MigrationError: an applied one was changed, or is no longer there.
        psycopg.Error: one failed; it and those after it left nothing behind.
    """
    applied: list[str] = []
    with turn(connection):
        for migration in _pending(connection, migrations(folder)):
            _apply(connection, migration, now or datetime.now(UTC))
            applied.append(migration.name)
    return applied


def _pending(connection: Connection, known: list[Migration]) -> list[Migration]:
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations"
        " (name text PRIMARY KEY, digest text NOT NULL, applied_at timestamptz NOT NULL)"
    )
    connection.execute("COMMENT ON TABLE schema_migrations IS 'The migrations that were applied.'")
    rows = connection.cursor(row_factory=psycopg.rows.tuple_row).execute(
        "SELECT name, digest FROM schema_migrations"
    )
    done: dict[str, str] = dict(rows.fetchall())
    for migration in known:
        if done.get(migration.name, migration.digest) != migration.digest:
            raise MigrationError(f"{migration.name} was changed after it was applied")
    missing = done.keys() - {migration.name for migration in known}
    if missing:
        raise MigrationError(f"the database is ahead: it has {', '.join(sorted(missing))}")
    return [migration for migration in known if migration.name not in done]


def _apply(connection: Connection, migration: Migration, now: datetime) -> None:
    with connection.transaction():
        connection.execute("SET LOCAL lock_timeout = '5s'")
        connection.execute(migration.text)
        connection.execute(
            "INSERT INTO schema_migrations VALUES (%s, %s, %s)", [migration.name, migration.digest, now]
        )
