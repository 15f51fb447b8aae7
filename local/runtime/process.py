"""One process of a function behind a Runtime API of its own: one listener, so one process, one invocation."""

import asyncio
import json
import os
import signal
import sys
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from local.template.model import Function

PAYLOAD_LIMIT = 6_291_556
_BOOTSTRAP = Path(__file__).with_name("bootstrap.py")
_KEPT_LINES = 8
# How powertools begins a line of metrics (EMF): for CloudWatch, noise to a reader.
_METRICS = '{"_aws":'


@dataclass(frozen=True)
class Outcome:
    """What an invocation came to; `failed` means that `payload` is the error's JSON."""

    payload: bytes
    failed: bool = False

    @property
    def reason(self) -> str:
        """A failure's type and message in one line."""
        try:
            error = json.loads(self.payload)
            return f"{error['errorType']}: {error['errorMessage']}"
        except (ValueError, KeyError, TypeError):
            return self.payload.decode(errors="replace")

    @staticmethod
    def failure(kind: str, message: str) -> "Outcome":
        return Outcome(json.dumps({"errorType": kind, "errorMessage": message}).encode(), failed=True)


@dataclass
class Invocation:
    """One payload on its way through a function."""

    payload: bytes
    outcome: asyncio.Future[Outcome]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def finish(self, outcome: Outcome) -> None:
        if not self.outcome.done():
            self.outcome.set_result(outcome)


class FunctionProcess:
    """Start it, wait for `on_idle`, give it one invocation at a time; `wait()` returns when it has died."""

    def __init__(
        self,
        function: Function,
        environment: Mapping[str, str],
        folder: Path,
        write_line: Callable[[str], None],
        on_idle: Callable[["FunctionProcess"], None],
    ) -> None:
        self._function = function
        self._environment = environment
        self._folder = folder
        self._write_line = write_line
        self._on_idle = on_idle
        self._inbox: asyncio.Queue[Invocation | None] = asyncio.Queue()
        self._current: Invocation | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.pid: int | None = None
        self.last_lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self.ready = False
        self.init_error: Outcome | None = None

    async def start(self) -> None:
        self._server = web.ServerRunner(web.Server(self._runtime_api, access_log=None), shutdown_timeout=0)
        await self._server.setup()
        site = web.TCPSite(self._server, "127.0.0.1", 0)
        await site.start()
        port = self._server.addresses[0][1]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            str(_BOOTSTRAP),
            self._function.handler,
            str(os.getpid()),
            cwd=self._folder,
            env={**self._environment, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        self.pid = self._process.pid
        self._output = asyncio.create_task(self._forward_output())

    async def wait(self) -> None:
        """Returns when the process has died; its invocation has failed by then."""
        code = await self._process.wait()
        self._signal(signal.SIGKILL)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._output, 1)
        how = f"signal: {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        self._finish(_exit_error(self._current, f"Runtime exited with error: {how}"))
        self._inbox.put_nowait(None)
        await self._server.cleanup()

    def give(self, invocation: Invocation) -> None:
        """Only while idle."""
        self._current = invocation
        self._timer = asyncio.get_running_loop().call_later(self._function.timeout, self._time_out)
        self._inbox.put_nowait(invocation)

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        # The whole session goes, so that nothing a function started outlives it.
        with suppress(ProcessLookupError, PermissionError):
            if self.pid is not None:
                os.killpg(self.pid, number)

    def _time_out(self) -> None:
        message = f"Error: Task timed out after {self._function.timeout:.2f} seconds"
        self._finish(_request_error("Sandbox.Timedout", self._current, message))
        self.kill()

    def _finish(self, outcome: Outcome) -> None:
        invocation, self._current = self._current, None
        if self._timer is not None:
            self._timer.cancel()
        if invocation is not None:
            invocation.finish(outcome)

    # The Runtime API ──────────────────────────────────────────────────────────────────────────────

    async def _runtime_api(self, request: web.BaseRequest) -> web.StreamResponse:
        match request.path.removeprefix("/2018-06-01/runtime/").split("/"):
            case ["invocation", "next"]:
                return await self._next()
            case ["invocation", id_, "response" | "error" as kind] if self._runs(id_):
                self._finish(_answer(await request.content.read(), failed=kind == "error"))
            case ["init", "error"]:
                self.init_error = Outcome(await request.content.read(), failed=True)
            case _:
                return web.json_response({"errorType": "InvalidRequestID"}, status=400)
        return web.json_response({"status": "OK"}, status=202)

    def _runs(self, invocation_id: str) -> bool:
        return self._current is not None and self._current.id == invocation_id

    async def _next(self) -> web.Response:
        self.ready = True
        self._on_idle(self)
        invocation = await self._inbox.get()
        if invocation is None:
            return web.Response(status=410)
        deadline = int((time.time() + self._function.timeout) * 1000)
        trace = f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]};Sampled=0"
        headers = {
            "Lambda-Runtime-Aws-Request-Id": invocation.id,
            "Lambda-Runtime-Deadline-Ms": str(deadline),
            "Lambda-Runtime-Invoked-Function-Arn": self._function.arn,
            "Lambda-Runtime-Trace-Id": trace,
        }
        return web.Response(body=invocation.payload, headers=headers, content_type="application/json")

    # What it prints ───────────────────────────────────────────────────────────────────────────────

    async def _forward_output(self) -> None:
        assert self._process.stdout is not None
        rest = b""
        while chunk := await self._process.stdout.read(65_536):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._emit(line)
        if rest:
            self._emit(rest)

    def _emit(self, raw: bytes) -> None:
        # AWS's client ends a traceback's lines with \r and indents with no-break spaces, for CloudWatch,
        # and blames a runtime update for every exception.
        text = raw.decode(errors="replace").replace("\xa0", " ").rstrip()
        if text.startswith(_METRICS):
            return
        for line in text.split("\r"):
            if "LAMBDA_WARNING: Unhandled exception" not in line:
                self.last_lines.append(line)
                self._write_line(f"[{self._function.short_name}] {line}")


def _answer(payload: bytes, *, failed: bool) -> Outcome:
    if len(payload) > PAYLOAD_LIMIT:
        limit = f"maximum allowed payload size ({PAYLOAD_LIMIT} bytes)"
        return Outcome.failure("Function.ResponseSizeTooLarge", f"Response payload size exceeded {limit}.")
    return Outcome(payload, failed)


def _request_error(kind: str, invocation: Invocation | None, message: str) -> Outcome:
    return Outcome.failure(kind, f"RequestId: {invocation.id if invocation else 'none'} {message}")


def _exit_error(invocation: Invocation | None, message: str) -> Outcome:
    return _request_error("Runtime.ExitError", invocation, f"Error: {message}")
