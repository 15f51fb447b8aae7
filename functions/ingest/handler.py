"""Woken by POST: reads events, says which were taken, and queues them."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from typing import Any

from footfall.events import pack
from footfall.http import Answer, Request, dispatch
from footfall.months import oldest_accepted
from footfall.settings import Settings
from functions.ingest import speaking
from functions.ingest.reading import Batch, read
from functions.ingest.sending import MAX_MESSAGE_BYTES, Sender
from functions.ingest.taking import context_of, take


def lambda_handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    return dispatch(ROUTES, event)


def post_events(request: Request) -> Answer:
    """POST /v1/events: with a browser or server key."""
    batch = read(request.body)
    speaker = speaking.from_key(request.event, batch.write_key, _settings())
    return _queue(request, batch, speaker)


def post_my_events(request: Request) -> Answer:
    """POST /v1/me/events: with a user's token."""
    speaker = speaking.from_token(request.event)
    return _queue(request, read(request.body), speaker)


def _queue(request: Request, batch: Batch, speaker: speaking.Speaker) -> Answer:
    now = datetime.now(UTC)
    taken = take(batch, speaker, now, oldest_accepted(now, _settings().retention_months))
    context = context_of(request.event, now, speaker)
    _sender().send(pack(context, taken.records, MAX_MESSAGE_BYTES))
    return Answer({"accepted": taken.accepted, "rejected": taken.rejected}, HTTPStatus.ACCEPTED)


@cache
def _settings() -> Settings:
    return Settings(os.environ)


@cache
def _sender() -> Sender:
    return Sender(_settings().queue_url)


ROUTES = {"POST /v1/events": post_events, "POST /v1/me/events": post_my_events}
