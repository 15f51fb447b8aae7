"""Real SDKs, unchanged but for host and key: every call is stored once, and none has to be repeated."""

import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from footfall import ids
from tests.end_to_end.local_stack import LocalStack, eventually
from tests.needing import NODE, missing
from tests.sdks.door import Door, door_to

# The group's tests share a stack, and only one of them at a time may break its queue.
pytestmark = pytest.mark.xdist_group("sdks")

CLIENTS = Path(__file__).parent / "clients"
OUTAGE_SECONDS = 10
PATIENCE = 120
Database = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True)
class Sdk:
    """A program that makes every call once, given host, key, run and the time of the first call."""

    name: str
    client: str
    flags: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name

    @property
    def command(self) -> list[str]:
        return [str(NODE) if self.client.endswith(".mjs") else sys.executable, str(CLIENTS / self.client)]

    @property
    def is_there(self) -> bool:
        return self.client.endswith(".py") or (NODE.exists() and (CLIENTS / "node_modules/done").exists())


SDKS = [
    Sdk("segment-analytics-python", "segment_python.py"),
    Sdk("segment-analytics-python gzip", "segment_python.py", ("gzip",)),
    Sdk("rudder-sdk-python", "rudder_python.py"),
    Sdk("analytics-node", "segment_node.mjs"),
    Sdk("rudder-sdk-node", "rudder_node.mjs"),
]


class Run:
    """One SDK at work, behind a door of its own."""

    def __init__(self, sdk: Sdk, stack: LocalStack, door: Door) -> None:
        self.door = door
        self.name = f"run-{uuid.uuid4()}"
        # Whole milliseconds, as JavaScript knows no smaller ones.
        self.at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
        said = [door.url, stack.local()["server_key"], self.name, self.at.isoformat()]
        command = [*sdk.command, *said, *sdk.flags]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def finish(self) -> None:
        out, _ = self._process.communicate(timeout=PATIENCE)
        assert self._process.returncode == 0, out[-2000:]

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    def statuses(self) -> Counter[int]:
        return Counter(seen.status for seen in self.door.posts)

    def sent(self) -> set[str]:
        """The ids of the messages that went through the door, as the tables hold them."""
        messages = [message for seen in self.door.posts for message in seen.messages]
        return {ids.to_uuid("event", message["messageId"]) for message in messages}

    def id(self, kind: ids.Kind, end: str = "") -> uuid.UUID:
        return uuid.UUID(ids.to_uuid(kind, f"{self.name}{end}"))


@contextmanager
def started(sdk: Sdk, stack: LocalStack) -> Iterator[Run]:
    with door_to(stack.url) as door:
        run = Run(sdk, stack, door)
        try:
            yield run
        finally:
            run.kill()


def assert_all_is_stored_once(run: Run, database: Database) -> None:
    assert len(run.sent()) == 7
    stored = "SELECT count(*) FROM event_ids WHERE id = ANY(%s::uuid[])"
    eventually(lambda: database.execute(stored, [list(run.sent())]).fetchone() == (7,))
    user, session = run.id("user"), run.id("session", "-session")

    def at(minute: int) -> datetime:
        return run.at + timedelta(minutes=minute)

    assert database.execute(
        "SELECT event_type, event_category, event_action, page_path, created_at, session_id"
        " FROM user_activities WHERE user_id = %s ORDER BY created_at",
        [user],
    ).fetchall() == [
        ("user_action", None, "Signed Up", None, at(1), session),
        ("content_interaction", "content", "view_product", None, at(2), session),
        ("page_view", "navigation", "view", "/pricing", at(3), session),
        ("page_view", "navigation", "view", "Checkout", at(4), session),
        ("group", "account", f"{run.name}-group", None, at(5), session),
        ("alias", "account", f"{run.name}-visitor", None, at(6), session),
    ]
    assert database.execute(
        "SELECT page_views, actions_count, started_at, ended_at FROM user_sessions WHERE user_id = %s", [user]
    ).fetchall() == [(2, 4, at(1), at(6))]
    assert database.execute(
        "SELECT profile_completeness, activity_count FROM profiles WHERE id = %s", [user]
    ).fetchall() == [(40, 6)]
    assert database.execute("SELECT anonymous_id FROM identities WHERE user_id = %s", [user]).fetchall() == [
        (run.id("anonymous", "-visitor"),)
    ]
    assert database.execute(
        "SELECT content_id FROM content_interactions WHERE user_id = %s", [user]
    ).fetchall() == [(run.id("content", "-product"),)]


@pytest.mark.parametrize("sdk", SDKS, ids=str)
def test_every_call_is_stored_once_and_none_is_sent_again(
    sdk: Sdk, stack: LocalStack, database: Database
) -> None:
    if not sdk.is_there:
        missing(f"{sdk}, which `make test` installs")
    with started(sdk, stack) as run:
        run.finish()
        sent = Counter(message["messageId"] for seen in run.door.posts for message in seen.messages)
    assert set(run.statuses()) == {200}
    assert set(sent.values()) == {1}
    assert_all_is_stored_once(run, database)


def test_while_the_queue_fails_every_sdk_tries_again_and_all_is_stored_once(
    stack: LocalStack, database: Database
) -> None:
    outage = stack.data_dir / "queue-outage"
    outage.touch()
    try:
        with ExitStack() as end:
            runs = [end.enter_context(started(sdk, stack)) for sdk in SDKS if sdk.is_there]
            eventually(lambda: all(run.statuses()[503] for run in runs))
            time.sleep(OUTAGE_SECONDS)
            outage.unlink()
            for run in runs:
                run.finish()
    finally:
        outage.unlink(missing_ok=True)
    for run in runs:
        assert run.statuses()[503] >= 2
        assert set(run.statuses()) == {200, 503}
        assert_all_is_stored_once(run, database)
