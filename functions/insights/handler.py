"""Woken by GET: reports for operators, about everybody and naming nobody."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from footfall import queries
from footfall.database import Database
from footfall.http import READ, Answer, Request, dispatch
from footfall.settings import Settings
from functions.insights.recommendations import days_of, report

QUERIES = queries.load(Path(__file__).parent)

# A report is of whole days; who looks again wants no other.
KEEPS_SECONDS = 60
PATIENCE_SECONDS = 3.0


def lambda_handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    return dispatch(ROUTES, event)


def get_recommendations(request: Request) -> Answer:
    request.caller.require(READ)
    days = days_of(request.query, datetime.now(UTC).date())
    found = _database().run(lambda transaction: report(transaction, days), patience=PATIENCE_SECONDS)
    return Answer(found, max_age=KEEPS_SECONDS)


@cache
def _database() -> Database:
    return Database(Settings(os.environ).database_url, QUERIES)


ROUTES = {"GET /v1/analytics/recommendations": get_recommendations}
