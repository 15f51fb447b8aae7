"""Lambda's Invoke API, so that boto3 and `aws lambda invoke --endpoint-url` reach the local functions."""

import asyncio
import json
from collections.abc import Mapping

from aiohttp import web

from local.runtime.pool import FunctionPool
from local.runtime.process import PAYLOAD_LIMIT, Outcome

PATH = "/2015-03-31/functions/{name}/invocations"


class InvokeApi:
    """Functions are found by logical id, name or ARN."""

    def __init__(self, pools: Mapping[str, FunctionPool]) -> None:
        self._pools = {
            name: pool
            for logical_id, pool in pools.items()
            for name in (logical_id, pool.function.name, pool.function.arn)
        }
        self._background: set[asyncio.Task[Outcome]] = set()

    def routes(self) -> list[web.RouteDef]:
        return [web.post(PATH, self.handle)]

    async def handle(self, request: web.Request) -> web.Response:
        name = request.match_info["name"].removesuffix(":$LATEST")
        pool = self._pools.get(name)
        if pool is None:
            return _error(404, "ResourceNotFoundException", f"Function not found: {name}")
        kind = request.headers.get("X-Amz-Invocation-Type", "RequestResponse")
        payload = await request.content.read() or b"{}"
        if not _is_json(payload):
            return _error(400, "InvalidRequestContentException", "Could not parse request body into json")
        if len(payload) > PAYLOAD_LIMIT:
            message = f"{len(payload)} byte payload is too large for the {kind} invocation type"
            return _error(413, "RequestEntityTooLargeException", f"{message} (limit {PAYLOAD_LIMIT} bytes)")
        return await self._invoke(pool, kind, payload)

    async def _invoke(self, pool: FunctionPool, kind: str, payload: bytes) -> web.Response:
        match kind:
            case "RequestResponse":
                return _answer(await pool.invoke(payload))
            case "Event":
                # Once: AWS would try a failed event twice more, after one and two minutes.
                task = asyncio.create_task(pool.invoke(payload))
                self._background.add(task)
                task.add_done_callback(self._background.discard)
                return web.Response(status=202)
            case "DryRun":
                return web.Response(status=204)
        return _error(400, "InvalidParameterValueException", f"{kind!r} is no invocation type")


def _answer(outcome: Outcome) -> web.Response:
    headers = {"X-Amz-Executed-Version": "$LATEST"}
    if outcome.failed:
        headers["X-Amz-Function-Error"] = "Unhandled"
    return web.Response(body=outcome.payload, headers=headers, content_type="application/json")


def _is_json(payload: bytes) -> bool:
    try:
        json.loads(payload)
    except ValueError:
        return False
    return True


def _error(status: int, kind: str, message: str) -> web.Response:
    body = {"Type": "User", "Message": message}
    return web.json_response(body, status=status, headers={"x-amzn-ErrorType": kind})
