"""Brings the schema up to date: the migrations of this folder, in order, each once, in one transaction."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import LiteralString

import psycopg

from footfall.errors import FootfallError
from functions.maintain.partitions import QUERIES, TABLES, finalize
from functions.maintain.turns import Connection, turn

FOLDER = Path(__file__).parent / "migrations"
# A busy table isn't waited for longer than this, so that those who queue behind us hardly notice.
LOCK_SECONDS = 5.0
_BUSY = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)


class MigrationError(FootfallError):
    """A migration can't be applied."""


class BusyTableError(MigrationError):
    """A migration waited too long for a table that others use."""


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


def digest(folder: Path = FOLDER) -> str:
    """Another one when a migration is added; the template carries it, so that a deploy knows."""
    lines = "".join(f"{migration.name} {migration.digest}\n" for migration in migrations(folder))
    return hashlib.sha256(lines.encode()).hexdigest()


def migrate(connection: Connection, now: datetime | None = None, folder: Path = FOLDER) -> list[str]:
    """Applies what is pending and says which; a second call finds nothing to do.

    A database that is ahead is left alone: after a deploy that failed late, older code meets it.

    Args:
        connection: the owner's, in autocommit mode.

    Raises:
        BusyTableError: a table, or a month that is being detached, is in use.
        MigrationError: one failed, or was changed after it was applied; nothing was left behind.
    """
    applied: list[str] = []
    with turn(connection), connection.transaction():
        connection.execute("SELECT set_config('lock_timeout', %s, true)", [f"{LOCK_SECONDS * 1000:.0f}ms"])
        pending = _pending(connection, migrations(folder))
        if pending:
            _end_detaching(connection)
        for migration in pending:
            _apply(connection, migration, now or datetime.now(UTC))
            applied.append(migration.name)
    return applied


def ahead(connection: Connection, folder: Path = FOLDER) -> list[str]:
    """The migrations that a migrated database has and the folder has not."""
    return sorted(_done(connection).keys() - {migration.name for migration in migrations(folder)})


def _pending(connection: Connection, known: list[Migration]) -> list[Migration]:
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations"
        " (name text PRIMARY KEY, digest text NOT NULL, applied_at timestamptz NOT NULL)"
    )
    connection.execute("COMMENT ON TABLE schema_migrations IS 'The migrations that were applied.'")
    done = _done(connection)
    for migration in known:
        if done.get(migration.name, migration.digest) != migration.digest:
            raise MigrationError(f"{migration.name} was changed after it was applied")
    return [migration for migration in known if migration.name not in done]


def _done(connection: Connection) -> dict[str, str]:
    rows = connection.cursor(row_factory=psycopg.rows.tuple_row).execute(
        "SELECT name, digest FROM schema_migrations"
    )
    return dict(rows.fetchall())


def _end_detaching(connection: Connection) -> None:
    """A migration misses a month that is being detached, which then differs from its table for good."""
    for row in connection.execute(QUERIES["list_pending"], {"tables": list(TABLES)}).fetchall():
        try:
            finalize(connection, row["table"], row["name"])
        except _BUSY as error:
            raise BusyTableError(f"detaching {row['name']}: {error.diag.message_primary or error}") from error


def _apply(connection: Connection, migration: Migration, now: datetime) -> None:
    try:
        connection.execute(migration.text)
    except psycopg.Error as error:
        kind = BusyTableError if isinstance(error, _BUSY) else MigrationError
        raise kind(f"{migration.name}: {error.diag.message_primary or error}") from error
    connection.execute(
        "INSERT INTO schema_migrations VALUES (%s, %s, %s)", [migration.name, migration.digest, now]
    )
