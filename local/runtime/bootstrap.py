"""Runs one function in this process: `python -P bootstrap.py HANDLER PARENT_PID`.

AWS's own runtime client does the work where it has a wheel; elsewhere the loop below does.
"""

import ctypes
import http.client
import importlib
import json
import os
import signal
import sys
import time
import traceback
from types import SimpleNamespace
from typing import Any

_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """The kernel kills this process when the runner dies, even by SIGKILL."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the runner is gone")


def run(handler: str, api: str) -> None:
    """Polls for invocations until the Runtime API is gone."""
    runtime = http.client.HTTPConnection(api)
    module, _, name = handler.rpartition(".")
    try:
        function = getattr(importlib.import_module(module), name)
    except BaseException as error:
        _call(runtime, "POST", "init/error", _failure(error))
        raise
    while True:
        headers, body = _call(runtime, "GET", "invocation/next")
        invocation = f"invocation/{headers['Lambda-Runtime-Aws-Request-Id']}"
        try:
            kind, answer = "response", function(json.loads(body), _context(headers))
        except Exception as error:  # noqa: BLE001 - whatever the function raises is its answer
            kind, answer = "error", _failure(error)
        _call(runtime, "POST", f"{invocation}/{kind}", answer)


def _call(
    runtime: http.client.HTTPConnection, method: str, path: str, answer: Any = None
) -> tuple[Any, bytes]:
    body = json.dumps(answer) if method == "POST" else None
    runtime.request(method, f"/2018-06-01/runtime/{path}", body)
    response = runtime.getresponse()
    if response.status >= 300:
        sys.exit("the Runtime API is gone")
    return response.headers, response.read()


def _context(headers: Any) -> SimpleNamespace:
    deadline = int(headers["Lambda-Runtime-Deadline-Ms"])
    return SimpleNamespace(
        aws_request_id=headers["Lambda-Runtime-Aws-Request-Id"],
        invoked_function_arn=headers["Lambda-Runtime-Invoked-Function-Arn"],
        function_name=os.environ["AWS_LAMBDA_FUNCTION_NAME"],
        function_version=os.environ["AWS_LAMBDA_FUNCTION_VERSION"],
        memory_limit_in_mb=os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"],
        get_remaining_time_in_millis=lambda: max(deadline - int(time.time() * 1000), 0),
    )


def _failure(error: BaseException) -> dict[str, Any]:
    traceback.print_exception(error)
    lines = traceback.format_tb(error.__traceback__)
    return {"errorMessage": str(error), "errorType": type(error).__name__, "stackTrace": lines}


def main() -> None:
    _, handler, parent = sys.argv
    die_with(int(parent))
    try:
        from awslambdaric.__main__ import main as run_awslambdaric
    except ImportError:
        run(handler, os.environ["AWS_LAMBDA_RUNTIME_API"])
    else:
        run_awslambdaric(["bootstrap", handler])


if __name__ == "__main__":
    main()
