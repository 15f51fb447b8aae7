"""Each room is known to the database by its own name, where the database allows it."""

import re
from pathlib import Path

import psycopg
import pytest

from local.postgres import PostgresServer
from tests.end_to_end.conftest import Connection
from tests.end_to_end.local_stack import LocalStack, eventually


def visit(stack: LocalStack) -> None:
    """One event, learned from, and an answer: every room has worked when it returns."""
    facts = stack.local()
    event = {"event_type": "page_view", "user_id": "role tester"}
    assert stack.post(f"/v1/events?write_key={facts['server_key']}", event).status == 202
    next_action = "/v1/users/role%20tester/next-action"
    with psycopg.connect(facts["database_url"], autocommit=True) as owner:
        eventually(lambda: owner.execute("SELECT FROM user_activities").rowcount)
        stack.post("/2015-03-31/functions/AnalyzeFunction/invocations", {})
        eventually(lambda: owner.execute("SELECT FROM suggestions").rowcount)
    assert stack.get(next_action, facts["server_key"]).body["stage"] == "new_user"


@pytest.mark.xdist_group("stack")
def test_rooms_connect_as_themselves(stack: LocalStack, database: Connection) -> None:
    visit(stack)
    seen = database.execute(
        "SELECT DISTINCT usename::text FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    ).fetchall()
    names = {str(name) for (name,) in seen}
    assert names >= {"footfall_session", "footfall_analyze", "footfall_recommend"}
    assert "footfall:" in stack.local()["database_url"]
    assert "not used" not in stack.log()


@pytest.mark.xdist_group("crashes")
def test_an_owner_who_may_not_make_roles_runs_it_all(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / "postgres", options={"fsync": "off"})
    server.start()
    try:
        with psycopg.connect(server.url(), autocommit=True) as owner:
            owner.execute("CREATE ROLE plain LOGIN PASSWORD 'word'")
            owner.execute("GRANT plain TO footfall")
            owner.execute("CREATE DATABASE theirs OWNER plain")
        url = re.sub("footfall:[^@]+@", "plain:word@", server.url("theirs"))
        stack = LocalStack(tmp_path / "data", DATABASE_URL=url)
        stack.start()
        try:
            visit(stack)
            assert stack.local()["database_url"] == url
            [line] = [line for line in stack.log().splitlines() if "not used" in line]
            assert line.startswith(
                "footfall_analyze, footfall_insights, footfall_recommend, footfall_session: not used"
            )
            assert 'role "footfall_session" does not exist' in line
        finally:
            stack.kill()
    finally:
        server.stop()
