"""Woken by GET, PUT and DELETE: answers about one user."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

from footfall import ids, queries, rules, suggesting
from footfall.database import Database, Transaction
from footfall.errors import BadDataError, BadRequestError
from footfall.http import ADMIN, READ, Answer, Request, dispatch
from footfall.settings import Settings
from footfall.text import UNSTORABLE
from functions.recommend import keyholder, people
from functions.recommend.experiment import OFF, Experiment
from functions.recommend.feed import Feed, Wish, feed, preview
from functions.recommend.ranking import Visitor

T = TypeVar("T")

QUERIES = {**queries.load(Path(__file__).parent), **suggesting.QUERIES}

# How many seconds an answer may be kept. What follows a click shows within three; suggestions come with a
# schedule of minutes; what was put is asked for at once.
AT_ONCE, SOON, LATER = 0, 1, 60

# Whom a feed is for that is asked for in the name of an id that is a user's.
NOBODY = "00000000-0000-0000-0000-000000000000"

# Long enough for a database that was restarted, short enough for a page that waits.
PATIENCE_SECONDS = 3.0


def lambda_handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    return dispatch(ROUTES, event)


def get_feed(request: Request) -> Answer:
    user_id = request.user(READ)
    wish, visitor, now = _wish(request), Visitor(user_id=user_id), datetime.now(UTC)
    experiment = _experiment()
    shown = preview if _is_preview(request) else feed
    return _answer(
        lambda transaction: shown(
            transaction, visitor, wish, people.intent_of(transaction, user_id), now, experiment
        )
    )


def get_anonymous_feed(request: Request) -> Answer:
    """By a page's key; for an id that is a user's it knows of nobody."""
    keyholder.check(request, Settings(os.environ))
    anonymous_id, wish, now = _anonymous(request), _wish(request), datetime.now(UTC)
    experiment = _experiment()

    def work(transaction: Transaction) -> Feed:
        is_owned = transaction.one("owner", anonymous_id=anonymous_id) is not None
        visitor = Visitor(anonymous_id=NOBODY if is_owned else anonymous_id)
        # What is shown to nobody in particular isn't part of an experiment.
        return feed(transaction, visitor, wish, rules.load().intent([]), now, OFF if is_owned else experiment)

    return _answer(work)


def get_next_action(request: Request) -> Answer:
    user_id = request.user(READ)
    return _answer(
        lambda transaction: asdict(people.next_action_of(transaction, user_id, datetime.now(UTC))), SOON
    )


def get_similar_users(request: Request) -> Answer:
    user_id, limit = request.user(READ), request.limit(10, 100)
    return _answer(
        lambda transaction: people.similar_users(transaction, user_id, limit, datetime.now(UTC)), LATER
    )


def get_insights(request: Request) -> Answer:
    user_id = request.user(READ)
    return _answer(lambda transaction: people.insights(transaction, user_id, datetime.now(UTC)), SOON)


def get_preferences(request: Request) -> Answer:
    user_id = request.user(READ)
    return _answer(lambda transaction: people.preferences(transaction, user_id), AT_ONCE)


def get_preference(request: Request) -> Answer:
    user_id, key = request.user(READ), _key(request)
    return _answer(lambda transaction: people.preference(transaction, user_id, key), AT_ONCE)


def put_preference(request: Request) -> Answer:
    user_id, key, value = request.user(ADMIN), _key(request), _json(request)
    now = datetime.now(UTC)
    try:
        return _answer(lambda transaction: people.put_preference(transaction, user_id, key, value, now))
    except BadDataError as error:
        raise BadRequestError(f"the body can't be stored: {error}") from None


def delete_preference(request: Request) -> Answer:
    user_id, key = request.user(ADMIN), _key(request)
    _run(lambda transaction: people.delete_preference(transaction, user_id, key))
    return Answer(None, HTTPStatus.NO_CONTENT)


def _experiment() -> Experiment:
    settings = Settings(os.environ)
    return Experiment(settings.holdout_percent / 100, settings.exploration_percent / 100)


def _wish(request: Request) -> Wish:
    content_type = _storable("content_type", request.query.get("content_type", "")) or None
    return Wish(request.limit(20, 100), content_type, request.query.get("cursor") or None)


def _is_preview(request: Request) -> bool:
    text = request.query.get("preview", "false")
    if text not in {"true", "false"}:
        raise BadRequestError(f"preview: must be true or false, not {text[:40]!r}")
    return text == "true"


def _anonymous(request: Request) -> str:
    named = request.path["anonymous_id"]
    if ids.is_junk(named) or len(named) > ids.MAX_LENGTH:
        raise BadRequestError(f"anonymous_id: {named[:40]!r} is no id")
    return ids.to_uuid("anonymous", _storable("anonymous_id", named))


def _key(request: Request) -> str:
    return people.key_of(_storable("key", request.path["key"]))


def _storable(name: str, text: str) -> str:
    if UNSTORABLE.search(text):
        raise BadRequestError(f"{name}: {text[:40]!r} holds a character that can't be stored")
    return text


def _json(request: Request) -> Any:
    try:
        return json.loads(request.body, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise BadRequestError("the body isn't JSON") from None


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _answer(work: Callable[[Transaction], Any], max_age: int | None = None) -> Answer:
    return Answer(_run(work), max_age=max_age)


def _run(work: Callable[[Transaction], T]) -> T:
    return _database().run(work, patience=PATIENCE_SECONDS)


@cache
def _database() -> Database:
    return Database(Settings(os.environ).database_url, QUERIES)


ROUTES = {
    "GET /v1/anonymous/{anonymous_id}/feed": get_anonymous_feed,
    "GET /v1/users/{user}/feed": get_feed,
    "GET /v1/users/{user}/next-action": get_next_action,
    "GET /v1/users/{user}/similar-users": get_similar_users,
    "GET /v1/users/{user}/insights": get_insights,
    "GET /v1/users/{user}/preferences": get_preferences,
    "GET /v1/users/{user}/preferences/{key}": get_preference,
    "PUT /v1/users/{user}/preferences/{key}": put_preference,
    "DELETE /v1/users/{user}/preferences/{key}": delete_preference,
}
