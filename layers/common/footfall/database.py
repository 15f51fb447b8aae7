"""The connection to Postgres, where the driver's errors stop."""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, LiteralString, TypeVar
from urllib.parse import urlsplit

import psycopg
from psycopg import errors
from psycopg.rows import dict_row

from footfall.errors import BadDataError, DatabaseUnavailableError, TooSlowError

T = TypeVar("T")
Row = dict[str, Any]

# Postgres undid the whole transaction for no fault of its content: the same work may be done again.
_RETRYABLE = (
    errors.DeadlockDetected,
    errors.SerializationFailure,
    errors.LockNotAvailable,
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
)
# The connection is of no use any more. (A server that became read-only in a failover is an InternalError.)
_LOST = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError)
_BAD_DATA = (errors.DataError, errors.IntegrityError, errors.StatementTooComplex, errors.ProgramLimitExceeded)


class Transaction:
    """Runs a room's named queries inside one transaction."""

    def __init__(self, connection: psycopg.Connection[Row], queries: Mapping[str, LiteralString]) -> None:
        self._connection = connection
        self._queries = queries

    def all(self, query: str, /, **parameters: Any) -> list[Row]:
        return self._connection.execute(self._queries[query], parameters).fetchall()

    def one(self, query: str, /, **parameters: Any) -> Row | None:
        return self._connection.execute(self._queries[query], parameters).fetchone()

    def run(self, query: str, /, **parameters: Any) -> int:
        """The number of rows written."""
        return self._connection.execute(self._queries[query], parameters).rowcount


class Database:
    """One connection, opened when first needed and again when it was lost."""

    def __init__(self, url: str, queries: Mapping[str, LiteralString], statement_seconds: int = 15) -> None:
        """A statement that runs longer is ended: its function would be, and leave it running."""
        self._url = url
        self._queries = queries
        self._statement_seconds = statement_seconds
        self._connection: psycopg.Connection[Row] | None = None

    def run(self, work: Callable[[Transaction], T], *, patience: float = 0.0) -> T:
        """Does `work` in one transaction, again where it failed for no fault of its own.

        Args:
            work: must have no effect but its queries, as it may run several times.
            patience: seconds to keep trying.

        Raises:
            DatabaseUnavailableError: not reachable, or busy, for longer than `patience`.
            TooSlowError: a statement took longer than it may; nothing was written.
            BadDataError: a value was refused; nothing was written.
        """
        deadline = time.monotonic() + patience
        pause = 0.02
        while True:
            try:
                with self._transaction() as transaction:
                    return work(transaction)
            except DatabaseUnavailableError as error:
                # What was too slow once would take as long again.
                if isinstance(error, TooSlowError) or time.monotonic() + pause > deadline:
                    raise
                time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
                pause = min(pause * 2, 1.0)

    def close(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    @contextmanager
    def _transaction(self) -> Iterator[Transaction]:
        try:
            connection = self._open()
            with connection.transaction():
                yield Transaction(connection, self._queries)
        except _BAD_DATA as error:
            raise BadDataError(_first_line(error)) from error
        except _RETRYABLE as error:
            raise DatabaseUnavailableError(_first_line(error)) from error
        except errors.QueryCanceled as error:
            raise TooSlowError(_first_line(error)) from error
        except _LOST as error:
            self.close()
            raise DatabaseUnavailableError(_first_line(error)) from error

    def _open(self) -> psycopg.Connection[Row]:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._url, self._statement_seconds)
        return self._connection


def connect(url: str, statement_seconds: int = 0) -> psycopg.Connection[Row]:
    """A connection with rows as dicts, in autocommit mode; its hours are UTC. 0 seconds: no limit."""
    parts = urlsplit(url)
    extra: dict[str, Any] = {}
    if parts.username and not parts.password and (parts.hostname or "").endswith(".amazonaws.com"):
        extra["password"] = _iam_token(parts.hostname or "", parts.port or 5432, parts.username)
    return psycopg.connect(
        url,
        autocommit=True,
        row_factory=dict_row,
        connect_timeout=5,
        # Nothing is prepared: a plan made for a batch of one would be kept for a batch of thousands.
        prepare_threshold=None,
        # A function that Lambda froze in a transaction must not hold its locks.
        options=f"-c timezone=UTC -c idle_in_transaction_session_timeout=30s"
        f" -c statement_timeout={statement_seconds}s",
        **extra,
    )


def _iam_token(host: str, port: int, user: str) -> str:
    import boto3

    token: str = boto3.client("rds").generate_db_auth_token(DBHostname=host, Port=port, DBUsername=user)
    return token


def _first_line(error: psycopg.Error) -> str:
    return (error.diag.message_primary or str(error)).splitlines()[0] if str(error) else type(error).__name__
