"""What a report is asked for: its days in a time zone, and whom it is about."""

import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from footfall.database import Transaction
from footfall.errors import BadRequestError
from footfall.text import UNSTORABLE

USUAL_DAYS, MOST_DAYS = 28, 92
DEVICES = ("mobile", "tablet", "desktop", "unknown")
DAYS = frozenset({"from", "to", "time_zone"})
WHO = frozenset({"device", "country", "bots"})
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
# Further away, days have no beginning that Postgres could say.
_FIRST, _LAST = date(1971, 1, 1), date(2999, 12, 31)


@dataclass(frozen=True, slots=True)
class Days:
    """Whole days of a time zone, both included: each with its beginning, and the end of the last."""

    first: date
    last: date
    today: date
    time_zone: str
    days: list[date]
    starts: list[datetime]
    until: datetime

    @property
    def since(self) -> datetime:
        return self.starts[0]

    def head(self, now: datetime) -> dict[str, Any]:
        """What every report says of itself."""
        return {
            "from": f"{self.first}",
            "to": f"{self.last}",
            "time_zone": self.time_zone,
            "updated_at": now.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Who:
    """Whose events count: of which devices, from which country (None: of all), and whether bots' do."""

    device: str | None
    country: str | None
    bots: bool

    def parameters(self) -> dict[str, Any]:
        return asdict(self)


def expect(query: Mapping[str, str], known: Collection[str]) -> None:
    """Raises BadRequestError where something is asked that isn't known."""
    for name in query:
        if name not in known:
            raise BadRequestError(f"{name[:40]}: is no parameter here; there are {', '.join(sorted(known))}")


def days_of(transaction: Transaction, query: Mapping[str, str], now: datetime) -> Days:
    """The days asked for, the latest 28 unless said otherwise.

    Raises:
        BadRequestError: one is no date, they are the wrong way round or too many, or nobody knows the zone.
    """
    first, last = _date("from", query), _date("to", query)
    if first and last and first > last:
        raise BadRequestError(f"from: {first} is after {last}")
    time_zone = text("time_zone", query, 100) or "UTC"
    found = transaction.one(
        "days",
        **{"from": first, "to": last},
        now=now,
        time_zone=time_zone,
        usual=USUAL_DAYS - 1,
        most=MOST_DAYS,
    )
    if found is None:
        raise BadRequestError(f"time_zone: {time_zone[:40]!r} is none that is known; one is Europe/Berlin")
    if found["first"] > found["last"]:
        raise BadRequestError(f"from: {found['first']} is after {found['last']}")
    if found["days"] is None:
        many = (found["last"] - found["first"]).days + 1
        raise BadRequestError(f"from: at most {MOST_DAYS} days at once, not {many}")
    return Days(**found)


def who_of(query: Mapping[str, str]) -> Who:
    """Raises BadRequestError."""
    device, bots = query.get("device"), query.get("bots", "false")
    if device is not None and device not in DEVICES:
        raise BadRequestError(f"device: must be one of {', '.join(DEVICES)}, not {device[:40]!r}")
    if bots not in ("true", "false"):
        raise BadRequestError(f"bots: must be true or false, not {bots[:40]!r}")
    return Who(device, text("country", query, 100), bots == "true")


def text(name: str, query: Mapping[str, str], most: int) -> str | None:
    """A parameter that a column could hold; None where it isn't there.

    Raises:
        BadRequestError: it is empty, too long, or holds what no column does.
    """
    said = query.get(name)
    if said is None:
        return None
    if not 1 <= len(said) <= most:
        raise BadRequestError(f"{name}: must have 1 to {most} characters")
    if UNSTORABLE.search(said):
        raise BadRequestError(f"{name}: {said[:40]!r} holds a character that can't be stored")
    return said


def choice(name: str, query: Mapping[str, str], choices: tuple[str, ...]) -> str:
    """One of the choices, the first unless said otherwise.

    Raises:
        BadRequestError: it is none of them.
    """
    said = query.get(name, choices[0])
    if said not in choices:
        raise BadRequestError(f"{name}: must be {' or '.join(choices)}, not {said[:40]!r}")
    return said


def number(name: str, query: Mapping[str, str], usual: int, least: int, most: int) -> int:
    """Raises BadRequestError."""
    said = query.get(name, f"{usual}")
    if not (said.isascii() and said.isdigit() and len(said) < 10 and least <= int(said) <= most):
        raise BadRequestError(f"{name}: must be a whole number from {least} to {most}, not {said[:40]!r}")
    return int(said)


def _date(name: str, query: Mapping[str, str]) -> date | None:
    said = query.get(name)
    if said is None:
        return None
    try:
        found = date.fromisoformat(said) if _DATE.fullmatch(said) else None
    except ValueError:
        found = None
    if found is None:
        raise BadRequestError(f"{name}: must be a date as in 2026-11-22, not {said[:40]!r}")
    if not _FIRST <= found <= _LAST:
        raise BadRequestError(f"{name}: is too far away")
    return found
