"""Woken by a deploy and every day: migrates, then looks after the months."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from footfall.database import connect
from footfall.settings import Settings
from footfall.telemetry import logger
from functions.maintain.deploying import deploy
from functions.maintain.migrate import migrate
from functions.maintain.partitions import QUERIES, upkeep


def lambda_handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    settings, now = Settings(os.environ), datetime.now(UTC)
    if "RequestType" in event:
        return deploy(event, settings, now, context.get_remaining_time_in_millis() / 1000)
    return maintain(settings, now)


def maintain(settings: Settings, now: datetime) -> dict[str, Any]:
    """Says which migrations were applied, which months made and dropped."""
    with connect(settings.database_url) as connection:
        applied = migrate(connection, now)
        connection.execute(QUERIES["refresh_time_zones"])
        months = upkeep(connection, now, settings.retention_months)
    done = {"migrated": applied, "made": months.made, "dropped": months.dropped}
    counts = {what: len(names) for what, names in done.items()}
    logger("maintain").info("maintained", extra=counts)
    return done
