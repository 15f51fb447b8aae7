"""Woken by GET: answers with the room's own files."""

import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from footfall.http import Answer, Request, Route, dispatch
from footfall.settings import Settings
from functions.web.files import File, FileAnswer
from functions.web.page import PAGE, page_file, sign_in

FOLDER = Path(__file__).parent
FOR_ANY_PAGE = {
    "cache-control": "public, max-age=3600, stale-while-revalidate=86400",
    "cross-origin-resource-policy": "cross-origin",
}


def lambda_handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    return dispatch(ROUTES, event)


def get_openapi(request: Request) -> Answer:
    """GET /openapi.json: the contract of all routes."""
    return Answer(_contract(), headers={"cache-control": "public, max-age=300"})


def get_tracker(request: Request) -> Answer:
    """GET /tracker.js, and GET /js/{name} for sites that call it something else."""
    return FileAnswer.to(request, _tracker(), FOR_ANY_PAGE)


def get_page(request: Request) -> Answer:
    """GET /insights/ and everything below: the operators' page, which is also that of /insights."""
    return page_file(request, request.path.get("proxy", PAGE), Settings(os.environ).jwt_issuer)


def get_page_config(request: Request) -> Answer:
    """GET /insights/config.json: how an operator signs in."""
    return Answer(sign_in(Settings(os.environ)), headers={"cache-control": "no-cache"})


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
    "GET /insights": get_page,
    "GET /insights/": get_page,
    "GET /insights/{proxy+}": get_page,
    "GET /insights/config.json": get_page_config,
}
