"""What a database holds, in a form that two of them can be compared in."""

from collections.abc import Sequence
from typing import Any

from psycopg import Connection
from psycopg.sql import SQL, Identifier

# What a database is made with, and what says when a row was written rather than what is in it.
GIVEN = ("schema_migrations", "time_zones")
NOT_COMPARED = ["touched_by", "engaged_by"]

Tables = dict[str, list[str]]


def table_names(connection: Connection[Any]) -> list[str]:
    """All tables that events end in; a partitioned one stands for its months."""
    found = connection.execute(
        "SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> ALL (%s) ORDER BY relname",
        [list(GIVEN)],
    )
    return [row["name"] for row in found]


def clear(connection: Connection[Any], tables: Sequence[str]) -> None:
    statements = [SQL("DELETE FROM {}").format(Identifier(table)) for table in tables]
    connection.execute(SQL("; ").join(statements))


def dump(connection: Connection[Any], tables: Sequence[str]) -> Tables:
    """Every row as text, sorted."""
    query = SQL("SELECT (to_jsonb(line) - %s::text[])::text AS line FROM {} AS line ORDER BY 1")
    found = {table: connection.execute(query.format(Identifier(table)), [NOT_COMPARED]) for table in tables}
    return {table: [row["line"] for row in rows] for table, rows in found.items()}
