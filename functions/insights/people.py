"""One user: found by what is known of them, and what they did, session by session."""

import base64
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID

from footfall import ids
from footfall.database import Row, Transaction
from footfall.errors import BadRequestError
from functions.insights.funnel import escaped

MOST_USERS = 20
MOST_EVENTS = 100
# Looked at in one query, and how often: one session may hold very many.
AT_ONCE, TIMES = 3_000, 10
FAR = timedelta(days=366)
LAST = str(UUID(int=2**128 - 1))


@dataclass(frozen=True, slots=True)
class Place:
    """The session that a page of the timeline ended with."""

    ended_at: datetime
    session: str

    @classmethod
    def read(cls, cursor: str | None, now: datetime) -> Self:
        """Raises BadRequestError where it is none that an answer gave."""
        if cursor is None:
            return cls(now + FAR, LAST)
        try:
            ended_at, session = json.loads(base64.urlsafe_b64decode(cursor))
            return cls(datetime.fromisoformat(ended_at), str(UUID(session)))
        except (ValueError, TypeError, AttributeError):
            raise BadRequestError("cursor: isn't of an answer before") from None

    def write(self) -> str:
        return base64.urlsafe_b64encode(
            json.dumps([self.ended_at.isoformat(), self.session]).encode()
        ).decode()


def find(transaction: Transaction, search: str) -> dict[str, Any]:
    """Users by id, as it is stored or as it was sent, or by what a trait says or begins with."""
    user_id = None if ids.is_junk(search) else ids.to_uuid("user", search)
    found = transaction.all(
        "find_users", user_id=user_id, search=search[:255], pattern=f"{escaped(search)}%", most=MOST_USERS
    )
    return {"users": found}


def timeline(
    transaction: Transaction, user_id: str, limit: int, cursor: str | None, now: datetime
) -> dict[str, Any]:
    """A user's sessions, that which ended last first, each with the latest of their events.

    Raises:
        BadRequestError: the cursor is none.
    """
    found, rest = _sessions(transaction, user_id, limit, Place.read(cursor, now))
    events: dict[int, list[Row]] = {place: [] for place in range(1, len(found) + 1)}
    columns = {"visitor_id": "visitor_ids", "visitor_is_user": "visitor_is_users", "id": "ids",
               "started_at": "sinces", "ended_at": "untils"}  # fmt: skip
    if found:
        asked = {name: [row[column] for row in found] for column, name in columns.items()}
        for row in transaction.all("session_events", **asked, user_id=user_id, most=MOST_EVENTS):
            events[row.pop("place")].append(row)
    return {
        "sessions": [
            {**{name: row[name] for name in _SAID}, "events": events[place]}
            for place, row in enumerate(found, 1)
        ],
        "cursor": rest and rest.write(),
    }


def _sessions(
    transaction: Transaction, user_id: str, limit: int, after: Place
) -> tuple[list[Row], Place | None]:
    """So many behind a place, and where the next ones are, if there are any."""
    sessions: dict[tuple[Any, ...], Row] = {}
    before, is_end = after.ended_at, False
    for _ in range(TIMES):
        rows = transaction.all("latest_sessions", user_id=user_id, before=before, most=AT_ONCE)
        for row in rows:
            if row["ended_at"] and (row["ended_at"], str(row["id"])) < (after.ended_at, after.session):
                sessions[row["visitor_id"], row["visitor_is_user"], row["id"]] = row
        is_end = rows[0]["activities"] < AT_ONCE
        if is_end:
            break
        before = rows[0]["since"]
        # Who ended later than that was seen.
        if sum(row["ended_at"] > before for row in sessions.values()) > limit:
            break
    ordered = sorted(sessions.values(), key=lambda row: (row["ended_at"], str(row["id"])), reverse=True)
    if len(ordered) > limit:
        return ordered[:limit], Place(ordered[limit - 1]["ended_at"], str(ordered[limit - 1]["id"]))
    return ordered, None if is_end else Place(before, LAST)


_SAID = ("session_id", "started_at", "ended_at", "device", "browser", "os", "country", "city", "page_views",
         "actions_count", "bounce", "landing_page", "exit_page")  # fmt: skip
