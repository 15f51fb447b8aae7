"""The routes of the demo site: its pages, and what a product's own server would answer them."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import psycopg
from aiohttp import web
from psycopg.rows import DictRow, dict_row

from footfall import ids, queries
from local.demo.catalogue import SITE
from local.feeding.door import Door, Event
from local.feeding.stored import wait_for
from local.site.filling import newest

SQL = queries.load(Path(__file__).parent)
# Listed once: what isn't in the folder has no name here.
FILES = {file.name: file for file in (Path(__file__).parent / "pages").iterdir()}
TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".woff2": "font/woff2",
}
PAGES = {"", "projects", "jobs", "profiles", "endorsements", "search", "me"}
# Nothing of the site needs inline scripts or other hosts, and neither does the tracker.
POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; base-uri 'none'"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
MOST_SHOWN = 60
WRITTEN_WITHIN_SECONDS = 3.0


class Site:
    """`url` is the stack's front door; `is_own_database`: it was made for this stack, and is no one's own."""

    def __init__(self, url: str, database_url: str, browser_key: str, *, is_own_database: bool) -> None:
        self._url = url
        self._database_url = database_url
        self._browser_key = browser_key
        self._is_own_database = is_own_database
        self._one_at_a_time = asyncio.Lock()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/demo", self._home),
            web.get("/demo/assets/{name}", self._asset),
            web.get("/demo/api/network", self._network),
            web.post("/demo/api/fill", _only_from_here(self._fill)),
            web.post("/demo/api/learn", _only_from_here(self._learn)),
            web.get("/demo/api/contents", self._contents),
            web.get("/demo/api/contents/{type}/{id}", self._content),
            web.post("/demo/api/projects", _only_from_here(self._publish)),
            web.get("/demo/api/characters", self._characters),
            web.get("/demo/api/people/{id}", self._person),
            web.get("/demo/{page:[^/]*}{rest:.*}", self._page),
        ]

    # Files ────────────────────────────────────────────────────────────────────────────────────────

    async def _home(self, _: web.Request) -> web.Response:
        raise web.HTTPPermanentRedirect("/demo/")

    async def _page(self, request: web.Request) -> web.Response:
        """One page for all addresses: what it shows, its script reads off the address."""
        text = FILES["index.html"].read_text(encoding="utf-8").replace("{{browser key}}", self._browser_key)
        return web.Response(
            status=200 if request.match_info["page"] in PAGES else 404,
            text=text,
            content_type="text/html",
            headers={"cache-control": "no-cache", "content-security-policy": POLICY},
        )

    async def _asset(self, request: web.Request) -> web.StreamResponse:
        file = FILES.get(request.match_info["name"])
        if file is None or file.suffix not in TYPES:
            raise web.HTTPNotFound
        kind = TYPES[file.suffix]
        return web.FileResponse(file, headers={"content-type": kind, "cache-control": "no-cache"})

    # What there is ────────────────────────────────────────────────────────────────────────────────

    async def _network(self, _: web.Request) -> web.Response:
        """`fill`: `now` where the database is new and nobody's own, `ask` where somebody should be asked."""
        [found] = await self._rows("count_contents")
        if found["contents"]:
            fill = "no"
        else:
            fill = "now" if self._is_own_database and not found["is_used"] else "ask"
        return _json({"contents": found["contents"], "fill": fill})

    async def _contents(self, request: web.Request) -> web.Response:
        """?type=&author=&about=&q=&limit="""
        asked = request.query
        limit = asked.get("limit", "24")
        found = await self._find(
            type=asked.get("type"),
            author=ids.to_uuid("user", asked["author"]) if "author" in asked else None,
            about=asked.get("about"),
            words=asked.get("q", "").split(),
            limit=min(int(limit), MOST_SHOWN) if limit.isdecimal() else MOST_SHOWN,
        )
        return _json({"items": found, "total": found[0]["total"] if found else 0})

    async def _content(self, request: web.Request) -> web.Response:
        asked = request.match_info
        found = await self._find(type=asked["type"], id=ids.to_uuid("content", asked["id"]), limit=1)
        return _json(found[0] if found else None)

    async def _find(self, **wish: Any) -> list[DictRow]:
        anything: dict[str, Any] = {"type": None, "id": None, "author": None, "about": None, "words": []}
        return await self._rows("contents", **{**anything, **wish})

    async def _characters(self, _: web.Request) -> web.Response:
        return _json(await self._rows("characters"))

    async def _person(self, request: web.Request) -> web.Response:
        found = await self._rows("person", user_id=ids.to_uuid("user", request.match_info["id"]))
        return _json(found[0] if found else {"completeness": None, "skills": None})

    async def _rows(self, query: str, **parameters: Any) -> list[DictRow]:
        try:
            async with await psycopg.AsyncConnection.connect(
                self._database_url, autocommit=True, row_factory=dict_row
            ) as connection:
                cursor = await connection.execute(SQL[query], parameters)
                return await cursor.fetchall()
        except psycopg.OperationalError as error:
            said = json.dumps({"code": "unavailable", "message": f"the database doesn't answer: {error}"})
            raise web.HTTPServiceUnavailable(text=said, content_type="application/json") from None

    # What is done ─────────────────────────────────────────────────────────────────────────────────

    async def _fill(self, _: web.Request) -> web.Response:
        """Describes contents as a product's server does; when it answers, they are there."""
        events = await asyncio.to_thread(newest, datetime.now(UTC))
        async with self._one_at_a_time, self._door() as door:
            rejected = await door.send(events)
            await wait_for(door, [event["id"] for event in events], "count_events", lambda _: None)
        return _json({"sent": len(events), "rejected": rejected})

    async def _publish(self, request: web.Request) -> web.Response:
        """{"title", "author", "skills"}: a visitor's project, of which the site's server tells Footfall."""
        try:
            said = await request.json()
            project = _project(said["title"].strip(), said["author"], said["skills"])
        except (ValueError, LookupError, TypeError, AttributeError):
            said = {"code": "invalid_request", "message": "a project has a title, an author and skills"}
            return web.json_response(said, status=400)
        async with self._one_at_a_time, self._door() as door:
            rejected = await door.send([project])
            await _written(door)
        return _json({"url": project["url"], "rejected": rejected})

    async def _learn(self, _: web.Request) -> web.Response:
        """Has what was sent written, and learned now instead of at the schedule's next tick."""
        async with self._one_at_a_time, self._door() as door:
            await _written(door)
            return _json({"users": await door.learn()})

    @asynccontextmanager
    async def _door(self) -> AsyncIterator[Door]:
        async with aiohttp.ClientSession() as session:
            door = Door(self._url, session)
            await door.local()
            yield door


