"""Functions as real processes behind the local Runtime API, failing in the ways that Lambda knows."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from local.runtime.pool import FunctionError, FunctionPool, RequestTooLargeError, function_environment
from local.runtime.process import PAYLOAD_LIMIT, Outcome
from local.template.model import Function
from tests.on_loop import on_loop

PROJECT = Path(__file__).parents[2]
HANDLER = """
    import json, os, sys, time

    def lambda_handler(event, context):
        print("handling", event.get("name", ""))
        if "raise" in event:
            raise KeyError(event["raise"])
        if "exit" in event:
            os._exit(event["exit"])
        if "large" in event:
            return "x" * event["large"]
        if "barrier" in event:
            # Returns when as many invocations as asked for run at the same time.
            open(os.path.join(event["barrier"], str(os.getpid())), "w").close()
            while len(os.listdir(event["barrier"])) < event["count"]:
                time.sleep(0.01)
        if "sleep" in event:
            open(event["started"], "w").close() if "started" in event else None
            time.sleep(event["sleep"])
        left = context.get_remaining_time_in_millis()
        return {
            "pid": os.getpid(), "left": left, "arn": context.invoked_function_arn,
            "id": context.aws_request_id, "environ": dict(os.environ), "cwd": os.getcwd(),
        }
"""


def function(handler: str = "app.lambda_handler", timeout: float = 30.0, **changes: Any) -> Function:
    return Function("WorkerFunction", "worker", handler, "python3.13", timeout, 256, {"OWN": "1"}, **changes)


@asynccontextmanager
async def pool_of(
    folder: Path, made_of: Function | None = None, source: str = HANDLER, **options: Any
) -> AsyncIterator[FunctionPool]:
    (folder / "app.py").write_text(textwrap.dedent(source))
    made_of = made_of or function()
    environment = function_environment(made_of, folder, os.environ, {})
    pool = FunctionPool(made_of, environment, folder, **{"write_line": lambda _: None, **options})
    try:
        yield pool
    finally:
        await pool.stop()


async def call(pool: FunctionPool, **event: Any) -> Any:
    outcome = await pool.invoke(json.dumps(event).encode())
    answer = json.loads(outcome.payload)
    assert not outcome.failed, answer
    return answer


async def failure(pool: FunctionPool, **event: Any) -> Any:
    outcome = await pool.invoke(json.dumps(event).encode())
    assert outcome.failed
    return json.loads(outcome.payload)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not Path(f"/proc/{pid}").exists() or ") Z " not in Path(f"/proc/{pid}/stat").read_text()


@on_loop
async def test_a_function_gets_its_event_context_and_only_its_own_environment(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as runner:
        runner.setenv("SECRET_OF_THE_RUNNER", "1")
        async with pool_of(tmp_path, function(layers=("layers/common/",))) as pool:
            await pool.start()
            answer = await call(pool)
    environ = answer["environ"]
    assert answer["arn"] == "arn:aws:lambda:us-east-1:000000000000:function:worker"
    assert answer["cwd"] == str(tmp_path)
    assert answer["id"]
    assert 0 < answer["left"] <= 30_000
    assert environ["OWN"] == "1"
    assert environ["PYTHONPATH"] == f"{tmp_path}:{tmp_path}/layers/common"
    assert environ["AWS_LAMBDA_FUNCTION_NAME"] == "worker"
    assert environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert environ["AWS_LAMBDA_FUNCTION_TIMEOUT"] == "30"
    assert environ["AWS_REGION"] == "us-east-1"
    assert environ["TZ"] == ":UTC"
    assert "SECRET_OF_THE_RUNNER" not in environ


@on_loop
async def test_an_exception_fails_its_invocation_and_the_process_goes_on(tmp_path: Path) -> None:
    async with pool_of(tmp_path) as pool:
        before = (await call(pool))["pid"]
        error = await failure(pool, **{"raise": "lost"})
        assert (error["errorType"], error["errorMessage"]) == ("KeyError", "'lost'")
        assert (await call(pool))["pid"] == before


@on_loop
async def test_a_function_over_its_timeout_is_killed_and_replaced(tmp_path: Path) -> None:
    async with pool_of(tmp_path, function(timeout=1.5)) as pool:
        before = (await call(pool))["pid"]
        error = await failure(pool, sleep=600)
        assert error["errorType"] == "Sandbox.Timedout"
        assert error["errorMessage"].endswith("Task timed out after 1.50 seconds")
        assert (await call(pool))["pid"] != before
        await until(lambda: not alive(before))


@on_loop
async def test_a_process_killed_in_the_middle_fails_its_invocation_and_is_replaced(tmp_path: Path) -> None:
    async with pool_of(tmp_path) as pool:
        await pool.start()
        (before,) = pool.process_ids
        running = asyncio.create_task(failure(pool, sleep=600, started=str(tmp_path / "started")))
        await until((tmp_path / "started").exists)
        os.kill(before, signal.SIGKILL)
        error = await running
        assert error["errorType"] == "Runtime.ExitError"
        assert "SIGKILL" in error["errorMessage"]
        assert (await call(pool))["pid"] != before
        await until(lambda: pool.healthy)


@on_loop
async def test_a_process_that_exits_fails_its_invocation_and_is_replaced(tmp_path: Path) -> None:
    async with pool_of(tmp_path) as pool:
        error = await failure(pool, exit=3)
        assert error["errorType"] == "Runtime.ExitError"
        assert "exit status 3" in error["errorMessage"]
        await call(pool)


@on_loop
async def test_an_idle_process_that_dies_is_replaced(tmp_path: Path) -> None:
    async with pool_of(tmp_path) as pool:
        await pool.start()
        (before,) = pool.process_ids
        os.kill(before, signal.SIGKILL)
        await until(lambda: not alive(before))
        await until(lambda: pool.healthy and pool.process_ids != [before])
        assert (await call(pool))["pid"] != before


@on_loop
async def test_a_pool_grows_while_all_are_busy_and_not_beyond_its_maximum(tmp_path: Path) -> None:
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    async with pool_of(tmp_path, maximum=3) as pool:
        await pool.start()
        together = [call(pool, barrier=str(meeting), count=3) for _ in range(7)]
        answers = await asyncio.gather(*together)
        assert len({answer["pid"] for answer in answers}) == 3
        assert len(pool.process_ids) == 3


@on_loop
async def test_processes_are_started_ahead(tmp_path: Path) -> None:
    async with pool_of(tmp_path, ahead=2) as pool:
        await pool.start()
        assert len(pool.process_ids) == 2
        assert pool.healthy


@on_loop
async def test_a_function_that_cannot_be_imported_says_so_in_one_line_and_backs_off(tmp_path: Path) -> None:
    lines: list[str] = []
    source = "import no_such_module"
    async with pool_of(tmp_path, source=source, write_line=lines.append, first_backoff=0.05) as pool:
        with pytest.raises(FunctionError, match=r"WorkerFunction .* does not start: .*no_such_module"):
            await pool.start()
        assert not pool.healthy
        assert (await failure(pool))["errorType"] == "Runtime.ImportModuleError"
        complaints = [
            line for line in lines if line.startswith("WorkerFunction (app.lambda_handler) does not")
        ]
        assert "next try in 0.05 s" in complaints[0]
        # Once the cause is mended, the next try succeeds.
        (tmp_path / "app.py").write_text(textwrap.dedent(HANDLER))
        await until(lambda: pool.healthy)
        await call(pool)


@on_loop
async def test_a_function_that_dies_while_it_starts_says_what_it_printed(tmp_path: Path) -> None:
    source = "import os, sys; print('no luck', file=sys.stderr, flush=True); os._exit(4)"
    async with pool_of(tmp_path, source=source) as pool:
        with pytest.raises(FunctionError, match="no luck"):
            await pool.start()


@on_loop
async def test_payloads_have_lambdas_limit_both_ways(tmp_path: Path) -> None:
    async with pool_of(tmp_path) as pool:
        with pytest.raises(RequestTooLargeError):
            await pool.invoke(b" " * (PAYLOAD_LIMIT + 1))
        assert len(await call(pool, large=6_000_000)) == 6_000_000
        error = await failure(pool, large=PAYLOAD_LIMIT)
        assert error["errorType"] == "Function.ResponseSizeTooLarge"
        await call(pool)


@on_loop
async def test_what_a_function_prints_is_forwarded_under_its_name(tmp_path: Path) -> None:
    lines: list[str] = []
    async with pool_of(tmp_path, write_line=lines.append) as pool:
        await call(pool, name="ä" * 70_000)
        await until(lambda: "[worker] handling " + "ä" * 70_000 in lines)


@on_loop
async def test_metrics_are_left_out_of_what_is_forwarded(tmp_path: Path) -> None:
    lines: list[str] = []
    source = """
        from footfall.telemetry import Metric, count, counting

        @counting("worker")
        def lambda_handler(event, context):
            print("before")
            count(Metric.QUARANTINED)
            raise ValueError("told to")
    """
    made_of = function(layers=(str(PROJECT / "layers/common"),))
    async with pool_of(tmp_path, made_of, source, write_line=lines.append) as pool:
        error = await failure(pool)
        assert error["errorMessage"] == "told to"
        await until(lambda: any("ValueError" in line for line in lines))
    assert "[worker] before" in lines
    assert not [line for line in lines if "Quarantined" in line]


@on_loop
async def test_stopping_lets_running_invocations_finish_and_leaves_no_process(tmp_path: Path) -> None:
    async with pool_of(tmp_path, ahead=2) as pool:
        await pool.start()
        pids = pool.process_ids
        running = asyncio.create_task(call(pool, sleep=0.3, started=str(tmp_path / "started")))
        await until((tmp_path / "started").exists)
        await pool.stop(patience=30)
        assert (await running)["pid"] in pids
        assert not any(alive(pid) for pid in pids)
        assert (await pool.invoke(b"{}")).failed


RUNNER = """
    import asyncio, os, sys
    from pathlib import Path
    from tests.integration.test_runtime import function
    from local.runtime.pool import FunctionPool, function_environment

    async def main():
        folder = Path(sys.argv[1])
        pool = FunctionPool(function(), function_environment(function(), folder, os.environ, {}), folder)
        await pool.start()
        print(*pool.process_ids, flush=True)
        await pool.invoke(b'{"sleep": 600, "started": "%s"}' % sys.argv[2].encode())

    asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process ends when it next asks for work")
