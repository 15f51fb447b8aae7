"""One batch of queue messages."""

import gc
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from footfall.database import Database
from footfall.errors import TooSlowError
from footfall.telemetry import logger
from functions.session.changes import Ready
from functions.session.copying import copy
from functions.session.origins import Origins
from functions.session.preparing import NOT_A_MESSAGE, prepare, unbundle
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
    # What a batch makes holds no cycles; to look for them among it would cost a quarter of the time.
    gc.disable()
    try:
        return _consume(database, messages, time.monotonic() + patience, origins or Origins())
    finally:
        gc.enable()


def _consume(database: Database, messages: Mapping[str, str], deadline: float, origins: Origins) -> int:
    records: list[dict[str, Any]] = []
    bundles: list[Ready] = []
    for message_id, body in messages.items():
        try:
            found, ready = prepare(body, origins)
        except NOT_A_MESSAGE as error:
            logger("session").error(
                "a message isn't ours", extra={"message_id": message_id, "reason": str(error)}
            )
            shown, left = origins.shortened(body), deadline - time.monotonic()
            keep_unreadable(database, message_id, shown, str(error), datetime.now(UTC), left)
        else:
            records += found
            bundles += ready
    new, slow = 0, None
    try:
        # What ties an anonymous id comes before what is linked by it: less has to be linked afterwards.
        new = write(database, records, deadline - time.monotonic())
    except TooSlowError as error:
        # It must not keep its neighbours out.
        slow = error
    copied, rest = copy(database, bundles, deadline - time.monotonic())
    loose = [record for ready in rest for record in unbundle(ready, origins)]
    new += copied + write(database, loose, deadline - time.monotonic())
    if slow is not None:
        raise slow
    return new
