"""SQS over HTTP, as boto3 speaks it (AWS JSON 1.0), in front of a `QueueStore`.

Signatures are not verified, and PurgeQueue may be repeated at once. Whoever runs the application with a
runner of their own gives it `handler_cancellation=True`, as `serve` does: else a client that goes away
in a long poll still takes messages.
"""

import asyncio
import json
import sqlite3
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from local.queue.actions import ACTIONS, Answer, Call
from local.queue.parameters import Parameters, SerializationError
from local.queue.rules import QueueError
from local.queue.store import QueueStore

# JSON may write a character of one byte in six, and a batch that is refused must still be read.
REQUEST_LIMIT = 64 * 1024 * 1024
_TARGET = "AmazonSQS."
_POLLS = web.AppKey("polls", set[asyncio.Task[Any]])


class InvalidActionError(QueueError):
    """No such action."""


class ServiceUnavailableError(QueueError, status=503):
    """The queue cannot take requests now."""


def sqs_application(store: QueueStore, *, fail: Callable[[], bool] | None = None) -> web.Application:
    """The server. While `fail` says so, each request is answered 503, as in an outage of SQS."""

    async def handle(request: web.Request) -> web.Response:
        try:
            if fail and fail():
                raise ServiceUnavailableError("The queue is out of service.")
            return _response(200, await _perform(store, request))
        except QueueError as error:
            return _refusal(error)
        except sqlite3.Error as error:
            return _refusal(ServiceUnavailableError(f"The queue store failed: {error}."))

    application = web.Application(client_max_size=REQUEST_LIMIT)
    application.router.add_post("/{path:.*}", handle)
    application[_POLLS] = set()
    application.on_shutdown.append(_end_polls)
    return application


async def serve(
    store: QueueStore, host: str = "127.0.0.1", port: int = 0, *, fail: Callable[[], bool] | None = None
) -> tuple[web.AppRunner, int]:
    """Listen, and return the runner (`await runner.cleanup()` ends it) and the port; 0 chooses one."""
    runner = web.AppRunner(sqs_application(store, fail=fail), access_log=None, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError:
        await runner.cleanup()
        raise
    return runner, runner.addresses[0][1]


async def _end_polls(application: web.Application) -> None:
    for poll in application[_POLLS]:
        poll.cancel()


async def _perform(store: QueueStore, request: web.Request) -> Answer:
    target = request.headers.get("X-Amz-Target", "")
    action = ACTIONS.get(target.removeprefix(_TARGET)) if target.startswith(_TARGET) else None
    if action is None:
        known = ", ".join(ACTIONS)
        raise InvalidActionError(
            f"X-Amz-Target {target!r} is not an action of this server, which knows: {known}."
        )
    try:
        fields = json.loads(await request.read() or b"{}")
    except (ValueError, RecursionError) as error:
        raise SerializationError(f"The body is not JSON: {error}.") from None
    call = Call(store, Parameters(fields), f"{request.scheme}://{request.host}")
    answer = action(call)
    return answer if isinstance(answer, dict) else await _cancellable(request.app, answer)


async def _cancellable(application: web.Application, poll: Awaitable[Answer]) -> Answer:
    task = asyncio.current_task()
    assert task is not None
    application[_POLLS].add(task)
    try:
        return await poll
    finally:
        application[_POLLS].discard(task)


def _refusal(error: QueueError) -> web.Response:
    sender = "Sender" if error.status < 500 else "Receiver"
    # boto3 takes the exception's class from the shape, and the code that it shows from the header.
    headers = {"x-amzn-query-error": f"{error.code};{sender}"}
    body = {"__type": f"com.amazonaws.sqs#{error.shape}", "message": str(error)}
    return _response(error.status, body, headers)


def _response(status: int, body: Answer, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status,
        body=json.dumps(body).encode(),
        content_type="application/x-amz-json-1.0",
        headers={"x-amzn-RequestId": str(uuid.uuid4()), **(headers or {})},
    )
