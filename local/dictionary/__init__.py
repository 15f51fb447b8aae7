"""The data dictionary: what a migrated database says of itself."""

from collections.abc import Iterator
from pathlib import Path

import psycopg

from footfall import queries
from footfall.database import Row

HEADER = """\
# Data dictionary

Every table of the database, as its own comments describe it. `python -m local.dictionary` makes this page
from a migrated database: change a comment in `functions/maintain/migrations/`, then make it again.
"""

Connection = psycopg.Connection[Row]

_QUERIES = queries.load(Path(__file__).parent)
# Ready to be run as they stand, by name; each begins with the question that it answers.
WANTED = queries.load(Path(__file__).parent / "wanted")


def dictionary(connection: Connection) -> str:
    """The page, in Markdown."""
    parts = [HEADER, *_tables(connection), "## Functions\n", *_functions(connection), "", *_wanted()]
    return "\n".join(parts)


def _tables(connection: Connection) -> Iterator[str]:
    for table in connection.execute(_QUERIES["tables"]).fetchall():
        yield f"## {table['name']}\n\n{table['comment']}\n"
        if table["partitioned_by"]:
            yield f"Partitioned by {table['partitioned_by']}.\n"
        yield "| column | type | null | meaning |\n|---|---|---|---|"
        yield from _columns(connection, table["oid"])
        yield ""
        yield from _indexes(connection, table["oid"])
        yield ""


def _columns(connection: Connection, table: int) -> Iterator[str]:
    for column in connection.execute(_QUERIES["columns"], {"table": table}):
        meaning = (column["comment"] or "").replace("|", "\\|")
        yield f"| {column['name']} | {column['type']} | {'yes' if column['nullable'] else ''} | {meaning} |"


def _indexes(connection: Connection, table: int) -> Iterator[str]:
    for index in connection.execute(_QUERIES["indexes"], {"table": table}):
        if index["is_key"]:
            yield f"- primary key `{index['definition']}`"
        else:
            yield f"- `{index['name']}` `{index['definition']}`: {index['comment']}"


def _functions(connection: Connection) -> Iterator[str]:
    for function in connection.execute(_QUERIES["functions"]):
        signature = f"{function['name']}({function['arguments']}) → {function['result']}"
        yield f"- `{signature}`: {function['comment']}"


def _wanted() -> Iterator[str]:
    yield (
        "## Queries people want\n\nFor psql, as they stand. `is_bot` is of crawlers and scripts; a visitor is"
        " `coalesce(user_id, anonymous_id)`.\n"
    )
    for query in WANTED.values():
        question, _, statement = query.partition("\n")
        yield f"{question.removeprefix('-- ')}\n\n```sql\n{statement}\n```\n"
