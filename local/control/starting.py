"""What the stack answers before it is ready, so that its port is its own from the first moment."""

import socket

from aiohttp import web


async def turn_away(listener: socket.socket) -> web.ServerRunner:
    """Answers 503 on `listener` until `cleanup()`; the listener stays open, whoever comes meanwhile waits."""
    runner = web.ServerRunner(web.Server(_not_yet, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    await web.SockSite(runner, listener.dup()).start()
    return runner


async def _not_yet(_: web.BaseRequest) -> web.Response:
    answer = {"status": "unavailable", "failing": ["starting"], "message": "Service Unavailable"}
    return web.json_response(answer, status=503, headers={"connection": "close", "retry-after": "1"})
