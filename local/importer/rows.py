"""From the rows of a CSV to events: two column sets are known; a row that is no event is said by its line."""

import csv
import gzip
import io
import uuid
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from local.feeding.door import Event

NAMESPACE = uuid.UUID("0f00f411-0000-5000-8000-000000000001")

Row = Mapping[str, str]


class ImportFileError(Exception):
    """The file can't be imported; the message says why."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the file: an event, or what is wrong with it."""

    number: int
    event: Event | None
    created_at: datetime | None = None
    error: str = ""


def lines(file: Path, shift: timedelta | None = None) -> Iterator[Line]:
    """The lines of a .csv, .csv.gz or .zip, each event with an id that is the same at every import.

    Args:
        shift: is added to every time; the event stays the same.

    Raises:
        ImportFileError: no such file, or its columns aren't known.
    """
    occurrences: Counter[tuple[str, ...]] = Counter()
    with opened(file) as text:
        reader = csv.DictReader(text)
        to_event = _columns(tuple(reader.fieldnames or ()), file)
        for row in reader:
            try:
                event, created_at = to_event(row)
            except (KeyError, ValueError, TypeError, OverflowError) as error:
                yield Line(reader.line_num, None, error=f"{type(error).__name__}: {error}")
                continue
            values = tuple(str(value) for value in row.values())
            occurrences[values] += 1
            # The same row twice is two interactions, so its occurrence belongs to its id.
            name = "\x1f".join((str(occurrences[values]), *values))
            moved = created_at + (shift or timedelta())
            event |= {"id": str(uuid.uuid5(NAMESPACE, name)), "created_at": moved.isoformat()}
            yield Line(reader.line_num, event, created_at)


@contextmanager
def opened(file: Path) -> Iterator[io.TextIOBase]:
    if not file.is_file():
        raise ImportFileError(f"{file}: there is no such file")
    if file.suffix == ".gz":
        with gzip.open(file, "rt", encoding="utf-8-sig", newline="") as text:
            yield text
    elif file.suffix == ".zip":
        with zipfile.ZipFile(file) as archive, archive.open(_only_csv(archive, file)) as raw:
            yield io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")
    else:
        with file.open(encoding="utf-8-sig", newline="") as text:
            yield text


def _only_csv(archive: zipfile.ZipFile, file: Path) -> str:
    names = [name for name in archive.namelist() if name.lower().endswith(".csv")]
    if len(names) != 1:
        raise ImportFileError(f"{file}: must hold one .csv, not {len(names)}")
    return names[0]


def _columns(names: tuple[str, ...], file: Path) -> Callable[[Row], tuple[Event, datetime]]:
    for wanted, to_event in _KNOWN.items():
        if set(wanted) <= set(names):
            return to_event
    expected = " or ".join(", ".join(wanted) for wanted in _KNOWN)
    raise ImportFileError(f"{file}: its columns are {', '.join(names) or 'missing'}; expected {expected}")


def _interaction(row: Row) -> tuple[Event, datetime]:
    event: Event = {
        "type": "interaction",
        "user_id": row["user_id"],
        "content_id": row["content_id"],
        "content_type": row["content_type"],
        "interaction_type": row["interaction_type"],
    }
    if row.get("session_id"):
        event["session_id"] = row["session_id"]
    if row.get("duration_seconds"):
        event["duration_seconds"] = float(row["duration_seconds"])
    return event, _time(row["created_at"])


def _deskdrop(row: Row) -> tuple[Event, datetime]:
    said = {"user_agent": row["userAgent"], "country": row["userCountry"], "region": row["userRegion"]}
    event: Event = {
        "type": "interaction",
        "user_id": row["personId"],
        "session_id": row["sessionId"],
        "content_id": row["contentId"],
        "content_type": "article",
        "interaction_type": _DESKDROP_TYPES.get(row["eventType"], row["eventType"].lower()),
        "context": {key: value for key, value in said.items() if value},
    }
    return event, _time(row["timestamp"])


def _time(text: str) -> datetime:
    """Epoch seconds or RFC 3339."""
    try:
        return datetime.fromtimestamp(float(text), UTC)
    except ValueError:
        moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"the time {text!r} has no offset")
    return moment


_DESKDROP_TYPES = {
    "VIEW": "view",
    "LIKE": "like",
    "BOOKMARK": "save",
    "COMMENT CREATED": "comment",
    "FOLLOW": "follow",
}
_KNOWN: Mapping[tuple[str, ...], Callable[[Row], tuple[Event, datetime]]] = {
    ("user_id", "content_id", "content_type", "interaction_type", "created_at"): _interaction,
    ("timestamp", "eventType", "contentId", "personId", "sessionId"): _deskdrop,
}
