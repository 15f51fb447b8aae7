"""CloudFormation, as far as it makes custom resources: asks a function, and waits for the answer it puts."""

import asyncio
import json
import secrets
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from local.machine import HOST
from local.runtime.process import Outcome
from local.template.model import STACK_ID, CustomResource

BODY_LIMIT = 4096
_ECHOED = ("StackId", "RequestId", "LogicalResourceId")

Json = dict[str, Any]
Invoke = Callable[[bytes], Awaitable[Outcome]]


class DeploymentError(Exception):
    """A custom resource was not made; the message names it and says why."""


class Deployment:
    """`notes` is the file that says what was made before: that is updated, anything else is created."""

    def __init__(self, notes: Path) -> None:
        self._notes = notes

    async def make(self, resource: CustomResource, invoke: Invoke) -> None:
        """Raises DeploymentError."""
        made: Json = json.loads(self._notes.read_text()) if self._notes.exists() else {}
        request = _request(resource, made.get(resource.logical_id))
        answer = await _ask(request, resource, invoke)
        if answer["Status"] != "SUCCESS":
            raise DeploymentError(f"{resource.logical_id} failed: {answer['Reason']}")
        made[resource.logical_id] = {
            "PhysicalResourceId": answer["PhysicalResourceId"],
            "ResourceProperties": resource.properties,
        }
        new = self._notes.with_suffix(".new")
        new.write_text(json.dumps(made, indent=2))
        new.replace(self._notes)


def _request(resource: CustomResource, made: Json | None) -> Json:
    request = {
        "RequestType": "Update" if made else "Create",
        "ServiceToken": resource.properties["ServiceToken"],
        "StackId": STACK_ID,
        "RequestId": str(uuid.uuid4()),
        "LogicalResourceId": resource.logical_id,
        "ResourceType": resource.type,
        "ResourceProperties": resource.properties,
    }
    if made:
        request["PhysicalResourceId"] = made["PhysicalResourceId"]
        request["OldResourceProperties"] = made["ResourceProperties"]
    return request


async def _ask(request: Json, resource: CustomResource, invoke: Invoke) -> Json:
    answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    async with _mailbox(answered) as url:
        payload = json.dumps({**request, "ResponseURL": url}).encode()
        call = asyncio.ensure_future(invoke(payload))
        try:
            # AWS would call a function that fails without an answer again; what fails here fails again.
            either: set[asyncio.Future[Any]] = {answered, call}
            await asyncio.wait(either, timeout=resource.timeout, return_when="FIRST_COMPLETED")
            if not answered.done():
                raise DeploymentError(f"{resource.logical_id} failed: {_why_silent(call, resource)}")
            # The function may have something left to do.
            await asyncio.wait({call}, timeout=resource.timeout)
        finally:
            call.cancel()
    return _checked(answered.result(), request)


def _why_silent(call: asyncio.Future[Outcome], resource: CustomResource) -> str:
    if not call.done():
        return f"{resource.function} gave no answer in {resource.timeout:g} seconds"
    outcome = call.result()
    return (
        f"{resource.function}: {outcome.reason}" if outcome.failed else f"{resource.function} gave no answer"
    )


@asynccontextmanager
async def _mailbox(answered: asyncio.Future[bytes]) -> AsyncIterator[str]:
    """Where the answer is put; as a presigned URL does, it takes no other method or content type."""
    path = f"/{secrets.token_urlsafe(16)}"

    async def take(request: web.BaseRequest) -> web.Response:
        if (request.method, request.path, request.headers.get("content-type", "")) != ("PUT", path, ""):
            return web.Response(status=403)
        body = await request.content.read()
        if not answered.done():
            answered.set_result(body)
        return web.Response()

    runner = web.ServerRunner(web.Server(take, access_log=None), shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, 0).start()
        yield f"http://{HOST}:{runner.addresses[0][1]}{path}"
    finally:
        await runner.cleanup()


def _checked(body: bytes, request: Json) -> Json:
    """What CloudFormation would refuse is refused here."""
    try:
        answer: Any = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or len(body) > BODY_LIMIT:
        problem = f"is no JSON object of at most {BODY_LIMIT} bytes"
    elif answer.get("Status") not in ("SUCCESS", "FAILED"):
        problem = "has no Status"
    elif not answer.get("PhysicalResourceId"):
        problem = "has no PhysicalResourceId"
    elif any(answer.get(name) != request[name] for name in _ECHOED):
        problem = "is not to this request"
    elif answer["Status"] == "FAILED" and not answer.get("Reason"):
        problem = "gives no Reason"
    else:
        return answer
    raise DeploymentError(f"{request['LogicalResourceId']} failed: the answer {problem}")
