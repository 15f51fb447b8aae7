"""Whether events arrive: what waits in the queues, and what `insights` says of the database.

A part that can't be asked is empty and named, so that the others are still told: this is looked at when
something is broken.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from footfall.errors import FunctionFailedError, UnavailableError
from footfall.events import unpack
from functions.operate.dead_letters import DeadLetters
from functions.operate.functions import Functions

Json = dict[str, Any]
MOST_LETTERS = 400
# JSON web tokens, and whatever stands behind a name that keys and tokens go by.
_SECRET = re.compile(
    r"""()eyJ[\w-]+\.[\w-]+\.[\w-]*|((?:token|password|secret|write_?key|authorization)[\\"]*\s*:\s*[\\"]*)[^"\\,}]+""",
    re.IGNORECASE,
)
NOT_A_MESSAGE = (ValueError, TypeError, KeyError, AttributeError, RecursionError)
_UNKNOWN: Json = {
    "quarantine": {"waiting": 0, "reasons": [], "latest": []},
    "analyze": {"last_run_at": None, "lag_seconds": None, "tasks": []},
    "freshness": {"last_event_at": None, "last_live_count_at": None},
    "months": {"made_until": None},
}


def operations(letters: DeadLetters, functions: Functions, now: datetime) -> Json:
    """All that an operator wants to know in the morning."""
    unavailable: list[str] = []

    def ask(part: str, work: Callable[[], Any], otherwise: Any) -> Any:
        try:
            return work()
        except (UnavailableError, FunctionFailedError):
            unavailable.append(part)
            return otherwise

    queue = ask("queue", letters.target, None)
    waiting = ask("dead_letters", letters.waiting, 0)
    messages = ask("dead_letters", letters.look, []) if waiting else []
    database = ask("database", lambda: functions.insights({"look": "health"}), _UNKNOWN)
    latest = [{**row, "event": beginning(row["event"])} for row in database["quarantine"]["latest"]]
    return {
        "now": now.isoformat(),
        "queue": {
            **(queue or {"waiting": 0, "in_flight": 0}),
            "oldest_seconds": _behind(queue, database["freshness"], now),
        },
        "dead_letters": {"waiting": waiting, "messages": [_message(message) for message in messages]},
        **database,
        "quarantine": {**database["quarantine"], "latest": latest},
        "unavailable": unavailable,
    }


def _behind(queue: Json | None, freshness: Json, now: datetime) -> float | None:
    """SQS tells a message's age to CloudWatch alone; but what waits came in after what is stored: at most."""
    if queue is not None and not any(queue.values()):
        return 0.0
    # What is only in flight is just being written, which says nothing of before.
    if queue is None or not queue["waiting"] or freshness["last_event_at"] is None:
        return None
    return max((now - datetime.fromisoformat(freshness["last_event_at"])).total_seconds(), 0.0)


def beginning(text: str) -> str:
    """Of a message or an event, without what lets somebody in."""
    shown = _SECRET.sub(r"\1\2…", text[: 4 * MOST_LETTERS])
    return shown if len(shown) <= MOST_LETTERS else f"{shown[:MOST_LETTERS]}…"


def _message(message: Json) -> Json:
    sent_at = datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC)
    return {
        "id": message["MessageId"],
        "sent_at": sent_at.isoformat(),
        "events": _events(message["Body"]),
        "body_start": beginning(message["Body"]),
    }


def _events(body: str) -> int | None:
    try:
        message = unpack(body)
        bundled = sum(count for bundle in message.get("bundles", ()) for _, _, count in bundle.counts)
        return len(message["events"]) + bundled
    except NOT_A_MESSAGE:
        return None
