"""From the rows of a CSV to visits: the symbols of each, in the order of their times."""

import csv
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from sys import intern
from typing import Protocol
from zipfile import BadZipFile

from tqdm import tqdm

from local.importer.rows import ImportFileError, opened

# Column sets that are known: visit, symbol, time. The second is CI&T Deskdrop's.
COLUMNS = (("session_id", "symbol", "created_at"), ("sessionId", "eventType", "timestamp"))
SHOWN_ERRORS = 5
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class DataError(Exception):
    """The file can't be measured on; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Visit:
    session_id: str
    symbols: Sequence[str]


def read(file: Path) -> list[Visit]:
    """The visits of a .csv, .csv.gz or .zip in the order in which they begin; ties are in the file's order.

    Raises:
        DataError: no such file, unknown columns, or rows that can't be read, by line and column.
    """
    try:
        with opened(file) as text:
            reader = csv.reader(text, strict=True)
            places = _places(next(reader, []), file)
            found, errors = _collect(reader, places)
    except ImportFileError as error:
        raise DataError(str(error)) from None
    except (csv.Error, UnicodeDecodeError, EOFError, OSError, BadZipFile, zlib.error) as error:
        raise DataError(f"{file}: can't be read: {error}") from None
    if errors:
        shown = "".join(f"\n  {error}" for error in errors[:SHOWN_ERRORS])
        raise DataError(f"{file}: {len(errors):,} of its rows can't be used:{shown}")
    return _in_order(found)


class Rows(Protocol):
    """A reader of the csv module."""

    line_num: int

    def __iter__(self) -> Iterator[list[str]]: ...


# When, and what.
_Event = tuple[float, str]


def _collect(rows: Rows, columns: Mapping[str, int]) -> tuple[dict[str, list[_Event]], Sequence[str]]:
    found: dict[str, list[_Event]] = {}
    errors: list[str] = []
    time_column, first_kind = [*columns][2], ""
    for row in tqdm(rows, desc="reading", unit=" rows", unit_scale=True, delay=1):
        if not row:
            continue
        try:
            session_id, symbol, text = (_cell(row, column, place) for column, place in columns.items())
            moment, kind = _time(text, time_column)
            if kind != (first_kind := first_kind or kind):
                raise ValueError(f"{time_column}: {text!r} is {kind}, and the first one is {first_kind}")
        except ValueError as error:
            errors.append(f"line {rows.line_num}, {error}")
            continue
        found.setdefault(session_id, []).append((moment, intern(symbol)))
    return found, errors


def _in_order(found: Mapping[str, list[_Event]]) -> list[Visit]:
    begins = {session_id: min(moment for moment, _ in events) for session_id, events in found.items()}
    return [
        Visit(session_id, [symbol for _, symbol in sorted(found[session_id], key=_moment)])
        for session_id in sorted(found, key=lambda session_id: begins[session_id])
    ]


def _moment(event: _Event) -> float:
    return event[0]


def _places(header: Sequence[str], file: Path) -> dict[str, int]:
    names = [name.strip() for name in header]
    for columns in COLUMNS:
        if set(columns) <= set(names):
            return {column: names.index(column) for column in columns}
    raise DataError(
        f"{file}: its columns are {', '.join(names) or 'missing'}; expected {', '.join(COLUMNS[0])}"
    )


def _cell(row: Sequence[str], column: str, place: int) -> str:
    text = row[place] if place < len(row) else ""
    if not text.strip():
        raise ValueError(f"{column}: is empty")
    return text


def _time(text: str, column: str) -> tuple[float, str]:
    """What orders the file's times, and how it was said."""
    for number in (int, float):
        with suppress(ValueError):
            value = number(text)
            if math.isfinite(value):
                return value, "a number"
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{column}: {text[:40]!r} is neither a number nor an ISO 8601 time") from None
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    return since // timedelta(microseconds=1), "an ISO 8601 time"
