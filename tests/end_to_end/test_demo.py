"""`make demo` makes a network whose every event is stored once, and of which something is learned."""

import json
import random
import re
import signal
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.end_to_end.local_stack import PROJECT, LocalStack, eventually, free_port

pytestmark = pytest.mark.xdist_group("stack")

TABLES = "user_activities", "content_interactions", "user_sessions", "identities", "content"


def command(seed: str, *options: str) -> list[str]:
    # Both runs of a test in the same hour, whatever the clock says.
    hour = datetime.now(UTC).isoformat(timespec="seconds")
    size = ["--days", "10", "--users", "80", "--events", "3000"]
    return [sys.executable, "-m", "local.demo", "--seed", seed, "--until", hour, *size, *options]


def run(command: list[str], stack: LocalStack) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=PROJECT,
        env=stack.environment(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def counted(out: str, what: str) -> int:
    found = re.search(rf"([\d,]+) {what}", out)
    assert found, out
    return int(found[1].replace(",", ""))


def rows(database: psycopg.Connection[Any], users: list[str]) -> Any:
    """How much the tables hold of these users, and of everything."""
    total = ", ".join(f"(SELECT count(*) FROM {table})" for table in TABLES)
    return database.execute(
        f"SELECT count(*), count(*) FILTER (WHERE is_linked), count(DISTINCT user_id), {total}"
        " FROM user_activities JOIN external_ids ON external_ids.id = user_id WHERE external_id = ANY (%s)",
        [users],
    ).fetchone()


def test_twice_is_once(stack: LocalStack, database: psycopg.Connection[Any], tmp_path: Path) -> None:
    sending = command(str(random.Random().randrange(10**9)), "--out", str(tmp_path / "truth.json"))
    first = run(sending, stack)
    assert first.returncode == 0, first.stderr
    taken = counted(first.stdout, "taken")
    assert taken > 2_500
    assert counted(first.stdout, "new") == taken
    assert "0 missing, 0 refused" in first.stdout
    assert counted(first.stdout, "messages in the queue") < 1_200
    assert "100%" in first.stderr
    truth = json.loads((tmp_path / "truth.json").read_text())
    found = rows(database, [user["user_id"] for user in truth["users"]])
    activities, linked, users, *_ = found
    assert activities > 1_200
    assert linked > 20
    assert users > 40

    again = run([*sending, "--evaluate"], stack)
    assert again.returncode == 0, again.stderr
    assert (counted(again.stdout, "taken"), counted(again.stdout, "new")) == (taken, 0)
    assert re.search(r"content types: the favourite found +0\.\d{3} +0\.\d{3} +\d", again.stdout)
    assert rows(database, [user["user_id"] for user in truth["users"]]) == found

    shown = re.findall(r"^([a-z]+-[a-z]+-[0-9a-f]{6})  ", first.stdout, re.MULTILINE)
    assert len(shown) >= 4
    for user in truth["users"]:
        if user["user_id"] in shown:
            _is_known(stack, database, user)


def _is_known(stack: LocalStack, database: psycopg.Connection[Any], user: dict[str, Any]) -> None:
    """What the demo points at answers sensibly, asked as it says."""
    token = stack.token(user["user_id"])
    insights = stack.get("/v1/users/me/insights", token).body
    assert insights["time_zone"] == user["time_zone"]
    met = database.execute(
        "SELECT content_type FROM content_interactions JOIN external_ids ON external_ids.id = user_id"
        " WHERE external_id = %s",
        [user["user_id"]],
    ).fetchall()
    types = Counter(kind for (kind,) in met)
    if types:
        own = [one for one in insights["preferences"] if one["source"] != "ml_predicted"]
        assert {one["type"] for one in own} == set(types)
        feed = stack.get("/v1/users/me/feed?limit=5", token).body
        assert len(feed["items"]) == 5
        assert all(item["title"] and item["reason"] for item in feed["items"])
        assert feed["strategy"] == "personal"
    if sum(types.values()) > 10:
        assert stack.get("/v1/users/me/similar-users", token).body["users"]
    assert stack.get("/v1/users/me/next-action", token).body["message"] == insights["suggestion"]["message"]


def test_ctrl_c_says_how_far_it_came(stack: LocalStack) -> None:
    demo = subprocess.Popen(
        command(str(random.Random().randrange(10**9))),
        cwd=PROJECT,
        env=stack.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert demo.stderr is not None
    said = ""
    while "sending:" not in said or not re.search(r"sending: +[1-9]", said):
        said += demo.stderr.read(1)
    demo.send_signal(signal.SIGINT)
    _, rest = demo.communicate(timeout=60)
    assert demo.returncode == 130
    assert 0 < counted(rest, "of [0-9,]+ events were taken") < 4_000
    assert "Traceback" not in rest
    eventually(lambda: stack.get("/health").status == 200)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "start the stack with `make run`"),
        (["--days", "40"], "argument --days: must be a whole number from 1 to 30, not '40'"),
        (["--until", "noon"], "argument --until: must be an RFC 3339 time, not 'noon'"),
        (["--out", "/nowhere/truth.json"], "No such file or directory: '/nowhere/truth.json'"),
    ],
)
def test_what_is_wrong_is_said(stack: LocalStack, options: list[str], says: str) -> None:
    away = {**stack.environment(), "PORT": str(free_port())}
    asked = [*command("1"), *options]
    done = subprocess.run(asked, cwd=PROJECT, env=away, capture_output=True, text=True, check=False)
    assert done.returncode in {1, 2}
    assert says in done.stderr
    assert "Traceback" not in done.stderr
