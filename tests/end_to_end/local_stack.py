"""A local stack in a process of its own, and a client that speaks to it over HTTP."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil

PROJECT = Path(__file__).parents[2]
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)


class LocalStack:
    """`make run` without make."""

    def __init__(self, data_dir: Path, port: int | None = None, **environ: str) -> None:
        self.data_dir = data_dir
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = data_dir.with_suffix(".log")
        self._environ = environ
        self._process: subprocess.Popen[bytes] | None = None

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            # Whose feed a test looks at is no matter of chance.
            "PARAMETERS": "HoldoutPercent=0 ExplorationPercent=0",
            **self._environ,
            "PORT": str(self.port),
            "DATA_DIR": str(self.data_dir),
            "PYTHONPATH": str(PROJECT),
        }

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "local"],
                cwd=PROJECT,
                env=self.environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        eventually(lambda: self.get("/health").status == 200 or self._must_run())

    def start_in_vain(self) -> tuple[int, str]:
        """The exit code and what is said of a start that fails."""
        command = [sys.executable, "-m", "local"]
        done = subprocess.run(
            command, cwd=PROJECT, env=self.environment(), capture_output=True, text=True, check=False
        )
        return done.returncode, done.stderr

    def stop(self) -> int:
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(timeout=PATIENCE)

    def kill(self) -> None:
        """SIGKILL, as a machine does that loses its power: the whole stack, with everything it started."""
        assert self._process is not None
        if self._process.poll() is not None:
            return
        for process in [*self.children(), self.process()]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait(timeout=PATIENCE)

    def process(self) -> psutil.Process:
        assert self._process is not None
        return psutil.Process(self._process.pid)

    def children(self, containing: str = "") -> list[psutil.Process]:
        found = []
        for child in self.process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if containing in " ".join(child.cmdline()):
                    found.append(child)
        return found

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def local(self) -> dict[str, str]:
        found: dict[str, str] = self.get("/local").body
        return found

    def token(self, sub: str, scope: str = "", **options: Any) -> str:
        token: str = self.post("/local/token", {"sub": sub, "scope": scope, **options}).body["access_token"]
        return token

    def get(self, path: str, token: str | None = None) -> Reply:
        return self.request("GET", path, token=token)

    def post(self, path: str, body: Any, token: str | None = None, **headers: str) -> Reply:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.request("POST", path, data, token, **headers)

    def request(
        self, method: str, path: str, body: bytes | None = None, token: str | None = None, **headers: str
    ) -> Reply:
        sent = {"content-type": "application/json", **headers}
        if token is not None:
            sent["authorization"] = f"Bearer {token}"
        request = Request(self.url + path, body, sent, method=method)
        try:
            with urlopen(request, timeout=PATIENCE) as answer:
                return Reply(answer.status, _json(answer.read()), dict(answer.headers))
        except HTTPError as error:
            with error:
                return Reply(error.code, _json(error.read()), dict(error.headers))
        except (OSError, TimeoutError) as error:
            return Reply(0, {"unreachable": str(error)})

    def _must_run(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"the stack ended: {self.log()[-2000:]}")
        return False


@contextlib.contextmanager
def running(data_dir: Path) -> Iterator[LocalStack]:
    stack = LocalStack(data_dir)
    stack.start()
    try:
        yield stack
    finally:
        stack.kill()


def eventually(holds: Callable[[], Any], within: float = PATIENCE) -> Any:
    """What `holds` returns once it is true.

    Raises:
        AssertionError: it isn't within that many seconds; generous, as a machine may be slow.
    """
    deadline = time.monotonic() + within
    while True:
        result = holds()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"still {result!r} after {within:.0f} seconds")
        time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _json(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return body
