"""Months, the unit in which events are kept and dropped: ingest clamps to them, maintain makes them."""

from datetime import UTC, datetime


def month(moment: datetime, offset: int = 0) -> datetime:
    """The first instant (UTC) of the month `offset` months from that of `moment`."""
    day = moment.astimezone(UTC)
    years, months = divmod(day.month - 1 + offset, 12)
    return datetime(day.year + years, months + 1, 1, tzinfo=UTC)


def oldest_accepted(now: datetime, retention_months: int) -> datetime:
    """The earliest time that an event may be stored under."""
    return month(now, -retention_months)
