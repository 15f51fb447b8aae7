"""The launcher of the embedded Postgres, with real servers that are killed in every way."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

import local.postgres.server
from local.postgres import binaries as postgres_binaries
from local.postgres.server import PostgresError, PostgresServer, installed_versions

ROOT = Path(__file__).parents[2]
FAST = {"fsync": "off"}
PARENT = """
import sys, time
from pathlib import Path
from local.postgres.server import PostgresServer
server = PostgresServer(Path(sys.argv[1]), options={"fsync": "off"})
server.start()
print(server.pid, server.url(), flush=True)
time.sleep(600)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PostgresServer]:
    started = PostgresServer(tmp_path / "postgres", options=FAST)
    started.start()
    yield started
    started.stop()


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def gone(pid: int | None) -> bool:
    assert pid is not None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    status = Path(f"/proc/{pid}/stat")
    # Nobody may be there to reap an orphan, in a container say.
    with contextlib.suppress(OSError):
        return status.read_text().rpartition(")")[2].split()[0] == "Z"
    return False


def one(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row[0] if row else None


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@contextlib.contextmanager
def stranger() -> "Iterator[subprocess.Popen[bytes]]":
    # As the server's own user: only such a one can be taken for a rival.
    way = postgres_binaries.server_user(postgres_binaries.newest_of_wheel()).prefix
    with subprocess.Popen([*way, "sleep", "600"]) as process:
        try:
            yield process
        finally:
            process.kill()


def test_rows_are_kept_between_runs(tmp_path: Path) -> None:
    for run in range(2):
        server = PostgresServer(tmp_path / "with space", options=FAST)
        server.start()
        pid = server.pid
        try:
            if run == 0:
                execute(server.url(), "CREATE TABLE kept AS SELECT 42 AS answer")
            assert one(server.url(), "SELECT answer FROM kept") == 42
        finally:
            server.stop()
        assert gone(pid)
        assert not server.alive()


@pytest.mark.parametrize("major", [15, 16, 17, 18])
def test_owner_has_what_the_product_needs_in_every_version(tmp_path: Path, major: int) -> None:
    binaries = installed_versions().get(major)
    if binaries is None:
        pytest.skip(f"Postgres {major} is not installed")
    server = PostgresServer(tmp_path, binaries=binaries, options=FAST)
    server.start()
    try:
        execute(
            server.url(),
            "CREATE ROLE reader LOGIN PASSWORD 'secret'",
            "CREATE TABLE t (at timestamptz) PARTITION BY RANGE (at)",
            "CREATE TABLE t_2026 PARTITION OF t FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
            "GRANT SELECT ON t TO reader",
            "CREATE DATABASE second",
            "CHECKPOINT",
        )
        reader = server.url().replace(server.url().split("@")[0], "postgresql://reader:secret")
        assert one(reader, "SELECT count(*) FROM t") == 0
        assert one(server.url("second"), "SELECT current_setting('server_version_num')::int / 10000") == major
        assert one(server.url(), "SELECT 'b' < 'B' OR upper('é') <> 'É'") is False
        assert one(server.url(), "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
        assert one(server.url(), "SHOW server_encoding") == "UTF8"
    finally:
        server.stop()


def test_only_the_password_opens_it_and_only_its_owner_reads_that(
    server: PostgresServer, tmp_path: Path
) -> None:
    password = tmp_path / "postgres" / "password"
    assert stat.S_IMODE(password.stat().st_mode) == 0o600
    secret = password.read_text().strip()
    assert secret in server.url()
    for wrong in (server.url().replace(secret, "guess"), server.url().replace("footfall:", "postgres:")):
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(wrong)


def test_a_lost_password_is_made_anew(tmp_path: Path) -> None:
    for _ in range(2):
        server = PostgresServer(tmp_path, options=FAST)
        server.start()
        try:
            assert one(server.url(), "SELECT 1") == 1
        finally:
            server.stop()
        (tmp_path / "password").unlink()


def test_everything_is_synced_unless_asked_otherwise(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path)
    server.start()
    try:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert one(server.url(), f"SHOW {setting}") == "on"
    finally:
        server.stop()


def test_keep_alive_revives_a_killed_server_with_its_rows(
    server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    execute(server.url(), "CREATE TABLE kept AS SELECT 42 AS answer")
    url, first = server.url(), server.pid
    assert first is not None
    # A backend that computes does not notice its postmaster's death, and holds the shared memory.
    busy = threading.Thread(target=_compute, args=(url,))
    busy.start()
    wait_until(lambda: one(url, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%1e12%'") == 2)

    async def kill_and_wait() -> None:
        keeper = asyncio.create_task(server.keep_alive())
        os.kill(first, signal.SIGKILL)
        await asyncio.to_thread(wait_until, lambda: server.pid not in {None, first} and _answers(url))
        keeper.cancel()

    with caplog.at_level(logging.WARNING):
        asyncio.run(kill_and_wait())
    busy.join(60)
    assert one(url, "SELECT answer FROM kept") == 42
    assert [record.message for record in caplog.records] == [
        f"Postgres died and was started again as process {server.pid}"
    ]


def _compute(url: str) -> None:
    with contextlib.suppress(psycopg.OperationalError):
        one(url, "SELECT count(*) FROM generate_series(1, 1e12::bigint)")


def _answers(url: str) -> bool:
    try:
        return one(url, "SELECT 1") == 1
    except psycopg.OperationalError:
        return False


def test_keep_alive_leaves_a_stopped_server_alone(server: PostgresServer) -> None:
    async def stop_and_wait() -> None:
        keeper = asyncio.create_task(server.keep_alive())
        await asyncio.to_thread(server.stop)
        await asyncio.sleep(0.5)
        assert not server.alive()
        keeper.cancel()

    asyncio.run(stop_and_wait())


def test_it_ends_with_a_killed_parent_and_its_rows_are_served_again(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid, url = parent.stdout.readline().split()
        execute(url, "CREATE TABLE kept AS SELECT 42 AS answer")
        with pytest.raises(PostgresError, match=rf"in use by process {parent.pid}\b.*DATA_DIR"):
            PostgresServer(tmp_path, options=FAST).start()
        parent.kill()
    # Not waited for: the next start has to cope with one that is still ending.
    server = PostgresServer(tmp_path, options=FAST)
    server.start()
    try:
        assert gone(int(pid))
        assert one(server.url(), "SELECT answer FROM kept") == 42
    finally:
        server.stop()


def test_it_is_gone_soon_after_its_parent_was_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline().split()[0])
        parent.kill()
    wait_until(lambda: gone(pid), 30)


def test_a_start_from_a_thread_that_ends_is_no_different(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path, options=FAST)
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
    try:
        time.sleep(1.5)
        assert one(server.url(), "SELECT 1") == 1
    finally:
        server.stop()


def test_a_server_without_supervisor_is_stopped_first(server: PostgresServer, tmp_path: Path) -> None:
    left = server.pid
    assert server._process is not None
    server._process.kill()
    wait_until(lambda: not server.alive())
    assert not gone(left)
    server.start()
    assert gone(left)
    assert one(server.url(), "SELECT 1") == 1


def test_a_second_server_on_the_same_folder_is_refused(server: PostgresServer, tmp_path: Path) -> None:
    with pytest.raises(PostgresError, match=rf"in use by process {os.getpid()}\b"):
        PostgresServer(tmp_path / "postgres", options=FAST).start()
    assert one(server.url(), "SELECT 1") == 1


def test_a_recycled_process_id_neither_blocks_nor_is_harmed(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path, options=FAST)
    server.start()
    os.kill(server.pid or 0, signal.SIGKILL)
    wait_until(lambda: not server.alive())
    stale = tmp_path / "data" / "postmaster.pid"
    with stranger() as bystander:
        lines = stale.read_text().splitlines()
        stale.write_text("\n".join([str(bystander.pid), *lines[1:]]) + "\n")
        try:
            server.start()
            assert one(server.url(), "SELECT 1") == 1
            assert bystander.poll() is None
        finally:
            server.stop()


def test_data_of_another_version_are_left_alone_and_both_named(tmp_path: Path) -> None:
    versions = installed_versions()
    older, newest = versions[16], versions[max(versions)]
    made = PostgresServer(tmp_path, binaries=older, options=FAST)
    made.start()
    execute(made.url(), "CREATE TABLE kept AS SELECT 42 AS answer")
    made.stop()
    with pytest.raises(PostgresError, match=rf"made by Postgres 16, .* is Postgres {max(versions)}: move"):
        PostgresServer(tmp_path, binaries=newest, options=FAST).start()
    # Where nothing is asked for and the makers are installed still, they serve on.
    again = PostgresServer(tmp_path, options=FAST)
    again.start()
    try:
        assert one(again.url(), "SELECT answer FROM kept") == 42
    finally:
        again.stop()


def test_the_terminal_s_signals_do_not_reach_it(server: PostgresServer) -> None:
    assert server.pid is not None
    assert os.getsid(server.pid) != os.getsid(0)
    assert server._process is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        server._process.send_signal(number)
    assert one(server.url(), "SELECT pg_sleep(0.2) IS NULL") is False
    assert server.alive()


def test_a_taken_port_is_named_if_asked_for_and_avoided_if_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PostgresError, match=f"port {port} .* taken"):
            PostgresServer(tmp_path, port=port, options=FAST).start()
        free = local.postgres.server._free_port()
        offered = iter([port, free])
        monkeypatch.setattr(local.postgres.server, "_free_port", lambda: next(offered))
        server = PostgresServer(tmp_path, options=FAST)
        server.start()
        try:
            assert f":{free}/" in server.url()
        finally:
            server.stop()


def test_what_the_server_complains_of_is_shown(tmp_path: Path) -> None:
    with pytest.raises(PostgresError, match="shared_buffers"):
        PostgresServer(tmp_path, options=FAST | {"shared_buffers": "much"}).start()
    server = PostgresServer(tmp_path, options=FAST)
    server.start()
    server.stop()


def test_root_without_a_way_down_is_told_about_database_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(postgres_binaries, "SETPRIV", ("false",))
    monkeypatch.setattr(postgres_binaries, "UNSHARE", ("no-such-program",))
    with pytest.raises(
        PostgresError, match=r"refuses to run as root.*false: .*no-such-program: .*DATABASE_URL"
    ):
        postgres_binaries.server_user.__wrapped__(postgres_binaries.newest_of_wheel())


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PostgresError, match=r"cannot run Postgres in .*file"):
        PostgresServer(tmp_path / "file" / "below").start()
