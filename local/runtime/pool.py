"""A pool of processes per function, grown as Lambda grows one: a new process when all are busy."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from local.runtime.process import PAYLOAD_LIMIT, FunctionProcess, Invocation, Outcome
from local.template.model import REGION, Function

MAXIMUM = 4
_FIRST_BACKOFF, _LONGEST_BACKOFF = 0.5, 30.0
_INIT_TIMEOUT = 60.0
_TERMINATE_SECONDS = 2.0


class FunctionError(Exception):
    """The function cannot be started; the message names it and its last lines."""


class RequestTooLargeError(Exception):
    """The payload is larger than Lambda takes (6,291,556 bytes)."""


def function_environment(
    function: Function, folder: Path, machine: Mapping[str, str], overrides: Mapping[str, str]
) -> dict[str, str]:
    """What Lambda would give the function and nothing else, but PATH and HOME of this `machine`.

    `overrides` replaces template variables of those names where the function has them.
    """
    own = {name: overrides.get(name, value) for name, value in function.environment.items()}
    layers = [folder / layer for layer in function.layers]
    return {
        "PATH": machine.get("PATH", "/usr/bin:/bin"),
        "HOME": machine.get("HOME", "/"),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "PYTHONPATH": ":".join(str(path).rstrip("/") for path in [folder, *layers]),
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_SESSION_TOKEN": "local",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_FUNCTION_TIMEOUT": f"{function.timeout:g}",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "local",
        "LAMBDA_TASK_ROOT": str(folder),
        "_HANDLER": function.handler,
        **own,
    }


class FunctionPool:
    """`ahead` processes are kept, up to `maximum` are started on demand."""

    def __init__(
        self,
        function: Function,
        environment: Mapping[str, str],
        folder: Path,
        *,
        ahead: int = 1,
        maximum: int = MAXIMUM,
        write_line: Callable[[str], None] = print,
        first_backoff: float = _FIRST_BACKOFF,
    ) -> None:
        self.function = function
        self._environment = environment
        self._folder = folder
        self._ahead = ahead
        self._maximum = max(ahead, maximum)
        self._write_line = write_line
        self._first_backoff = first_backoff
        self._processes: dict[FunctionProcess, asyncio.Task[None]] = {}
        self._idle: list[FunctionProcess] = []
        self._waiting: deque[Invocation] = deque()
        self._running = 0
        self._failures = 0
        self._init_error = Outcome(b"", failed=True)
        self._retry: asyncio.TimerHandle | None = None
        self._ready = asyncio.Event()
        self._stopping = False

    @property
    def process_ids(self) -> list[int]:
        """Of the processes that take invocations."""
        return [process.pid for process in self._processes if process.ready and process.pid is not None]

    @property
    def healthy(self) -> bool:
        """As many processes are up as are kept ahead."""
        return len(self.process_ids) >= self._ahead

    async def start(self) -> None:
        """Returns when the processes kept ahead are up. Raises FunctionError at the first that fails."""
        self._refill()
        while not self.healthy:
            self._ready.clear()
            await self._ready.wait()
            if self._failures:
                raise FunctionError(self._complaint)

    async def invoke(self, payload: bytes) -> Outcome:
        """Waits for a free process as long as it takes. Raises RequestTooLargeError."""
        if len(payload) > PAYLOAD_LIMIT:
            raise RequestTooLargeError
        if self._stopping:
            return Outcome.failure("ServiceException", "the local stack is stopping")
        if self._retry is not None and not self.process_ids:
            return self._init_error
        invocation = Invocation(payload, asyncio.get_running_loop().create_future())
        self._waiting.append(invocation)
        self._running += 1
        self._dispatch()
        try:
            return await invocation.outcome
        finally:
            self._running -= 1

    async def stop(self, patience: float = 0.0) -> None:
        """Lets running invocations finish for `patience` seconds, then ends the processes."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        while self._running and loop.time() < deadline:
            await asyncio.sleep(0.02)
        self._stopping = True
        if self._retry is not None:
            self._retry.cancel()
        lives = list(self._processes.values())
        self._each(FunctionProcess.terminate)
        if lives:
            _, alive = await asyncio.wait(lives, timeout=_TERMINATE_SECONDS)
            self._each(FunctionProcess.kill)
            await asyncio.gather(*alive)
        self._fail_waiting(Outcome.failure("ServiceException", "the local stack has stopped"))

    def _each(self, action: Callable[[FunctionProcess], None]) -> None:
        for process in list(self._processes):
            action(process)

    # Giving work to processes ─────────────────────────────────────────────────────────────────────

    def _dispatch(self) -> None:
        while self._waiting and self._idle:
            invocation = self._waiting.popleft()
            if not invocation.outcome.done():
                self._idle.pop().give(invocation)
        self._refill()

    def _refill(self) -> None:
        if self._retry is not None or self._stopping:
            return
        starting = sum(not process.ready for process in self._processes)
        missing = max(self._ahead - len(self._processes), len(self._waiting) - starting)
        for _ in range(min(missing, self._maximum - len(self._processes))):
            self._launch()

    def _on_idle(self, process: FunctionProcess) -> None:
        self._failures = 0
        self._idle.append(process)
        self._ready.set()
        self._dispatch()

    # The life of a process ────────────────────────────────────────────────────────────────────────

    def _launch(self) -> None:
        process = FunctionProcess(
            self.function, self._environment, self._folder, self._write_line, self._on_idle
        )
        self._processes[process] = asyncio.create_task(self._live(process))

    async def _live(self, process: FunctionProcess) -> None:
        try:
            await process.start()
        except OSError as error:
            process.last_lines.append(str(error))
        else:
            await self._until_dead(process)
        del self._processes[process]
        if process in self._idle:
            self._idle.remove(process)
        if not process.ready and not self._stopping:
            self._back_off(process)
        self._refill()

    async def _until_dead(self, process: FunctionProcess) -> None:
        if self._stopping:
            process.kill()
        hung = asyncio.get_running_loop().call_later(_INIT_TIMEOUT, self._kill_unready, process)
        await process.wait()
        hung.cancel()

    @staticmethod
    def _kill_unready(process: FunctionProcess) -> None:
        if not process.ready:
            process.last_lines.append(f"still not ready after {_INIT_TIMEOUT:.0f} s")
            process.kill()

    def _back_off(self, process: FunctionProcess) -> None:
        self._failures += 1
        delay = min(self._first_backoff * 2 ** (self._failures - 1), _LONGEST_BACKOFF)
        said = process.init_error.reason if process.init_error else _joined(process.last_lines)
        self._complaint = f"{self.function.logical_id} ({self.function.handler}) does not start: {said}"
        self._write_line(f"{self._complaint} (next try in {delay:g} s)")
        exited = Outcome.failure("Runtime.ExitError", f"Error: Runtime exited during init: {said}")
        self._init_error = process.init_error or exited
        if not self.process_ids:
            self._fail_waiting(self._init_error)
        if self._retry is not None:
            self._retry.cancel()
        self._retry = asyncio.get_running_loop().call_later(delay, self._try_again)
        self._ready.set()

    def _try_again(self) -> None:
        self._retry = None
        self._refill()

    def _fail_waiting(self, outcome: Outcome) -> None:
        while self._waiting:
            self._waiting.popleft().finish(outcome)


def _joined(lines: Iterable[str]) -> str:
    return " | ".join(line.strip() for line in lines if line.strip()) or "it printed nothing"
