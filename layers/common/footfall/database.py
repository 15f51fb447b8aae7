"""The connection to Postgres, where the driver's errors stop."""

import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from footfall import rds
from footfall.errors import (
    BadDataError,
    ConflictError,
    DatabaseUnavailableError,
    MissingSettingError,
    TooSlowError,
)
from footfall.settings import Settings

T = TypeVar("T")
Row = dict[str, Any]
Clock = Callable[[], datetime]

# Postgres closes connections that are idle for longer; we open another well before.
IDLE = timedelta(minutes=2)

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


# Of a statement whose plan is good for any number of rows; planning it anew would cost as much as running it.
PREPARED = "/* prepared */"


class Transaction:
    """Runs a room's named queries inside one transaction."""

    def __init__(
        self,
        connection: psycopg.Connection[Row],
        queries: Mapping[str, LiteralString],
        made: set[str] | None = None,
    ) -> None:
        """`made` are the queries that need not run again on this connection."""
        self._connection = connection
        self._queries = queries
        self._made = set() if made is None else made

    def all(self, query: str, /, **parameters: Any) -> list[Row]:
        return self._execute(query, parameters).fetchall()

    def one(self, query: str, /, **parameters: Any) -> Row | None:
        return self._execute(query, parameters).fetchone()

    def run(self, query: str, /, **parameters: Any) -> int:
        """The number of rows written."""
        return self._execute(query, parameters).rowcount

    def once(self, query: str) -> None:
        """What makes something that lasts as long as the connection."""
        if query not in self._made:
            self.run(query)
            self._made.add(query)

    def _execute(self, query: str, parameters: Mapping[str, Any]) -> psycopg.Cursor[Row]:
        # Only what says so is prepared: a plan made for a batch of one is kept for a batch of thousands.
        statement = self._queries[query]
        return self._connection.execute(statement, parameters, prepare=PREPARED in statement)

    def copy(self, query: str, lines: str) -> None:
        """Feeds COPY with lines in its text format."""
        with self._connection.cursor() as cursor, cursor.copy(self._queries[query]) as copying:
            copying.write(lines.encode())


class Database:
    """One connection, opened when first needed and again when it was lost."""

    def __init__(
        self,
        url: str,
        queries: Mapping[str, LiteralString],
        statement_seconds: int = 15,
        *,
        environ: Mapping[str, str] = os.environ,
        now: Clock = lambda: datetime.now(UTC),
    ) -> None:
        """A statement that runs longer is ended: its function would be, and leave it running."""
        self._url = url
        self._environ = environ
        self._now = now
        self._queries = queries
        self._statement_seconds = statement_seconds
        self._connection: psycopg.Connection[Row] | None = None
        self._made: set[str] = set()
        self._used_at = now()

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
            with connection.transaction(), self._unmade_by_failure():
                yield Transaction(connection, self._queries, self._made)
        except errors.UniqueViolation as error:
            raise ConflictError(_first_line(error)) from error
        except _BAD_DATA as error:
            raise BadDataError(_first_line(error)) from error
        except _RETRYABLE as error:
            raise DatabaseUnavailableError(_first_line(error)) from error
        except errors.QueryCanceled as error:
            raise TooSlowError(_first_line(error)) from error
        except _LOST as error:
            self.close()
            raise DatabaseUnavailableError(_first_line(error)) from error
        finally:
            self._used_at = self._now()

    @contextmanager
    def _unmade_by_failure(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._made.clear()
            raise

    def _open(self) -> psycopg.Connection[Row]:
        if self._now() - self._used_at > IDLE / 2:
            self.close()
        if self._connection is None or self._connection.closed:
            self._made.clear()
            self._connection = connect(
                self._url, self._statement_seconds, environ=self._environ, now=self._now
            )
        return self._connection


def connect(
    url: str,
    statement_seconds: int = 0,
    *,
    environ: Mapping[str, str] = os.environ,
    now: Clock = lambda: datetime.now(UTC),
) -> psycopg.Connection[Row]:
    """A connection with rows as dicts, in autocommit mode; its hours are UTC. 0 seconds: no limit.

    Raises:
        MissingSettingError: the URL can't be read, or what RDS needs beside it isn't there.
    """
    return psycopg.connect(
        url,
        autocommit=True,
        row_factory=dict_row,
        connect_timeout=5,
        # Nothing is prepared by itself.
        prepare_threshold=2**31,
        # A function that Lambda froze in a transaction must not hold its locks; one that it keeps frozen must
        # not keep a database awake that could pause.
        options=f"-c timezone=UTC -c idle_in_transaction_session_timeout=30s"
        f" -c idle_session_timeout={IDLE // timedelta(seconds=1)}s -c statement_timeout={statement_seconds}s",
        **_for_rds(url, environ, now),
    )


def _for_rds(url: str, environ: Mapping[str, str], now: Clock) -> dict[str, Any]:
    """What an RDS endpoint needs and the URL doesn't say; nothing for another host."""
    try:
        said = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # The driver's message would quote what may be a password.
        raise MissingSettingError("DATABASE_URL isn't the URL of a Postgres database") from None
    host = str(said.get("host") or "")
    region = rds.region_of(host)
    if region is None:
        return {}
    # A token is as good as a password for a while: it goes to nobody but the server whose name that is.
    needed: dict[str, Any] = {} if "sslmode" in said else {"sslmode": "verify-full"}
    if "sslrootcert" not in said:
        needed["sslrootcert"] = str(rds.roots_of(region))
    if "password" not in said and said.get("user"):
        port, user = int(said.get("port") or 5432), str(said["user"])
        credentials = Settings(environ).credentials
        needed["password"] = rds.token(host, port, user, region, credentials, now())
    return needed


def _first_line(error: psycopg.Error) -> str:
    return (error.diag.message_primary or str(error)).splitlines()[0] if str(error) else type(error).__name__
