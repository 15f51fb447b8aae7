"""The whole of a template on one machine: started in order, stopped in the opposite one."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web

from local.control.health import checks, database_error
from local.control.invoke_api import InvokeApi
from local.control.issuer import PATH as ISSUER_PATH
from local.control.issuer import Issuer
from local.control.routes import Control
from local.control.signing_in import SigningIn
from local.control.starting import turn_away
from local.deployment import Deployment
from local.gateway.server import EVERY_PATH, Gateway
from local.keys import digest, keep_keys
from local.machine import HOST, lock_folder, take_port
from local.postgres.roles import let_all_in
from local.postgres.server import PostgresServer
from local.queue.sqs import sqs_application
from local.queue.store import QueueStore
from local.runtime.pool import FunctionPool, function_environment
from local.runtime.process import Outcome
from local.site.serving import Site
from local.template.model import ACCOUNT, CustomResource, Function, QueueSource, Template
from local.template.reader import read_template
from local.triggers.queue_source import SourceMapping
from local.triggers.schedules import Timer, run_schedule, timers

PATIENCE = 10.0
# Where the template sets no MaximumConcurrency, and the most that a laptop should run.
_CONSUMERS, _MOST_CONSUMERS = 4, 8


class StackError(Exception):
    """The stack cannot run; the message says why."""


@dataclass(frozen=True)
class Settings:
    """`project` holds template.yaml; `machine` is the environment that PATH and HOME come from."""

    project: Path
    data_dir: Path
    port: int
    database_url: str | None
    parameters: Mapping[str, str]
    machine: Mapping[str, str]


class Stack:
    """`start()` returns when events can flow; `stop()` may follow at any time, even a failed start."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._say = say
        self._exit = AsyncExitStack()
        self._feeding: list[asyncio.Task[None]] = []
        self._mappings: list[SourceMapping] = []
        self._pools: dict[str, FunctionPool] = {}
        self._role_urls: dict[str, str] = {}
        self._deadline = 0.0

    async def start(self) -> str:
        """The address that it answers at. Raises errors whose text is for the user."""
        lock = lock_folder(self._settings.data_dir)
        self._exit.callback(lock.close)
        self._listener = take_port(self._settings.port)
        self._exit.callback(self._listener.close)
        self.url = f"http://{HOST}:{self._listener.getsockname()[1]}"
        self._doorkeeper = await turn_away(self._listener)
        self._exit.push_async_callback(self._doorkeeper.cleanup)
        postgres = self._embedded_postgres()
        await self._start_queues()
        self._template = self._read_template()
        timers_of = self._timers()
        self._database_url = await self._start_database(postgres)
        await self._start_functions()
        await self._start_gateway()
        self._start_feeding(timers_of)
        return self.url

    async def stop(self) -> None:
        """Lets what runs finish for about ten seconds, then ends everything, the database last."""
        self._deadline = time.monotonic() + PATIENCE
        for task in self._feeding:
            task.cancel()
        await asyncio.gather(*self._feeding, return_exceptions=True)
        await self._exit.aclose()

    # The queues and the template ──────────────────────────────────────────────────────────────────

    async def _start_queues(self) -> None:
        self._store = QueueStore(self._settings.data_dir / "queues.sqlite")
        self._exit.callback(self._store.close)
        # While this file is there, the queue answers as in an outage of SQS.
        outage = self._settings.data_dir / "queue-outage"
        queue = sqs_application(self._store, fail=outage.exists)
        runner = web.AppRunner(queue, access_log=None, shutdown_timeout=1)
        await runner.setup()
        self._exit.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, HOST, 0).start()
        self._sqs_endpoint = f"http://{HOST}:{runner.addresses[0][1]}"

    def _read_template(self) -> Template:
        data_dir = self._settings.data_dir
        self._keys = keep_keys(data_dir / "keys.json")
        self._issuer = Issuer(data_dir / "issuer", f"{self.url}{ISSUER_PATH}")
        given = {
            "BrowserKeyHashes": digest(self._keys.browser_key),
            "ServerKeyHashes": digest(self._keys.server_key),
            "JwtIssuer": self._issuer.url,
            "InsightsClientId": "insights",
        }
        template = read_template(
            self._settings.project / "template.yaml",
            overrides={**given, **self._settings.parameters},
            queue_url=f"{self._sqs_endpoint}/{ACCOUNT}/{{}}".format,
        )
        for queue in template.queues.values():
            self._store.create(queue.name, queue.attributes)
        self._store.release_in_flight()
        return template

    def _timers(self) -> dict[str, list[Timer]]:
        return {name: timers(function.schedules) for name, function in self._template.functions.items()}

    # The database ─────────────────────────────────────────────────────────────────────────────────

    def _embedded_postgres(self) -> PostgresServer | None:
        if self._settings.database_url is not None:
            return None
        server = PostgresServer(self._settings.data_dir / "postgres")
        self._exit.push_async_callback(asyncio.to_thread, server.stop)
        return server

    async def _start_database(self, server: PostgresServer | None) -> str:
        url = self._settings.database_url
        if server is not None:
            started = time.monotonic()
            self._say("starting the database…")
            await asyncio.to_thread(server.start)
            watch = asyncio.create_task(self._keep_running("database", server.keep_alive))
            self._exit.callback(watch.cancel)
            url = server.url()
            self._say(f"the database is up ({_seconds_since(started)})")
        assert url is not None
        problem = await database_error(url)
        if problem:
            raise StackError(f"the database does not answer: {problem}")
        return url

    # The functions ────────────────────────────────────────────────────────────────────────────────

    async def _start_functions(self) -> None:
        functions, deploying = self._template.functions, self._template.deploying
        self._exit.push_async_callback(self._stop_functions)
        self._pools = {name: self._pool(functions[name]) for name in deploying}
        deployment = Deployment(self._settings.data_dir / "deployed.json")
        for resource in self._template.custom_resources:
            await self._make(resource, deployment)
        await self._let_roles_in()
        self._pools |= {name: self._pool(each) for name, each in functions.items() if name not in deploying}
        started = time.monotonic()
        self._say("starting the functions…")
        await asyncio.gather(*(pool.start() for pool in self._pools.values()))
        self._say(f"the functions are up ({_seconds_since(started)})")

    async def _let_roles_in(self) -> None:
        """Deploying has made them; until now, and where that fails, functions connect as the owner."""
        roles = self._template.rooms_roles
        self._role_urls, complaint = await asyncio.to_thread(let_all_in, self._database_url, roles)
        if complaint:
            self._say(complaint)

    def _pool(self, function: Function) -> FunctionPool:
        settings = self._settings
        database_url = self._role_urls.get(function.database_role, self._database_url)
        environment = function_environment(
            function, settings.project, settings.machine, overrides={"DATABASE_URL": database_url}
        )
        endpoints = {"AWS_ENDPOINT_URL_SQS": self._sqs_endpoint, "AWS_ENDPOINT_URL_LAMBDA": self.url}
        return FunctionPool(
            function,
            {**environment, **endpoints},
            settings.project,
            ahead=max((_consumers(source) for source in function.queue_sources), default=1),
            write_line=self._say,
        )

    async def _make(self, resource: CustomResource, deployment: Deployment) -> None:
        started = time.monotonic()
        name = resource.logical_id
        self._say(f"making {name}, as a deploy does…")
        pool = self._pools[resource.function]
        await pool.start()
        await deployment.make(resource, pool.invoke)
        self._say(f"{name} is there ({_seconds_since(started)})")

    async def _stop_functions(self) -> None:
        patience = max(self._deadline - time.monotonic(), 0.0)
        await asyncio.gather(*(pool.stop(patience) for pool in self._pools.values()))
        await asyncio.gather(*(mapping.drain() for mapping in self._mappings))

    # The front door ───────────────────────────────────────────────────────────────────────────────

    async def _start_gateway(self) -> None:
        control = Control(self._facts(), self._token, checks(self._database_url, self._store, self._pools))
        application = web.Application()
        application.add_routes([*control.routes(), *self._issuer.routes()])
        application.add_routes(SigningIn(self._issuer, self._token).routes())
        application.add_routes([*InvokeApi(self._pools).routes(), *self._site().routes()])
        application.router.add_route("*", EVERY_PATH, Gateway(self._template.api, self._invoke).handle)
        # A compressed body reaches the function compressed, as on AWS.
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=PATIENCE, auto_decompress=False)
        await runner.setup()
        self._exit.push_async_callback(runner.cleanup)
        await self._doorkeeper.cleanup()
        await web.SockSite(runner, self._listener).start()

    def _site(self) -> Site:
        is_own_database = self._settings.database_url is None
        return Site(self.url, self._database_url, self._keys.browser_key, is_own_database=is_own_database)

    async def _invoke(self, function: str, payload: bytes) -> Outcome:
        return await self._pools[function].invoke(payload)

    def _token(self, sub: str, scope: str, **options: Any) -> str:
        audience = self._template.parameters.get("JwtAudience", "local")
        return self._issuer.token(sub, scope, audience=str(audience), **options)

    def _facts(self) -> dict[str, str]:
        queues = self._template.queues.values()
        queue = next((queue for queue in queues if queue.dead_letter_arn), None)
        letters = next((other for other in queues if queue and other.arn == queue.dead_letter_arn), None)
        return {
            "database_url": self._database_url,
            "queue_url": queue.url if queue else "",
            "dlq_url": letters.url if letters else "",
            "browser_key": self._keys.browser_key,
            "server_key": self._keys.server_key,
            "sqs_endpoint": self._sqs_endpoint,
        }

    # What wakes functions besides HTTP ────────────────────────────────────────────────────────────

    def _start_feeding(self, timers_of: Mapping[str, Sequence[Timer]]) -> None:
        for name, pool in self._pools.items():
            for source in pool.function.queue_sources:
                mapping = self._mapping(source, pool)
                self._mappings.append(mapping)
                self._feed(name, mapping.run)
            for timer in timers_of[name]:
                self._feed(timer.schedule.name, partial(run_schedule, timer, pool.invoke))

    def _mapping(self, source: QueueSource, pool: FunctionPool) -> SourceMapping:
        queue = self._store.get(self._template.queue_by_arn(source.queue_arn).name)
        return SourceMapping(
            source,
            self._store,
            queue,
            pool.invoke,
            concurrency=_consumers(source),
            visibility_timeout=queue.settings.visibility_timeout,
            write_line=self._say,
        )

    def _feed(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        self._feeding.append(asyncio.create_task(self._keep_running(name, run)))

    async def _keep_running(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await run()
            except Exception as error:  # noqa: BLE001 - one failure must not end what feeds a function
                self._say(f"{name}: {type(error).__name__}: {error}; goes on in a second")
                await asyncio.sleep(1)


def _consumers(source: QueueSource) -> int:
    return min(source.concurrency or _CONSUMERS, _MOST_CONSUMERS)


def _seconds_since(started: float) -> str:
    return f"{time.monotonic() - started:.1f} s"
