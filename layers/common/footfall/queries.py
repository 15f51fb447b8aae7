"""Named SQL: a room's .sql files, read once.

A query begins with its name and says in one sentence what it does:

    -- write_activities --
    -- Writes the activities that are new.
    INSERT INTO …
"""

import re
from functools import cache
from pathlib import Path
from typing import LiteralString

_HEADER = re.compile(r"^-- (\w+) --$", re.MULTILINE)


@cache
def load(folder: Path) -> dict[str, LiteralString]:
    """All queries of the .sql files in `folder`, by name.

    Raises:
        ValueError: a name stands twice.
    """
    queries: dict[str, LiteralString] = {}
    for file in sorted(folder.glob("*.sql")):
        parts = _HEADER.split(file.read_text(encoding="utf-8"))
        for name, text in zip(parts[1::2], parts[2::2], strict=True):
            if name in queries:
                raise ValueError(f"{file.name}: the query {name} stands twice")
            queries[name] = text.strip()
    # Only files that ship with the code get here, so what psycopg asks for (trusted SQL) is true.
    return queries
