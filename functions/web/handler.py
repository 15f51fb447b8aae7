"""Woken by GET: answers with the room's own files."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from footfall.http import Answer, Request, Route, dispatch
from functions.web.files import File, FileAnswer

FOLDER = Path(__file__).parent


def lambda_handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    return dispatch(ROUTES, event)


def get_openapi(request: Request) -> Answer:
    """GET /openapi.json: the contract of all routes."""
    return Answer(_contract(), headers={"cache-control": "public, max-age=300"})


def get_tracker(request: Request) -> Answer:
    """GET /tracker.js, and GET /js/{name} for sites that call it something else."""
    return FileAnswer.to(request, _tracker())


@cache
def _contract() -> Any:
    return json.loads((FOLDER / "openapi.json").read_text(encoding="utf-8"))


@cache
def _tracker() -> File:
    return File.read(FOLDER / "static/tracker.js", "text/javascript; charset=utf-8")


ROUTES: dict[str, Route] = {
    "GET /openapi.json": get_openapi,
    "GET /tracker.js": get_tracker,
    "GET /js/{name}": get_tracker,
}
