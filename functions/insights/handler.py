"""Woken by GET: reports for operators about everybody, and what one user did, session by session.

Woken by operate ({"look": "health"}), says what the database knows of whether events arrive.
"""

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from footfall import queries
from footfall.database import Database, Transaction
from footfall.errors import BadRequestError, DatabaseUnavailableError
from footfall.http import READ, Answer, Request, dispatch
from footfall.settings import Settings
from functions.insights.activity import activity
from functions.insights.asking import expect, text
from functions.insights.content import content
from functions.insights.funnel import funnel
from functions.insights.health import health
from functions.insights.live import live
from functions.insights.paths import paths
from functions.insights.people import find, timeline
from functions.insights.recommendations import days_of, report
from functions.insights.retention import retention
from functions.insights.sessions import sessions

QUERIES = queries.load(Path(__file__).parent)

# How many seconds an answer may be kept. A report is of days; what happens now shows within three.
SOON, LATER = 1, 60
PATIENCE_SECONDS = 3.0
# Of an API's 29, so that who asks is told.
STATEMENT_SECONDS = 20

Report = Callable[[Transaction, Mapping[str, str], datetime], dict[str, Any]]


def lambda_handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    return _look(event) if "look" in event else dispatch(ROUTES, event)


def _look(event: Mapping[str, Any]) -> dict[str, Any]:
    if event["look"] != "health":
        raise BadRequestError(f"look: must be health, not {event['look']!r}")
    try:
        return _database().run(
            lambda transaction: health(transaction, datetime.now(UTC)), patience=PATIENCE_SECONDS
        )
    except DatabaseUnavailableError as error:
        return {"unavailable": str(error)}


def _reporting(make: Report) -> Callable[[Request], Answer]:
    def get(request: Request) -> Answer:
        request.caller.require(READ)
        return _answer(lambda transaction: make(transaction, request.query, datetime.now(UTC)), LATER)

    return get


def get_live(request: Request) -> Answer:
    request.caller.require(READ)
    expect(request.query, ())
    return _answer(lambda transaction: live(transaction, datetime.now(UTC)), SOON)


def get_funnel(request: Request) -> Answer:
    request.caller.require(READ)
    # The gateway joins what is said several times by commas, which a step may hold itself.
    steps = parse_qs(request.event.get("rawQueryString") or "").get("step", [])
    return _answer(lambda transaction: funnel(transaction, request.query, steps, datetime.now(UTC)), LATER)


def get_recommendations(request: Request) -> Answer:
    request.caller.require(READ)
    days = days_of(request.query, datetime.now(UTC).date())
    return _answer(lambda transaction: report(transaction, days), LATER)


def get_users(request: Request) -> Answer:
    request.caller.require(READ)
    expect(request.query, ("search",))
    search = (text("search", request.query, 255) or "").strip()
    if not search:
        raise BadRequestError("search: is needed, an id or what a trait says")
    found = _database().run(lambda transaction: find(transaction, search), patience=PATIENCE_SECONDS)
    # Names and addresses.
    return Answer(found, headers={"cache-control": "no-store"})


def get_timeline(request: Request) -> Answer:
    user_id, limit = request.user(READ), request.limit(20, 100)
    expect(request.query, ("limit", "cursor"))
    cursor, now = request.query.get("cursor"), datetime.now(UTC)
    return _answer(lambda transaction: timeline(transaction, user_id, limit, cursor, now), SOON)


def _answer(work: Callable[[Transaction], Any], max_age: int) -> Answer:
    return Answer(_database().run(work, patience=PATIENCE_SECONDS), max_age=max_age)


@cache
def _database() -> Database:
    return Database(Settings(os.environ).database_url, QUERIES, STATEMENT_SECONDS)


ROUTES = {
    "GET /v1/analytics/live": get_live,
    "GET /v1/analytics/activity": _reporting(activity),
    "GET /v1/analytics/sessions": _reporting(sessions),
    "GET /v1/analytics/funnel": get_funnel,
    "GET /v1/analytics/retention": _reporting(retention),
    "GET /v1/analytics/paths": _reporting(paths),
    "GET /v1/analytics/content": _reporting(content),
    "GET /v1/analytics/recommendations": get_recommendations,
    "GET /v1/users": get_users,
    "GET /v1/users/{user}/timeline": get_timeline,
}
