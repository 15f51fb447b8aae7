"""One batch of queue messages."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from footfall.database import Database
from footfall.telemetry import logger
from functions.session.preparing import prepare
from functions.session.writing import keep_unreadable, write


def consume(database: Database, messages: Mapping[str, str], patience: float) -> int:
    """Stores the events of all messages.

    Args:
        messages: bodies by message id.
        patience: seconds for all of it, where the database is away.

    Returns:
        How many events were new.

    Raises:
        DatabaseUnavailableError: deliver all of them again.
    """
    deadline = time.monotonic() + patience
    records: list[dict[str, Any]] = []
    for message_id, body in messages.items():
        try:
            records.extend(prepare(body))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            logger("session").error(
                "a message isn't ours", extra={"message_id": message_id, "reason": str(error)}
            )
            keep_unreadable(
                database, message_id, body, str(error), datetime.now(UTC), deadline - time.monotonic()
            )
    return write(database, records, deadline - time.monotonic())
