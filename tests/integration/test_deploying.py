"""Deploys played through with CloudFormation's requests, on a real Postgres."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.rows import dict_row

from footfall.database import connect
from footfall.settings import Settings
from functions.maintain import cancelling, deploying, migrate
from functions.maintain.deploying import RESERVE_SECONDS, deploy
from functions.maintain.migrate import FOLDER, digest, migrations
from functions.maintain.partitions import MONTHS_AHEAD, TABLES
from functions.maintain.turns import turn
from tests.cloudformation import Answer, bucket
from tests.integration.test_maintain import Connection, catalog, empty, migrations_folder, one
from tests.integration.waiting import until
from tests.samples import load

__all__ = ["empty", "migrations_folder"]

NOW = datetime(2031, 5, 20, 12, tzinfo=UTC)
NAMES = ", ".join(migration.name for migration in migrations())
MONTHS = str(len(TABLES) * (2 + 2 + MONTHS_AHEAD))


class Stack:
    """Sends the sample requests to the code with that folder of migrations; each must be answered once."""

    def __init__(self, database_url: str) -> None:
        self.environ = {"DATABASE_URL": database_url, "RETENTION_MONTHS": "2"}

    def send(self, name: str, folder: Path = FOLDER, seconds: float = 60, **changed: Any) -> Answer:
        """`seconds` are those for the work."""
        with bucket() as taker:
            request = {**load(f"maintain_{name}"), **changed, "ResponseURL": taker.url}
            deploy(request, Settings(self.environ), NOW, RESERVE_SECONDS + seconds, folder)
            [answer] = taker.answers
        assert answer["PhysicalResourceId"] == "migrations"
        assert [answer[key] for key in ("StackId", "RequestId", "LogicalResourceId")] == [
            request[key] for key in ("StackId", "RequestId", "LogicalResourceId")
        ]
        return answer

    def succeed(self, name: str, folder: Path = FOLDER) -> dict[str, str]:
        answer = self.send(name, folder)
        assert answer["Status"] == "SUCCESS", answer["Reason"]
        data: dict[str, str] = answer["Data"]
        return data

    def fail(self, name: str, folder: Path = FOLDER, seconds: float = 60) -> str:
        answer = self.send(name, folder, seconds)
        assert answer["Status"] == "FAILED"
        return str(answer["Reason"])


@pytest.fixture
def stack(empty_database_url: str) -> Stack:
    return Stack(empty_database_url)


def add(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.sql").write_text(text)


def test_a_stack_is_created_updated_and_deleted(
    stack: Stack, empty: Connection, migrations_folder: Path
) -> None:
    first = digest(migrations_folder)
    assert stack.succeed("create") == {"Migrated": NAMES, "Made": MONTHS, "Ahead": "", "Digest": first}
    schema = catalog(empty)
    nothing = {"Migrated": "", "Made": "0", "Ahead": "", "Digest": first}
    assert stack.succeed("create") == nothing, "a request that is delivered again"
    assert stack.succeed("update_same_digest") == nothing
    assert catalog(empty) == schema
    add(migrations_folder, "9999_next", "CREATE TABLE next ();")
    changed = stack.succeed("update", migrations_folder)
    assert changed == {**nothing, "Migrated": "9999_next", "Digest": digest(migrations_folder)}
    assert changed["Digest"] != first
    schema = catalog(empty)
    assert stack.send("delete")["Status"] == "SUCCESS"
    assert catalog(empty) == schema


def test_a_longer_retention_is_there_when_the_update_is_done(stack: Stack, empty: Connection) -> None:
    stack.succeed("create")
    stack.environ["RETENTION_MONTHS"] = "4"
    assert stack.succeed("update_same_digest")["Made"] == str(2 * len(TABLES))
    assert one(empty, "SELECT to_regclass('impressions_2030_12') IS NOT NULL")


def test_old_months_are_left_to_the_daily_run(stack: Stack, empty: Connection) -> None:
    stack.succeed("create")
    stack.environ["RETENTION_MONTHS"] = "1"
    stack.succeed("update_same_digest")
    assert one(empty, "SELECT to_regclass('impressions_2031_02') IS NOT NULL")


def test_a_failing_migration_is_named_and_leaves_the_schema_as_it_was(
    stack: Stack, empty: Connection, migrations_folder: Path
) -> None:
    add(migrations_folder, "9998_bad", "CREATE TABLE half ();\nSELECT 1 / 0;")
    assert stack.fail("create", migrations_folder) == "9998_bad: division by zero"
    assert catalog(empty) == [], "not even the table of migrations"
    stack.succeed("create")
    schema = catalog(empty)
    assert stack.fail("update", migrations_folder) == "9998_bad: division by zero"
    assert catalog(empty) == schema
    add(migrations_folder, "9998_bad", "CREATE TABLE whole ();")
    assert stack.succeed("update", migrations_folder)["Migrated"] == "9998_bad"


def test_a_failing_second_migration_undoes_the_first(
    stack: Stack, empty: Connection, migrations_folder: Path
) -> None:
    stack.succeed("create")
    schema = catalog(empty)
    add(migrations_folder, "9997_good", "CREATE TABLE good ();")
    add(migrations_folder, "9998_bad", "CREATE TABLE bad (like nothing);")
    assert stack.fail("update", migrations_folder) == '9998_bad: relation "nothing" does not exist'
    assert catalog(empty) == schema
    assert one(empty, "SELECT count(*) FROM schema_migrations") == len(migrations())


def test_months_that_cannot_be_made_undo_the_migrations(stack: Stack, empty: Connection) -> None:
    empty.execute("CREATE VIEW impressions_2031_05 AS SELECT 1 AS taken")
    schema = catalog(empty)
    assert stack.fail("create") == 'relation "impressions_2031_05" already exists'
    assert catalog(empty) == schema


def test_a_migration_that_was_changed_is_refused(stack: Stack, migrations_folder: Path) -> None:
    stack.succeed("create")
    changed = migrations_folder / f"{migrations()[0].name}.sql"
    changed.write_text(changed.read_text() + "\n-- one more line\n")
    reason = stack.fail("update", migrations_folder)
    assert reason == f"{migrations()[0].name} was changed after it was applied"


def test_a_rollback_meets_a_database_that_is_ahead(
    stack: Stack, empty: Connection, migrations_folder: Path
) -> None:
    stack.succeed("create")
    add(migrations_folder, "9999_next", "CREATE TABLE next ();")
    stack.succeed("update", migrations_folder)
    schema = catalog(empty)
    update = load("maintain_update")
    old, new = update["OldResourceProperties"], update["ResourceProperties"]
    rollback = stack.send("update", ResourceProperties=old, OldResourceProperties=new)
    assert rollback["Status"] == "SUCCESS"
    assert rollback["Data"] == {"Migrated": "", "Made": "0", "Ahead": "9999_next", "Digest": digest()}
    assert catalog(empty) == schema
    assert stack.succeed("update", migrations_folder)["Ahead"] == ""


def test_a_request_that_is_delivered_twice_at_once_is_done_once(
    stack: Stack, empty: Connection, migrations_folder: Path
) -> None:
    stack.succeed("create")
    # A sequence outlives a rollback: it counts every run, also one that would fail for coming second.
    empty.execute("CREATE SEQUENCE runs")
    add(migrations_folder, "9999_next", "SELECT nextval('runs'), pg_sleep(0.3);\nCREATE TABLE next ();")
    with ThreadPoolExecutor(3) as deliveries:
        done = list(deliveries.map(lambda _: stack.succeed("update", migrations_folder), range(3)))
    assert sorted(one["Migrated"] for one in done) == ["", "", "9999_next"]
    assert one(empty, "SELECT last_value FROM runs") == 1


def test_a_slow_statement_is_ended_in_time_and_undone(
    stack: Stack, empty: Connection, migrations_folder: Path
) -> None:
    stack.succeed("create")
    schema = catalog(empty)
    add(migrations_folder, "9998_slow", "CREATE TABLE half ();\nSELECT pg_sleep(60);\nCREATE TABLE rest ();")
    started = time.monotonic()
    reason = stack.fail("update", migrations_folder, seconds=1)
    assert reason == "the time ran out: 9998_slow: canceling statement due to user request"
    assert time.monotonic() - started < 10
    assert one(empty, SLEEPING) == 0
    assert catalog(empty) == schema


def test_a_turn_that_does_not_come_is_not_waited_for_beyond_the_time(
    stack: Stack, empty: Connection, empty_database_url: str
) -> None:
    with connect(empty_database_url) as daily, turn(daily):
        reason = stack.fail("create", seconds=0.5)
    assert reason.startswith("the time ran out: Another deploy, or the daily run, is still at work")
    assert catalog(empty) == []


def test_a_table_that_is_busy_is_tried_again(
    stack: Stack,
    empty: Connection,
    empty_database_url: str,
    migrations_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(migrate, "LOCK_SECONDS", 0.1)
    monkeypatch.setattr(deploying, "LOCK_SECONDS", 0.1)
    monkeypatch.setattr(deploying, "_PAUSE", 0.1)
    stack.succeed("create")
    add(migrations_folder, "9999_next", "ALTER TABLE profiles ADD COLUMN next text;")
    with connect(empty_database_url) as reader, ThreadPoolExecutor(1) as deploys:
        with reader.transaction():
            reader.execute("SELECT FROM profiles")
            reason = stack.fail("update", migrations_folder, seconds=0.7)
            assert reason == "9999_next: canceling statement due to lock timeout"
            update = deploys.submit(stack.succeed, "update", migrations_folder)
            until(lambda: one(empty, "SELECT count(*) FROM pg_locks WHERE NOT granted") == 1)
            until(lambda: one(empty, "SELECT count(*) FROM pg_locks WHERE NOT granted") == 0)
        assert update.result()["Migrated"] == "9999_next"


def test_a_database_that_is_down_is_answered_for_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    started = time.monotonic()
    reason = Stack(f"postgresql://owner@127.0.0.1:{port}/footfall").fail("create", seconds=8)
    assert "Connection refused" in reason
    assert time.monotonic() - started < 15


def test_a_database_that_is_only_just_starting_is_waited_for(stack: Stack) -> None:
    with Proxy(stack.environ["DATABASE_URL"]) as proxy, ThreadPoolExecutor(1) as deploys:
        stack.environ["DATABASE_URL"] = proxy.url
        create = deploys.submit(stack.succeed, "create")
        until(lambda: proxy.refused > 0)
        proxy.is_open = True
        assert create.result()["Migrated"] == NAMES


def test_a_network_that_falls_silent_is_answered_for_and_nothing_is_committed(
    stack: Stack, empty: Connection, migrations_folder: Path
) -> None:
    stack.succeed("create")
    schema = catalog(empty)
    add(migrations_folder, "9999_next", "CREATE TABLE next ();\nSELECT pg_sleep(1);")
    with Proxy(stack.environ["DATABASE_URL"]) as proxy, ThreadPoolExecutor(1) as deploys:
        stack.environ["DATABASE_URL"] = proxy.url
        proxy.is_open = True
        update = deploys.submit(stack.fail, "update", migrations_folder, 1)
        until(lambda: one(empty, SLEEPING) == 1)
        proxy.flows.clear()
        assert update.result().startswith("the time ran out: 9999_next: ")
        # What was on its way arrives after all, the end of the slow statement first.
        proxy.flows.set()
        until(lambda: one(empty, SLEEPING) == 0)
    assert catalog(empty) == schema


def test_a_connection_that_comes_too_late_is_not_used(
    stack: Stack, empty: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    late, closed = threading.Event(), threading.Event()

    class LateConnection(psycopg.Connection[Any]):
        def close(self) -> None:
            super().close()
            closed.set()

    def connect_late(url: str, _: int) -> Connection:
        assert late.wait(60)
        return LateConnection.connect(url, autocommit=True, row_factory=dict_row)

    monkeypatch.setattr(cancelling, "connect", connect_late)
    monkeypatch.setattr(cancelling, "_GRACE_SECONDS", 0.1)
    assert stack.fail("create", seconds=0.1) == "the time ran out: it hangs"
    late.set()
    assert closed.wait(60)
    assert catalog(empty) == []


SLEEPING = (
    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()"
    " AND datname = current_database()"
)


class Proxy:
    """A way to the database that can be closed, and fall silent."""

    def __init__(self, database_url: str) -> None:
        parts = urlsplit(database_url)
        self._target = (str(parts.hostname), int(parts.port or 5432))
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = database_url.replace(f"{parts.hostname}:{parts.port}", f"127.0.0.1:{port}")
        self.is_open = False
        self.flows = threading.Event()
        self.flows.set()
        self.refused = 0
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> "Proxy":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for end in (self._listener, *self._sockets):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if not self.is_open:
                    self.refused += 1
                    client.close()
                    continue
                self._sockets.append(client)
                if not self.flows.is_set():
                    continue
                server = socket.create_connection(self._target)
                self._sockets.append(server)
                for source, target in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                self.flows.wait()
                target.sendall(data)
            self.flows.wait()
            target.shutdown(socket.SHUT_WR)
