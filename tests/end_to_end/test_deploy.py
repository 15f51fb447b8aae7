"""A deploy that fails, as `make run` plays it."""

from pathlib import Path

import psycopg

from tests.end_to_end.local_stack import LocalStack


def test_a_start_whose_migrations_fail_says_why_and_ends(tmp_path: Path) -> None:
    stack = LocalStack(tmp_path / "data")
    stack.start()
    try:
        with psycopg.connect(stack.local()["database_url"]) as database:
            database.execute("UPDATE schema_migrations SET digest = 'another' WHERE name = '0001_events'")
        assert stack.stop() == 0
        complaint = "Migrations failed: 0001_events was changed after it was applied\n"
        assert stack.start_in_vain() == (1, complaint)
    finally:
        stack.kill()
