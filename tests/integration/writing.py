"""Messages as ingest queues them, and the real consumer that writes them into a real Postgres."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from itertools import count
from typing import Any
from uuid import UUID

import psycopg

from footfall import ids
from footfall.database import Database, Row, Transaction, connect
from footfall.events import VERSION
from functions.session import relinking
from functions.session.consuming import consume
from functions.session.writing import QUERIES
from local.postgres.roles import let_in
from tests.integration.deliveries import AGENTS, BASE

CHROME = AGENTS[1]
VISITOR = "5f6c1f3e-9d5e-4a53-8b1c-0d6a3a8a4f01"
SESSION = "1b4e28ba-2fa1-41d2-883f-0016d3cca427"

_numbers = count()


def at(seconds: float = 0) -> str:
    return (BASE + timedelta(seconds=seconds)).isoformat()


def user(name: str) -> str:
    return ids.to_uuid("user", name)


def record(kind: str = "activity", **fields: Any) -> dict[str, Any]:
    """A visitor's page view; a field given as None is left out."""
    usual = {
        "kind": kind,
        "id": ids.to_uuid("event", f"event {next(_numbers)}"),
        "created_at": at(),
        "anonymous_id": VISITOR,
        "session_id": SESSION,
    }
    if kind == "activity":
        usual |= {"event_type": "page_view", "page_path": "/"}
    if kind == "interaction":
        usual |= {"event_type": "content_interaction", "content_type": "project", "interaction_type": "view"}
        usual |= {"content_id": ids.to_uuid("content", "one")}
    return {key: value for key, value in (usual | fields).items() if value is not None}


def identify(name: str, **fields: Any) -> dict[str, Any]:
    """With the user's own token."""
    return record("identify", **{"user_id": user(name), "verified": True, "traits": {}} | fields)


def step(transaction: Transaction) -> bool:
    """Of moving histories to whom they belong; whether there was one."""
    waiting = relinking._waiting(transaction, UUID(int=0), relinking.WHOLE.visitors, [])
    return bool(waiting) and relinking._step(transaction, waiting, relinking.WHOLE.activities)


def message(
    *records: dict[str, Any],
    received: float = 60,
    agent: str = CHROME,
    ip: str = "203.0.113.7",
    speaker: str | None = None,
) -> str:
    context = {"version": VERSION, "received_at": at(received), "user_agent": agent, "ip": ip}
    return json.dumps({**context, "speaker": speaker, "events": records})


class Writer:
    """One consumer."""

    def __init__(self, database: Database, connection: psycopg.Connection[Row]) -> None:
        self._database = database
        self._connection = connection

    def write(self, *messages: str) -> int:
        """Delivers the messages in one batch; how many events were new."""
        return consume(self._database, {f"message {next(_numbers)}": body for body in messages}, patience=0)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """With ids as text."""
        return [tuple(map(_plain, row.values())) for row in self._connection.execute(query.encode())]

    def execute(self, statement: str) -> None:
        self._connection.execute(statement.encode())

    def one(self, query: str) -> tuple[Any, ...]:
        [row] = self.rows(query)
        return row


@contextmanager
def writer_of(url: str) -> Iterator[Writer]:
    database = Database(let_in(url, "footfall_session"), QUERIES)
    with connect(url) as connection:
        yield Writer(database, connection)
    database.close()


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat()
        case UUID() | IPv4Address() | IPv6Address():
            return str(value)
    return value
