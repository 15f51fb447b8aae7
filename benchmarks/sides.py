"""The two who write the same events: the consumer, and raw COPY, which is the limit."""

import psycopg
from psycopg.sql import SQL, Composed, Identifier, Literal

from benchmarks.clocks import Cost, measure
from benchmarks.messages import Batch
from footfall.database import Database
from functions.session.consuming import consume
from functions.session.writing import QUERIES

TABLES = ("user_activities", "content_interactions")
Rows = dict[str, bytes]

_DUMP = SQL(
    "COPY (SELECT * FROM {} WHERE (created_at, id) IN"
    " (SELECT created_at, id FROM event_ids WHERE id = ANY ({}::uuid[])) ORDER BY created_at, id) TO STDOUT"
)


class Consumer:
    """The consumer as it is, on one connection, as a Lambda has it."""

    def __init__(self, url: str) -> None:
        self._database = Database(url, QUERIES | {"backend": "SELECT pg_backend_pid() AS pid"})
        found = self._database.run(lambda transaction: transaction.one("backend")) or {}
        self.backend: int = found["pid"]

    def consume(self, batch: Batch) -> tuple[int, Cost]:
        """How many events were new, and what that cost."""
        return measure(lambda: consume(self._database, batch.messages, 0.0), self.backend)

    def close(self) -> None:
        self._database.close()


class Copier:
    """Text COPY into the same tables, a commit for each batch."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        self.backend = self._connection.info.backend_pid

    def copy(self, rows: Rows) -> Cost:
        return measure(lambda: self._copy(rows), self.backend)[1]

    def close(self) -> None:
        self._connection.close()

    def _copy(self, rows: Rows) -> None:
        with self._connection.transaction(), self._connection.cursor() as cursor:
            for table in TABLES:
                with cursor.copy(SQL("COPY {} FROM STDIN").format(Identifier(table))) as copy:
                    copy.write(rows[table])


def rows_of(connection: psycopg.Connection, ids: set[str]) -> Rows:
    """What the tables hold of these events, as COPY text in the order of the primary key."""
    return {table: _dump(connection, _DUMP.format(Identifier(table), Literal(list(ids)))) for table in TABLES}


def _dump(connection: psycopg.Connection, statement: Composed) -> bytes:
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        return b"".join(copy)