def _only_from_here(handle: Handler) -> Handler:
    """Refuses what another site's page sends; a program that is no browser says neither header."""

    async def refuse_or_handle(request: web.Request) -> web.StreamResponse:
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        if site is None:
            is_own = origin is None or urlsplit(origin).netloc == request.host
        else:
            is_own = site == "same-origin"
        if not is_own:
            said = {"code": "forbidden", "message": "only the site's own pages may ask for this"}
            return web.json_response(said, status=403)
        return await handle(request)

    return refuse_or_handle


async def _written(door: Door) -> None:
    """Waits until the queue is empty; not for long, as somebody else may be filling it."""
    deadline = time.monotonic() + WRITTEN_WITHIN_SECONDS
    while await door.waiting() and time.monotonic() < deadline:
        await asyncio.sleep(0.05)


def _project(title: str, author: str, skills: list[str]) -> Event:
    now, content_id = datetime.now(UTC).isoformat(timespec="milliseconds"), ids.uuid7()
    return {
        "type": "content",
        "id": ids.uuid7(),
        "created_at": now,
        "published_at": now,
        "content_type": "project",
        "content_id": content_id,
        "title": title,
        "url": f"{SITE}/projects/{content_id}",
        "author_id": author,
        "attributes": {"topic": skills[0], "skills": skills[:3]},
        "available": True,
    }


def _json(body: Any) -> web.Response:
    return web.json_response(body, dumps=lambda value: json.dumps(value, default=str))
