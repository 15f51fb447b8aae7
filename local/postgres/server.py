"""The embedded Postgres of the local stack: makes it, runs it, and keeps it running."""

import asyncio
import logging
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from local.postgres import watchdog
from local.postgres.binaries import PostgresError, environment, installed_versions
from local.postgres.data import OWNER, DataFolder
from local.postgres.leftover import read_postmaster, stop_leftover

__all__ = ["PostgresError", "PostgresServer", "installed_versions"]

HOST = "127.0.0.1"
# Below every system's range for outgoing connections: a client that retries while the server is down
# can otherwise be given the server's own port, connect to itself and keep the port taken.
PORTS = range(20_000, 32_768)
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "log_checkpoints": "off",
}
# Crash recovery after a long run reads up to max_wal_size again.
START_SECONDS = 120.0
# How long what a killed server left behind may take to go.
RIVAL_SECONDS = 15.0
RIVAL_MESSAGES = ("pre-existing shared memory block", 'lock file "postmaster.pid"')
STOP_SECONDS = sum(seconds for _, seconds in watchdog.STOP_SIGNALS) + 10.0

logger = logging.getLogger(__name__)


class _PortTakenError(PostgresError):
    """Somebody else listens where the server should."""


class _RivalAliveError(PostgresError):
    """What is left of a killed server still holds the data."""


class _EndedError(Exception):
    """The server will not get ready."""


class PostgresServer:
    """One Postgres on 127.0.0.1 with its data, log and password under `directory`.

    Every method blocks, except `keep_alive`. The server ends when this process does.
    """

    def __init__(
        self,
        directory: Path,
        *,
        binaries: Path | None = None,
        port: int | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self._options = SETTINGS | dict(options or {})
        self._folder = DataFolder(directory, binaries, durable=self._options.get("fsync") != "off")
        self._port_given = port is not None
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None
        self._wanted = False
        self._mutex = threading.Lock()

    @property
    def pid(self) -> int | None:
        """The postmaster's process id; None when it was not started."""
        return self._pid

    def url(self, database: str = OWNER) -> str:
        """The owner's URL of a database, which need not exist."""
        if self._port is None:
            raise PostgresError("Postgres was not started yet, so it has no port")
        return f"postgresql://{OWNER}:{self._folder.password()}@{HOST}:{self._port}/{database}"

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Makes the database if there is none and returns when it takes connections."""
        with self._mutex:
            if self.alive():
                return
            self._end()
            self._wanted = True
            try:
                self._folder.acquire()
                self._folder.prepare()
                self._run(may_move=not self._port_given)
            except OSError as error:
                self._end()
                raise PostgresError(f"cannot run Postgres in {self._folder.directory}: {error}") from error
            except BaseException:
                self._end()
                raise

    def stop(self) -> None:
        """Lets running statements fail, writes everything down and ends the server; kills it if need be."""
        self._wanted = False
        with self._mutex:
            self._end()

    async def keep_alive(self) -> None:
        """Starts the server again, on the same port, whenever it dies; runs until cancelled."""
        while True:
            await asyncio.sleep(0.2)
            if self._wanted and not self.alive() and not await asyncio.to_thread(self._revive):
                await asyncio.sleep(1)

    def _revive(self) -> bool:
        with self._mutex:
            if not self._wanted or self.alive():
                return True
            try:
                self._end_process()
                self._folder.prepare()
                self._run(may_move=False)
            except (PostgresError, OSError) as error:
                if self._wanted:
                    logger.warning("Postgres died and does not start again: %s", error)
                return False
            logger.warning("Postgres died and was started again as process %s", self._pid)
            return True

    def _end(self) -> None:
        self._wanted = False
        self._end_process()
        self._folder.release()

    def _end_process(self) -> None:
        process, self._process, self._pid = self._process, None, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.stdout.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            stop_leftover(self._folder.data)

    def _run(self, *, may_move: bool) -> None:
        """Runs the server, past a port that is taken and what a killed one left behind."""
        deadline = time.monotonic() + RIVAL_SECONDS
        while True:
            self._port = self._port or _free_port()
            try:
                return self._launch(self._port)
            except _PortTakenError:
                if not may_move:
                    raise
                self._port = None
            except _RivalAliveError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
                stop_leftover(self._folder.data)

    def _launch(self, port: int) -> None:
        folder = self._folder
        settings = self._options | {"port": str(port)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        guard = [sys.executable, "-I", "-S", watchdog.__file__, str(os.getpid())]
        with folder.log.open("ab") as log:
            written = log.tell()
            # A session of its own: Ctrl-C is for the stack, which stops Postgres last.
            self._process = subprocess.Popen(
                [*guard, *folder.command("postgres"), "-D", str(folder.data), *options],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=folder.directory,
                env=environment(),
                start_new_session=True,
            )
        assert self._process.stdout is not None
        self._pid = int(self._process.stdout.readline() or 0) or None
        try:
            self._wait_until_ready()
        except _EndedError as error:
            self._end_process()
            raise _failure(port, folder, written) from error

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            postmaster = read_postmaster(self._folder.data)
            if postmaster and postmaster.ready and postmaster.pid == self._pid:
                return
            if not self.alive() or not self._wanted or time.monotonic() > deadline:
                raise _EndedError
            time.sleep(0.02)


def _failure(port: int, folder: DataFolder, written: int) -> PostgresError:
    """Why the start that began when the log had `written` bytes came to nothing."""
    with folder.log.open("rb") as log:
        log.seek(written)
        lines = log.read().decode(errors="replace").splitlines()[-10:]
    said = "\n".join([f"Postgres does not start; {folder.log} says:", *lines])
    if any(message in said for message in RIVAL_MESSAGES):
        return _RivalAliveError(said)
    if not _can_bind(port):
        return _PortTakenError(f"port {port} of {HOST} is taken by another program: choose another one")
    return PostgresError(said)


def _free_port() -> int:
    for _ in range(1000):
        port = secrets.choice(PORTS)
        if _can_bind(port):
            return port
    raise PostgresError(f"no port between {PORTS.start} and {PORTS.stop} of {HOST} is free")


def _can_bind(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
