"""Real SDKs, unchanged but for host and key: every call is stored once, and none has to be repeated."""

import os
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
from typing import Any, Literal

import psycopg
import pytest

from footfall import ids
from tests.end_to_end.local_stack import LocalStack, eventually
from tests.needing import CHROMIUM, NODE, PROJECT, missing
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
    speaker: Literal["server", "browser"] = "server"

    def __str__(self) -> str:
        return self.name

    @property
    def command(self) -> list[str]:
        return [str(NODE) if self.client.endswith(".mjs") else sys.executable, str(CLIENTS / self.client)]

    @property
    def is_there(self) -> bool:
        parts = []
        if self.client.endswith(".mjs"):
            parts = [NODE, CLIENTS / "node_modules/done"]
        elif self.speaker == "browser":
            parts = [Path(CHROMIUM), CLIENTS / "node_modules/done"]
        return all(part.exists() for part in parts)


SDKS = [
    Sdk("segment-analytics-python", "segment_python.py"),
    Sdk("segment-analytics-python gzip", "segment_python.py", ("gzip",)),
    Sdk("rudder-sdk-python", "rudder_python.py"),
    Sdk("analytics-node", "segment_node.mjs"),
    Sdk("rudder-sdk-node", "rudder_node.mjs"),
    Sdk("analytics-next", "analytics_next.py", ("single",), "browser"),
    Sdk("analytics-next batching", "analytics_next.py", ("batching",), "browser"),
]


class Run:
    """One SDK at work, behind a door of its own."""

    def __init__(self, sdk: Sdk, stack: LocalStack, door: Door) -> None:
        self.door = door
        self.name = f"run-{uuid.uuid4()}"
        # Whole milliseconds, as JavaScript knows no smaller ones.
        self.at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
        self.speaker = sdk.speaker
        said = [door.url, stack.local()[f"{sdk.speaker}_key"], self.name, self.at.isoformat()]
        command = [*sdk.command, *said, *sdk.flags]
        self._process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
        )

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
    # A page is believed no user, whatever it says; each of its calls says where it was.
    is_server = run.speaker == "server"
    who, path = ("user_id", None) if is_server else ("anonymous_id", "/shop")
    visitor = user if is_server else run.id("anonymous")

    def at(minute: int) -> datetime:
        return run.at + timedelta(minutes=minute)

    def found(query: str, value: uuid.UUID) -> list[tuple[Any, ...]]:
        return database.execute(query.encode(), [value]).fetchall()

    assert found(
        "SELECT event_type, event_category, event_action, page_path, created_at, session_id"
        f" FROM user_activities WHERE {who} = %s ORDER BY created_at",
        visitor,
    ) == [
        ("user_action", None, "Signed Up", path, at(1), session),
        ("content_interaction", "content", "view_product", path, at(2), session),
        ("page_view", "navigation", "view", "/pricing", at(3), session),
        ("page_view", "navigation", "view", path or "Checkout", at(4), session),
        ("group", "account", f"{run.name}-group", path, at(5), session),
        ("alias", "account", f"{run.name}-visitor", path, at(6), session),
    ]
    visit = "SELECT page_views, actions_count, started_at, ended_at FROM user_sessions WHERE visitor_id = %s"
    assert found(visit, visitor) == [(2, 4, at(1), at(6))]
    assert found(f"SELECT content_id FROM content_interactions WHERE {who} = %s", visitor) == [
        (run.id("content", "-product"),)
    ]
    assert found("SELECT profile_completeness, activity_count FROM profiles WHERE id = %s", user) == (
        [(40, 6)] if is_server else []
    )
    assert found("SELECT anonymous_id FROM identities WHERE user_id = %s", user) == (
        [(run.id("anonymous", "-visitor"),)] if is_server else []
    )
    assert (
        found("SELECT id FROM user_activities WHERE user_id IS NOT NULL AND anonymous_id = %s", visitor) == []
    )


@pytest.fixture(scope="module")
def runs(stack: LocalStack) -> Iterator[dict[str, Run]]:
    """All at once, as most of their time is waiting."""
    with ExitStack() as end:
        found = {str(sdk): end.enter_context(started(sdk, stack)) for sdk in SDKS if sdk.is_there}
        for run in found.values():
            run.door.opened.set()
        yield found


@pytest.mark.parametrize("sdk", SDKS, ids=str)
def test_every_call_is_stored_once_and_none_is_sent_again(
    sdk: Sdk, runs: dict[str, Run], database: Database
) -> None:
    if not sdk.is_there:
        missing(f"{sdk}, with Node or a Chromium; `make test` brings them")
    run = runs[str(sdk)]
    run.finish()
    sent = Counter(message["messageId"] for seen in run.door.posts for message in seen.messages)
    assert set(run.statuses()) == {200}
    assert set(sent.values()) == {1}
    assert_all_is_stored_once(run, database)


def test_while_the_queue_fails_every_sdk_tries_again_and_all_is_stored_once(
    stack: LocalStack, database: Database
) -> None:
    outage = stack.data_dir / "queue-outage"
    runs: list[Run] = []
    with ExitStack() as end:
        end.callback(outage.unlink, missing_ok=True)
        # Browsers first: they take longest to start, and have all the time to wait.
        for sdk in sorted(filter(lambda sdk: sdk.is_there, SDKS), key=lambda sdk: sdk.speaker):
            runs.append(end.enter_context(started(sdk, stack)))
            assert sdk.speaker == "server" or runs[-1].door.waits.wait(PATIENCE)
        assert all(run.door.waits.wait(PATIENCE) for run in runs)
        outage.touch()
        for run in runs:
            run.door.opened.set()
        time.sleep(OUTAGE_SECONDS)
        outage.unlink()
        for run in runs:
            run.finish()
    for run in runs:
        assert run.statuses()[503] >= 1
        assert set(run.statuses()) == {200, 503}
        assert_all_is_stored_once(run, database)
