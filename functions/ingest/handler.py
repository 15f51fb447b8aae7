"""Woken by POST: reads events, says which were taken, and queues them.

Woken by operate ({"replay": [kept, …]}), validates again what was refused, and hands it back.
"""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache, partial
from http import HTTPStatus
from typing import Any

from footfall.events import pack
from footfall.http import Answer, Request, Route, dispatch
from footfall.months import oldest_accepted
from footfall.settings import Settings
from functions.ingest import segment, speaking
from functions.ingest.reading import Batch, read
from functions.ingest.replaying import validate_again
from functions.ingest.sending import MAX_MESSAGE_BYTES, Sender
from functions.ingest.taking import Taken, Translate, context_of, own_words, take


def lambda_handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    # The gateway makes no event with such a key, whatever a client sends.
    if "replay" in event:
        earliest = oldest_accepted(datetime.now(UTC), _settings().retention_months)
        return {"events": validate_again(event["replay"], earliest)}
    return dispatch(ROUTES, event)


def post_events(request: Request) -> Answer:
    """POST /v1/events: with a browser or server key."""
    batch = read(request.body)
    speaker = speaking.from_key(request.event, batch.write_key, _settings())
    return _accepted(_queue(request, batch, speaker))


def post_my_events(request: Request) -> Answer:
    """POST /v1/me/events: with a user's token."""
    speaker = speaking.from_token(request.event)
    return _accepted(_queue(request, read(request.body), speaker))


def _accepted(taken: Taken) -> Answer:
    said = {"accepted": taken.accepted, "rejected": taken.rejected}
    return Answer(said | ({"ignored": [taken.ignored]} if taken.ignored else {}), HTTPStatus.ACCEPTED)


def _segment(kind: str, request: Request) -> Answer:
    """POST /v1/batch, /v1/track …: Segment's wire format, with a browser or server key."""
    batch = segment.read(request.body, kind)
    speaker = speaking.from_segment_key(request.event, batch.write_key, _settings())
    _queue(request, batch, speaker, segment.to_events)
    # Some SDKs send everything again unless the answer is exactly this.
    return Answer({"success": True})


def get_segment_settings(request: Request) -> Answer:
    """GET /v1/projects/{key}/settings: what Segment's browser library asks for before it sends."""
    key = speaking.known_browser_key(request.event, request.path["key"], _settings())
    return Answer(segment.settings(request.event, key))


def _queue(
    request: Request, batch: Batch, speaker: speaking.Speaker, translate: Translate = own_words
) -> Taken:
    now = datetime.now(UTC)
    taken = take(batch, speaker, now, oldest_accepted(now, _settings().retention_months), translate)
    context = context_of(request.event, now, speaker)
    _sender().send(pack(context, taken.records, MAX_MESSAGE_BYTES, taken.bundles))
    return taken


@cache
def _settings() -> Settings:
    return Settings(os.environ)


@cache
def _sender() -> Sender:
    return Sender(_settings().queue_url)


ROUTES: dict[str, Route] = {
    "POST /v1/events": post_events,
    "POST /v1/me/events": post_my_events,
    "GET /v1/projects/{key}/settings": get_segment_settings,
    **{f"POST /v1/{path}": partial(_segment, kind) for path, kind in segment.PATHS.items()},
    "POST /beacon/v1/batch": partial(_segment, "batch"),
}
