"""`make import` puts every row of a file into the database, once."""

import csv
import random
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.end_to_end.local_stack import PROJECT, LocalStack

pytestmark = pytest.mark.xdist_group("stack")

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def write_deskdrop(file: Path, rows: int, last: datetime, people: str) -> None:
    """A file of that shape: negative ids, half the rows without an agent, some rows twice, no order."""
    dice = random.Random(7)
    columns = "timestamp eventType contentId personId sessionId userAgent userRegion userCountry"
    with file.open("w", newline="") as text:
        writer = csv.writer(text)
        writer.writerow(columns.split())
        row: list[Any] = []
        for number in range(rows):
            if number % 50 != 1:
                at = last - timedelta(seconds=0 if number == 7 else dice.randrange(90 * 86400))
                person = dice.randrange(rows // 20)
                kind = dice.choice(["VIEW", "VIEW", "VIEW", "LIKE", "BOOKMARK", "FOLLOW", "COMMENT CREATED"])
                device = (AGENT, "SP", "BR") if dice.random() < 0.5 else ("", "", "")
                row = [
                    int(at.timestamp()),
                    kind,
                    -dice.randrange(100),
                    f"-{people}{person}",
                    f"{people}{person}{at:%d%H}",
                    *device,
                ]
            writer.writerow(row)


def run_import(stack: LocalStack, file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local.importer", str(file), *options]
    return subprocess.run(
        command,
        cwd=PROJECT,
        env=stack.environment(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def counts(database: psycopg.Connection[Any], user: str) -> Any:
    return database.execute(
        "SELECT count(*), count(DISTINCT interaction.id), count(DISTINCT user_id), max(created_at),"
        " sum(engagement_score) FROM content_interactions AS interaction"
        " JOIN external_ids ON external_ids.id = user_id WHERE external_id LIKE %s",
        [f"-{user}%"],
    ).fetchone()


def test_importing_twice_stores_once(
    stack: LocalStack, database: psycopg.Connection[Any], tmp_path: Path
) -> None:
    people, file = str(random.Random().randrange(10**9)), tmp_path / "interactions.csv"
    write_deskdrop(file, 2_000, datetime(2017, 2, 28, tzinfo=UTC), people)

    first = run_import(stack, file, "--shift", "now")
    assert first.returncode == 0, first.stderr
    assert "2,000 rows: 2,000 taken, 2,000 stored, 0 missing, 0 refused" in first.stdout
    assert "100%" in first.stderr
    found = counts(database, people)
    assert found[:3] == (2_000, 2_000, 100)
    assert datetime.now(UTC) - found[3] < timedelta(minutes=5)

    again = run_import(stack, file, "--shift", "now")
    assert again.returncode == 0, again.stderr
    assert counts(database, people) == found


def test_old_events_keep_their_own_time(
    stack: LocalStack, database: psycopg.Connection[Any], tmp_path: Path
) -> None:
    people, file = str(random.Random().randrange(10**9)), tmp_path / "interactions.csv"
    write_deskdrop(file, 500, datetime(2017, 2, 28, tzinfo=UTC), people)
    done = run_import(stack, file)
    assert done.returncode == 0, done.stderr
    assert "500 are older than the months that are kept" in done.stdout
    own_times = database.execute(
        "SELECT count(*) FROM user_activities JOIN external_ids ON external_ids.id = user_id"
        " WHERE external_id LIKE %s AND client_created_at BETWEEN '2016-11-01' AND '2017-02-28'",
        [f"-{people}%"],
    ).fetchone()
    assert own_times == (500,)


def test_a_plain_interactions_file(stack: LocalStack, tmp_path: Path) -> None:
    file, user = tmp_path / "plain.csv", f"plain-{uuid.uuid4()}"
    now = datetime.now(UTC)
    file.write_text(
        "user_id,content_id,content_type,interaction_type,created_at\n"
        f"{user},a,job,apply,{now.isoformat()}\n"
        f"{user},b,job,view,{now.timestamp():.0f}\n"
        f"{user},c,job,view,last week\n"
        f"null,d,job,view,{now.timestamp():.0f}\n"
    )
    done = run_import(stack, file)
    assert done.returncode == 1, "a file with faults isn't imported whole"
    assert "4 rows: 2 taken, 2 stored, 0 missing, 2 refused" in done.stdout
    assert "line 4: ValueError: Invalid isoformat string: 'last week'" in done.stdout
    assert "line 5: user_id: 'null' is no id" in done.stdout
    insights = stack.get(f"/v1/users/{user}/insights", stack.local()["server_key"]).body
    assert [one["type"] for one in insights["preferences"]] == ["job"]


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "there is no such file"), ("a,b\n1,2\n", "its columns are a, b; expected user_id, content_id")],
)
def test_what_is_no_such_file_is_said(
    stack: LocalStack, tmp_path: Path, content: str | None, says: str
) -> None:
    file = tmp_path / "odd.csv"
    if content is not None:
        file.write_text(content)
    done = run_import(stack, file)
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr
