"""Nothing that was answered is lost, whatever is killed."""

import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import boto3
import psycopg
import pytest

from tests.end_to_end.local_stack import PROJECT, LocalStack, eventually, running
from tests.end_to_end.test_import import write_deskdrop

pytestmark = pytest.mark.xdist_group("crashes")

ROWS = 12_000


def stored(stack: LocalStack) -> int:
    with psycopg.connect(stack.local()["database_url"]) as connection:
        row = connection.execute("SELECT count(*) FROM content_interactions").fetchone()
    assert row is not None
    return int(row[0])


def test_an_import_outlives_its_database_and_the_whole_stack(tmp_path: Path) -> None:
    file = tmp_path / "interactions.csv"
    write_deskdrop(file, ROWS, datetime(2017, 2, 28, tzinfo=UTC), "7")
    stack = LocalStack(tmp_path / "data")
    stack.start()
    importing = subprocess.Popen(
        [sys.executable, "-m", "local.importer", str(file), "--shift", "now"],
        cwd=PROJECT,
        env=stack.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        eventually(lambda: stored(stack) > 0)
        for postgres in stack.children("bin/postgres"):
            postgres.kill()
        eventually(lambda: stack.get("/health").status == 200)
        stack.kill()
        stack.start()
        out, err = importing.communicate(timeout=240)
        assert f"{ROWS:,} rows: {ROWS:,} taken, {ROWS:,} stored, 0 missing" in out, err[-2000:]
        with psycopg.connect(stack.local()["database_url"]) as database:
            totals = database.execute(
                "SELECT (SELECT count(*) FROM user_activities), (SELECT count(*) FROM content_interactions),"
                " (SELECT sum(actions_count) FROM user_sessions), (SELECT sum(activity_count) FROM profiles),"
                " (SELECT sum(events) FROM live_counts), (SELECT count(*) FROM quarantine)"
            ).fetchone()
        assert totals == (ROWS, ROWS, ROWS, ROWS, ROWS, 0)
        assert stack.stop() == 0, stack.log()[-2000:]
    finally:
        importing.kill()
        importing.communicate()
        stack.kill()


@pytest.fixture(scope="module")
def sturdy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    with running(tmp_path_factory.mktemp("sturdy") / "data") as stack:
        yield stack


def test_killed_functions_are_replaced(sturdy: LocalStack) -> None:
    for handler in ("functions.session.handler", "functions.ingest.handler", "functions.recommend.handler"):
        for process in sturdy.children(handler):
            process.kill()
    user = f"after-{uuid.uuid4()}"
    token = sturdy.token(user)
    event = {"event_type": "search", "anonymous_id": user}
    eventually(lambda: sturdy.post("/v1/me/events", [event] * 6, token).status == 202)
    eventually(lambda: sturdy.get("/v1/users/me/insights", token).body.get("intent") == "actively_searching")


def test_a_killed_database_comes_back(sturdy: LocalStack) -> None:
    token, before = sturdy.token("somebody"), database_started_at(sturdy)
    assert sturdy.get("/v1/users/me/feed", token).status == 200
    for postgres in sturdy.children("bin/postgres"):
        postgres.kill()
    eventually(lambda: database_started_at(sturdy) not in (before, None))
    eventually(lambda: sturdy.get("/health").status == 200)
    assert sturdy.get("/v1/users/me/feed", token).status == 200


def database_started_at(stack: LocalStack) -> datetime | None:
    """None while it doesn't answer."""
    try:
        with psycopg.connect(stack.local()["database_url"]) as connection:
            row = connection.execute("SELECT pg_postmaster_start_time()").fetchone()
    except psycopg.OperationalError:
        return None
    assert row is not None
    started: datetime = row[0]
    return started


def test_functions_are_invoked_as_on_aws(sturdy: LocalStack) -> None:
    client = boto3.client(
        "lambda",
        endpoint_url=sturdy.url,
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )
    answer = client.invoke(FunctionName="MaintainFunction", Payload=b"{}")
    assert b'"migrated"' in answer["Payload"].read()
    assert "FunctionError" not in answer
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.invoke(FunctionName="NoSuchFunction")


def test_a_second_stack_on_the_same_data_is_refused(sturdy: LocalStack) -> None:
    second = LocalStack(sturdy.data_dir)
    done = subprocess.run(
        [sys.executable, "-m", "local"],
        cwd=PROJECT,
        env={**sturdy.environment(), "PORT": str(second.port)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert str(sturdy.data_dir) in done.stderr
    assert "Traceback" not in done.stderr
