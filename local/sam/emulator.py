"""Runs a built function under AWS's Lambda Runtime Interface Emulator, as Lambda runs it."""

import http.client
import json
import os
import platform
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from local.machine import HOST
from local.runtime.pool import function_environment
from local.sam.artifacts import Artifacts
from local.sam.tools import Tools
from local.template.model import Function

START_SECONDS = 30
_PATH = "/2015-03-31/functions/function/invocations"


class EmulatorError(Exception):
    """The emulator doesn't start, or the function failed; the message holds what they printed."""


@dataclass(frozen=True)
class Program:
    """A handler and all that Lambda would give it: `task` is its /var/task, each layer a /opt."""

    task: Path
    layers: Sequence[Path]
    handler: str
    environment: Mapping[str, str]


def program_of(artifacts: Artifacts, function: Function, given: Mapping[str, str]) -> Program:
    """The built `function`; `given` is added to its own environment, and wins."""
    environment = function_environment(function, artifacts.folder, os.environ, {})
    return Program(
        artifacts.task(function), artifacts.layers(function), function.handler, {**environment, **given}
    )


def own_architecture() -> str:
    """This machine's, as SAM names it."""
    return {"aarch64": "arm64", "AMD64": "x86_64"}.get(platform.machine(), platform.machine())


class Emulator:
    """A context in which `program` may be invoked; the first invocation starts it cold."""

    def __init__(self, tools: Tools, program: Program) -> None:
        """Raises ToolError where a tool is not there."""
        self._command = [str(tools.emulator(own_architecture())), "--log-level", "error"]
        self._runtime = [str(tools.python), "-m", "awslambdaric", program.handler]
        self._program = program

    def __enter__(self) -> Self:
        with ExitStack() as on_failure:
            self._log = on_failure.enter_context(tempfile.TemporaryFile("w+"))
            self._port, runtime_port = _free_ports()
            self._process = subprocess.Popen(
                [
                    *self._command,
                    *("--runtime-interface-emulator-address", f"{HOST}:{self._port}"),
                    *("--runtime-api-address", f"{HOST}:{runtime_port}"),
                    *self._runtime,
                ],
                cwd=self._program.task,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                start_new_session=True,
            )
            on_failure.callback(self._kill)
            self._wait_until_it_listens()
            self._exit = on_failure.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def invoke(self, event: Any) -> Any:
        """The function's answer.

        Raises:
            EmulatorError: it raised, timed out, or can't be imported.
        """
        connection = http.client.HTTPConnection(HOST, self._port)
        try:
            connection.request("POST", _PATH, json.dumps(event))
            answer = connection.getresponse().read()
        except (OSError, http.client.HTTPException) as error:
            raise EmulatorError(f"the emulator doesn't answer ({error}): {self.output()}") from error
        finally:
            connection.close()
        return self._checked(answer)

    def output(self) -> str:
        """What the function and the emulator have printed."""
        self._log.seek(0)
        return self._log.read()

    def _checked(self, answer: bytes) -> Any:
        try:
            said = json.loads(answer)
        except ValueError:
            # A timeout is told in plain words.
            raise EmulatorError(f"{answer.decode(errors='replace')}: {self.output()}") from None
        if isinstance(said, dict) and "errorMessage" in said:
            raise EmulatorError(f"{said.get('errorType')}: {said['errorMessage']}: {self.output()}")
        return said

    def _environment(self) -> dict[str, str]:
        places = [self._program.task, *(layer / "python" for layer in self._program.layers)]
        return {
            **self._program.environment,
            "LAMBDA_TASK_ROOT": str(self._program.task),
            "PYTHONPATH": os.pathsep.join(map(str, places)),
        }

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection((HOST, self._port), timeout=1):
                return
            time.sleep(0.01)
        raise EmulatorError(f"the emulator doesn't start: {self.output()}")

    def _kill(self) -> None:
        # Its whole session, the function among it.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        for listener in (first, second):
            listener.bind((HOST, 0))
        return first.getsockname()[1], second.getsockname()[1]