def test_functions_die_with_a_runner_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(textwrap.dedent(HANDLER))
    command = [sys.executable, "-c", textwrap.dedent(RUNNER), str(tmp_path), str(tmp_path / "started")]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as runner:
        assert runner.stdout is not None
        (pid,) = (int(word) for word in runner.stdout.readline().split())
        # Busy, so that it cannot notice by itself that there is no more work.
        wait_until((tmp_path / "started").exists)
        assert alive(pid)
        runner.kill()
    wait_until(lambda: not alive(pid))


def test_the_own_bootstrap_serves_where_awslambdaric_has_no_wheel(tmp_path: Path) -> None:
    """A module that hides awslambdaric makes `bootstrap.py` take its own loop."""
    hidden = tmp_path / "awslambdaric"
    hidden.mkdir()
    (hidden / "__init__.py").write_text("raise ImportError('hidden')")

    async def main() -> None:
        async with pool_of(tmp_path) as pool:
            answer = await call(pool)
            assert answer["environ"]["OWN"] == "1"
            assert 0 < answer["left"] <= 30_000
            error = await failure(pool, **{"raise": "lost"})
            assert (error["errorType"], error["errorMessage"]) == ("KeyError", "'lost'")
            assert (await call(pool))["pid"] == answer["pid"]

    asyncio.run(main())


def test_an_outcome_tells_its_reason() -> None:
    assert Outcome.failure("KeyError", "x").reason == "KeyError: x"
    assert Outcome(b"?", failed=True).reason == "?"
