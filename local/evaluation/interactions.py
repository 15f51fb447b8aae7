"""From the rows of a CSV to interactions in the order of time."""

import csv
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isfinite
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from tqdm import tqdm

from local.evaluation.visits import SHOWN_ERRORS, DataError
from local.importer.rows import ImportFileError, opened

COLUMNS = ("user_id", "content_id", "content_type", "interaction_type", "created_at")
# CI&T Deskdrop's, and what its events are here.
DESKDROP = ("personId", "contentId", "eventType", "timestamp")
KINDS = {"VIEW": "view", "LIKE": "like", "BOOKMARK": "save", "COMMENT CREATED": "comment", "FOLLOW": "follow"}
_TICK = timedelta(microseconds=1)
_EARLIEST, _LATEST = datetime(1971, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Interaction:
    """`said_at` is the time as the file says it; `at` is later by as many microseconds as keep the order."""

    user_id: str
    content_id: str
    content_type: str
    interaction_type: str
    at: datetime
    said_at: str


def read(file: Path) -> list[Interaction]:
    """The interactions of a .csv, .csv.gz or .zip, the earliest first; ties are in the file's order.

    Raises:
        DataError: no such file, unknown columns, or rows that can't be read, by line and column.
    """
    try:
        with opened(file) as text:
            reader = csv.reader(text, strict=True)
            found, errors = _collect(reader, _places(next(reader, []), file))
    except ImportFileError as error:
        raise DataError(str(error)) from None
    except (csv.Error, UnicodeDecodeError, EOFError, OSError, BadZipFile, zlib.error) as error:
        raise DataError(f"{file}: can't be read: {error}") from None
    if errors:
        shown = "".join(f"\n  {error}" for error in errors[:SHOWN_ERRORS])
        raise DataError(f"{file}: {len(errors):,} of its rows can't be used:{shown}")
    return list(_in_order(found))


def _collect(reader: Any, places: Sequence[int]) -> tuple[list[tuple[datetime, Sequence[str]]], list[str]]:
    found: list[tuple[datetime, Sequence[str]]] = []
    errors: list[str] = []
    for row in tqdm(reader, desc="reading", unit=" rows", unit_scale=True, delay=1):
        if not row:
            continue
        try:
            cells = [_cell(row, place, column) for place, column in zip(places, COLUMNS, strict=True)]
            found.append((_time(cells[-1]), cells))
        except ValueError as error:
            errors.append(f"line {reader.line_num}, {error}")
    return found, errors


def _in_order(found: list[tuple[datetime, Sequence[str]]]) -> Iterator[Interaction]:
    types: dict[str, str] = {}
    last = _EARLIEST
    for at, (user, content, kind, how, said) in sorted(found, key=lambda one: one[0]):
        last = max(at, last + _TICK)
        # One piece of content has one type.
        yield Interaction(user, content, types.setdefault(content, kind[:50]), how[:50], last, said)


def _places(header: Sequence[str], file: Path) -> list[int]:
    names = [name.strip() for name in header]
    if set(COLUMNS) <= set(names):
        return [names.index(column) for column in COLUMNS]
    if set(DESKDROP) <= set(names):
        user, content, how, at = (names.index(column) for column in DESKDROP)
        return [user, content, -1, how, at]
    raise DataError(f"{file}: its columns are {', '.join(names) or 'missing'}; expected {', '.join(COLUMNS)}")


def _cell(row: Sequence[str], place: int, column: str) -> str:
    if place < 0:
        return "article"
    text = row[place].strip() if place < len(row) else ""
    if not text:
        raise ValueError(f"{column}: is empty")
    if "\x00" in text:
        raise ValueError(f"{column}: holds a character that can't be stored")
    return KINDS.get(text, text) if column == "interaction_type" else text


def _time(text: str) -> datetime:
    """Epoch seconds (or milliseconds), or RFC 3339."""
    moment = None
    with suppress(ValueError, OverflowError, OSError):
        number = float(text)
        if isfinite(number):
            moment = datetime.fromtimestamp(number / 1000 if abs(number) > 1e11 else number, UTC)
    if moment is None:
        with suppress(ValueError):
            said = datetime.fromisoformat(text)
            moment = said if said.tzinfo else said.replace(tzinfo=UTC)
    if moment is None or not _EARLIEST <= moment <= _LATEST:
        raise ValueError(
            f"created_at: {text[:40]!r} is neither epoch seconds nor an RFC 3339 time since 1971"
        )
    return moment
