"""The schema describes itself, and docs/data.md is what it says."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from footfall import queries
from footfall.database import Row, connect
from local.dictionary import WANTED, dictionary
from tests.site import Site, does, meets

ROOT = Path(__file__).parents[2]
PERSONAL = {"user_id", "anonymous_id", "visitor_id", "owner_id", "author_id", "ip_address"}
TABLES = """
SELECT relname AS name, obj_description(oid, 'pg_class') AS comment,
       ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = pg_class.oid AND attnum > 0) AS columns
FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
"""
INDEXES = """
SELECT relname AS name, obj_description(indexrelid, 'pg_class') AS comment
FROM pg_index
JOIN pg_class ON pg_class.oid = indexrelid
WHERE relnamespace = 'public'::regnamespace AND NOT relispartition AND NOT indisprimary
"""


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Row]]:
    with connect(database_url) as opened:
        yield opened


def test_the_data_dictionary_is_what_the_schema_says(connection: psycopg.Connection[Row]) -> None:
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    assert page == dictionary(connection), "make it again: python -m local.dictionary > docs/data.md"


def test_every_table_says_what_it_holds_and_whether_that_is_a_person(
    connection: psycopg.Connection[Row],
) -> None:
    for table in connection.execute(TABLES.encode()):
        assert table["comment"], table["name"]
        assert personal_columns(table["comment"]) >= PERSONAL & set(table["columns"]), table["name"]
        assert personal_columns(table["comment"]) <= set(table["columns"]), table["name"]


def personal_columns(comment: str) -> set[str]:
    """Those after "Holds a person:", without remarks in parentheses."""
    _, _, said = comment.partition("Holds a person: ")
    return {name.strip() for name in re.sub(r"\(.*?\)", "", said).rstrip(".").split(",") if name.strip()}


def test_every_index_names_queries_that_exist(connection: psycopg.Connection[Row]) -> None:
    """As `room: query, query (why); room: query.`"""
    known = {
        folder.name: queries.load(folder) for folder in (ROOT / "functions").iterdir() if folder.is_dir()
    }
    known["common"] = queries.load(ROOT / "layers" / "common" / "footfall")
    for index in connection.execute(INDEXES.encode()):
        assert index["comment"], index["name"]
        for part in re.sub(r" \(.*?\)", "", index["comment"]).rstrip(".").split("; "):
            room, _, names = part.partition(": ")
            assert set(names.split(", ")) <= known.get(room, {}).keys(), (index["name"], part)


def test_every_function_is_explained(connection: psycopg.Connection[Row]) -> None:
    bare = connection.execute(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        " AND obj_description(oid, 'pg_proc') IS NULL"
    )
    assert bare.fetchall() == []


def test_the_queries_that_people_want_answer(database_url: str) -> None:
    now = datetime.now(UTC)
    with Site(database_url) as site:
        long_ago = [does("bob", now - timedelta(days=20, minutes=step)) for step in range(25)]
        site.send(
            does(
                "ada",
                now - timedelta(hours=2),
                session_id="hers",
                page_path="/",
                referrer="https://shop.example/",
            ),
            meets("ada", "graphs", now - timedelta(hours=1), "save", session_id="hers"),
            *long_ago,
            at=now,
        )
        site.analyze(now)
        site.connection.execute(
            "INSERT INTO quarantine VALUES (gen_random_uuid(), 'ingest', 'why', '{}', now())"
        )
        found = {name: site.rows(query) for name, query in WANTED.items()}
    assert len(found) == 10
    assert [name for name, rows in found.items() if not rows] == []
    assert found["active_visitors"][-1]["visitors"] == 1
    assert [row["landing_page"] for row in found["landing_pages"]] == ["/"]
    assert [row["visitors"] for row in found["referrers"]] == [1]
    assert [row["event_type"] for row in found["one_user"]] == ["content_interaction", "page_view"]
    assert [(row["content"], row["visitors"]) for row in found["liked_content"]] == [("graphs", 1)]
    assert sum(row["users"] for row in found["stages"]) == 2
    assert [(row["user_id"], row["activity_count"]) for row in found["fallen_silent"]] == [("bob", 25)]
    assert found["time_to_action"] == [{"users": 1, "median_time": timedelta(hours=1)}]
    assert [row["reason"] for row in found["refused_events"]] == ["why"]
