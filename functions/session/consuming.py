"""One batch of queue messages."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from footfall.database import Database
from footfall.telemetry import logger
from functions.session.origins import Origins
from functions.session.preparing import NOT_A_MESSAGE, prepare
from functions.session.writing import keep_unreadable, write


def consume(
    database: Database, messages: Mapping[str, str], patience: float, origins: Origins | None = None
) -> int:
    """Stores the events of all messages.

    Args:
        messages: bodies by message id.
        patience: seconds for all of it, where the database is away.
        origins: what is kept of addresses; truncated and without places where it isn't said.

    Returns:
        How many events were new.

    Raises:
        DatabaseUnavailableError: deliver all of them again.
    """
    deadline = time.monotonic() + patience
    origins = origins or Origins()
    records: list[dict[str, Any]] = []
    for message_id, body in messages.items():
        try:
            records.extend(prepare(body, origins))
        except NOT_A_MESSAGE as error:
            logger("session").error(
                "a message isn't ours", extra={"message_id": message_id, "reason": str(error)}
            )
            shown, left = origins.shortened(body), deadline - time.monotonic()
            keep_unreadable(database, message_id, shown, str(error), datetime.now(UTC), left)
    return write(database, records, deadline - time.monotonic())
