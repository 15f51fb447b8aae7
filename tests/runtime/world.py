"""What a built function finds around it: a queue, an issuer, a database, and a site that has lived."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from local.control.issuer import Issuer
from local.keys import digest
from local.machine import HOST
from local.postgres.roles import let_in
from local.queue.sqs import sqs_application
from local.queue.store import QueueStore
from local.sam.artifacts import Artifacts
from local.sam.emulator import Emulator, program_of
from local.sam.tools import Tools
from local.template.model import ACCOUNT, Template
from local.template.reader import read_template

Json = dict[str, Any]


@dataclass
class World:
    """`endpoint` answers for SQS, for the issuer, and as a `session` that has nothing to replay."""

    tools: Tools
    artifacts: Artifacts
    database_url: str
    endpoint: str
    issuer: Issuer
    store: QueueStore

    @contextmanager
    def running(self, room: str) -> Iterator[Emulator]:
        """That room's built function."""
        template = self._template()
        [function] = [one for one in template.functions.values() if one.short_name == room]
        for queue in template.queues.values():
            self.store.create(queue.name, queue.attributes)
        given = {"AWS_ENDPOINT_URL_LAMBDA": self.endpoint}
        if "DATABASE_URL" in function.environment:
            owner, deploys = self.database_url, function.logical_id in template.deploying
            given["DATABASE_URL"] = owner if deploys else let_in(owner, function.database_role)
        with Emulator(self.tools, program_of(self.artifacts, function, given)) as emulator:
            yield emulator

    def answer(self, room: str, event: Any) -> Any:
        """A cold start's."""
        with self.running(room) as emulator:
            return emulator.invoke(event)

    def queued(self) -> list[str]:
        """The bodies of all messages in all queues."""
        queues = [self.store.get(name) for name in self.store.names()]
        return [message.body for queue in queues for message in queue.receive_now(10)]

    def _template(self) -> Template:
        parameters = {
            "BrowserKeyHashes": digest("sample-browser-key"),
            "ServerKeyHashes": digest("sample-server-key"),
            "JwtIssuer": self.issuer.url,
        }
        url = f"{self.endpoint}/{ACCOUNT}/{{}}".format
        return read_template(self.artifacts.folder / "template.yaml", parameters, url)


@contextmanager
def world_of(tools: Tools, artifacts: Artifacts, database_url: str, folder: Path) -> Iterator[World]:
    issuer = Issuer(folder / "issuer", f"http://{HOST}/issuer")
    store = QueueStore(folder / "queues.sqlite")
    application = sqs_application(store)
    application.add_routes(issuer.routes())
    application.add_routes([web.post("/2015-03-31/functions/SessionFunction/invocations", _nothing_waits)])
    with ExitStack() as stack:
        stack.callback(store.close)
        endpoint = stack.enter_context(_served(application))
        issuer.url = f"{endpoint}/issuer"
        yield World(tools, artifacts, database_url, endpoint, issuer, store)


async def _nothing_waits(_: web.Request) -> web.Response:
    return web.json_response({"replayed": 0, "stayed": {}, "left": 0, "after": None, "refused": []})


@contextmanager
def _served(application: web.Application) -> Iterator[str]:
    """From a thread with its own loop; yields the address."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    runner = web.AppRunner(application, access_log=None)

    async def start() -> str:
        await runner.setup()
        await web.TCPSite(runner, HOST, 0).start()
        return f"http://{HOST}:{runner.addresses[0][1]}"

    try:
        yield asyncio.run_coroutine_threadsafe(start(), loop).result(30)
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()
