"""A site with users: what they do goes through ingest and the queue's consumer, and is learned."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Self
from uuid import uuid4

from footfall import ids
from footfall.database import Database, connect
from footfall.events import pack
from functions.analyze import content, learning, tastes, trends
from functions.analyze.learning import Run, analyze
from functions.analyze.shards import Shard
from functions.ingest.reading import Batch
from functions.ingest.speaking import Speaker
from functions.ingest.taking import context_of, take
from functions.session.consuming import consume
from functions.session.writing import QUERIES
from local.postgres.roles import let_in

Json = dict[str, Any]

BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def user_id(name: str) -> str:
    return ids.to_uuid("user", name)


def content_id(name: str) -> str:
    return ids.to_uuid("content", name)


def meets(
    user: str, content: str, at: datetime, how: str = "view", kind: str = "project", **more: Any
) -> Json:
    """An interaction; `content` is its id, `kind` its content type."""
    said = {"content_id": content, "content_type": kind, "interaction_type": how}
    return {"type": "interaction", "user_id": user, "created_at": at.isoformat(), **said, **more}


def does(
    user: str, at: datetime, event_type: str = "page_view", action: str | None = "view", **more: Any
) -> Json:
    """An activity."""
    said = {"event_type": event_type, "event_action": action}
    return {"user_id": user, "created_at": at.isoformat(), **said, **more}


def is_told(user: str, at: datetime, **traits: Any) -> Json:
    """An identify."""
    return {"type": "identify", "user_id": user, "created_at": at.isoformat(), "traits": traits}


def there_is(content: str, at: datetime, kind: str = "project", **more: Any) -> Json:
    """A content event, published at its own time unless said otherwise."""
    said = {"content_id": content, "content_type": kind, "published_at": at.isoformat()}
    return {"type": "content", "created_at": at.isoformat(), **said, **more}


def by_a_bot(event: Json) -> Json:
    return {**event, "context": {"user_agent": BOT}}


class Site:
    """One database, and the connections to it: of each room by its role, and the owner's."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.writer = Database(let_in(url, "footfall_session"), QUERIES)
        self.learner = Database(let_in(url, "footfall_analyze"), learning.QUERIES)
        self.connection = connect(url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.writer.close()
        self.learner.close()
        self.connection.close()

    def send(self, *events: Json, at: datetime) -> None:
        """A server sends these at that time."""
        bodies = self.bodies(*events, at=at)
        assert consume(self.writer, bodies, patience=5) == len(events)

    def bodies(self, *events: Json, at: datetime) -> dict[str, str]:
        """The same as queue messages, by message id."""
        server = Speaker("server")
        taken = take(
            Batch([{"id": str(uuid4()), **event} for event in events]), server, at, at - timedelta(366)
        )
        assert not taken.rejected, taken.rejected
        context = context_of({}, at, server)
        return {str(uuid4()): body for body in pack(context, taken.records, 2**20, taken.bundles)}

    def analyze(self, at: datetime, has_time: Callable[[], bool] = lambda: True, *shards: Shard) -> Run:
        """Trends, these users (as one shard unless said otherwise), the tastes of who waits, what rises."""
        trends.learn(self.learner, at)
        run = analyze(self.learner, shards or [Shard(0, 1)], at, has_time)
        if run.finished:
            tastes.learn(self.learner, at, lambda: True)
        content.refresh(self.learner, at)
        return run

    def rows(self, statement: Any, *parameters: Any) -> list[Json]:
        return self.connection.execute(statement, parameters).fetchall()

    def value(self, statement: Any, *parameters: Any) -> Any:
        [row] = self.rows(statement, *parameters)
        [value] = row.values()
        return value

    def preferences(self, user: str) -> dict[str, Json]:
        """By key."""
        found = self.rows("SELECT * FROM user_preferences WHERE user_id = %s", user_id(user))
        return {row["preference_key"]: row for row in found}

    def shares(self, user: str) -> dict[str, float]:
        """The score of each content type."""
        found = (row["preference_value"] for row in self.preferences(user).values())
        return {value["type"]: value["score"] for value in found if "type" in value}

    def suggestion(self, user: str) -> Json:
        [row] = self.rows("SELECT * FROM suggestions WHERE user_id = %s", user_id(user))
        return row
