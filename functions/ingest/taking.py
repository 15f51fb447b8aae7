"""Takes the events of a request: each is queued, or refused by name while its neighbours are queued."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, cast

from footfall import ids
from footfall.errors import BadRequestError
from footfall.events import Context, Record, Refused, dumps
from functions.ingest import bundling, plain
from functions.ingest.cleaning import MAX_DEPTH, clean
from functions.ingest.reading import Batch
from functions.ingest.speaking import Speaker
from functions.ingest.validating import BROWSER_PAST, InvalidEventError, Reception, parse_time, to_record

MAX_EVENT_BYTES = 256 * 1024
# Of what was refused so much is kept: no longer event would be taken. A message holds it in any spelling.
MAX_RAW = MAX_EVENT_BYTES
# What headers say of a device, where it stands in the context, and how much of it is kept.
_DEVICE_HEADERS: Mapping[str, tuple[str, int]] = {
    "user-agent": ("user_agent", 1000),
    "sec-ch-ua": ("brands", 300),
    "sec-ch-ua-mobile": ("mobile", 10),
    "sec-ch-ua-platform": ("platform", 50),
    "sec-purpose": ("purpose", 50),
    "cloudfront-viewer-address": ("viewer", 60),
    "cloudfront-viewer-country": ("country", 100),
    # Percent-encoded where a name isn't ASCII.
    "cloudfront-viewer-city": ("city", 300),
}

Translate = Callable[[Any, Speaker], list[Any]]


def own_words(event: Any, _: Speaker) -> list[Any]:
    """Our own format needs no translation."""
    return [event]


@dataclass(frozen=True, slots=True)
class Taken:
    """Encoded records, those of refused events among them, encoded bundles, and what to tell the client."""

    records: list[str]
    accepted: int
    rejected: list[dict[str, Any]]
    # Why the time of sending isn't heeded, where it says none.
    ignored: str | None = None
    bundles: Sequence[str] = ()


def take(
    batch: Batch,
    speaker: Speaker,
    received_at: datetime,
    earliest: datetime,
    translate: Translate = own_words,
) -> Taken:
    """Reads every event.

    Args:
        earliest: what a server may send; a page may go 31 days back.
        translate: our events of what the client sent as one.

    Raises:
        BadRequestError: not one of them is an event.
    """
    sent_at, ignored = _sent_at(batch.sent_at)
    reception = Reception(speaker, received_at, floor_of(speaker, received_at, earliest), sent_at, ignored)
    encoded = _encode_plain(batch, reception, translate)
    if encoded is not None:
        bundles, records = encoded
        return Taken(records, len(batch.events), [], bundles=bundles)
    taken, noted = Taken([], 0, []), _noted(reception, translate)
    for index, event in enumerate(batch.events):
        try:
            taken.records.extend(encode(event, reception, translate, batch.suspect))
        except InvalidEventError as error:
            taken.rejected.append({"index": index, "error": str(error)})
            taken.records.append(_rejection(event, index, str(error), noted))
    if len(taken.rejected) == len(batch.events):
        first = taken.rejected[0]
        raise BadRequestError(f"{batch.field}[{first['index']}].{first['error']}", rejected=taken.rejected)
    return Taken(taken.records, len(batch.events) - len(taken.rejected), taken.rejected, ignored)


def context_of(event: Mapping[str, Any], received_at: datetime, speaker: Speaker) -> Context:
    """What the request says of the device that sent it; a server's own device says nothing."""
    context: Context = {"received_at": received_at.isoformat(), "speaker": speaker.kind}
    if speaker.kind == "server":
        return context
    headers = event.get("headers") or {}
    said = {
        name: headers[header][:most] for header, (name, most) in _DEVICE_HEADERS.items() if header in headers
    }
    said["ip"] = event["requestContext"]["http"]["sourceIp"]
    found = cast("Context", context | said)
    return found if all(map(str.isprintable, said.values())) else cast("Context", clean(found))


def floor_of(speaker: Speaker, received_at: datetime, earliest: datetime) -> datetime:
    """How far back its events may lie."""
    return earliest if speaker.kind == "server" else max(earliest, received_at - BROWSER_PAST)


def _sent_at(value: object) -> tuple[datetime | None, str | None]:
    """The time, or why it is none: its events are worth as much without it."""
    if value is None:
        return None, None
    try:
        return parse_time(value, "sent_at"), None
    except InvalidEventError as error:
        return None, str(error)


def _encode_plain(
    batch: Batch, reception: Reception, translate: Translate
) -> tuple[list[str], list[str]] | None:
    """The bundles and other records of a batch in which nothing is unusual."""
    if batch.suspect or reception.ignored:
        return None
    events = batch.events
    if translate is not own_words:
        try:
            events = [own for event in events for own in translate(event, reception.speaker)]
        except InvalidEventError:
            return None
    kept = plain.keep(events, reception)
    return None if kept is None else bundling.encode(kept, MAX_EVENT_BYTES)


def encode(event: Any, reception: Reception, translate: Translate, suspect: bool) -> list[str]:
    """The encoded records of what a client sent as one event.

    Raises:
        InvalidEventError: says which field is wrong, and why.
    """
    cleaned = clean(event) if suspect else event
    marked = suspect and cleaned != event
    encoded = [_record(own, reception, marked) for own in translate(cleaned, reception.speaker)]
    if not suspect and max(text.count("{") + text.count("[") for text in encoded) > MAX_DEPTH:
        # Perhaps so deep that the consumer couldn't read it.
        return encode(event, reception, translate, suspect=True)
    return encoded


def _record(event: Any, reception: Reception, marked: bool) -> str:
    record = to_record(event, reception)
    if marked:
        record.setdefault("metadata", {})["_cleaned"] = True
    if reception.ignored:
        record.setdefault("metadata", {})["_ignored"] = ["sent_at"]
    encoded = _dumps(record)
    if len(encoded) > MAX_EVENT_BYTES:
        raise InvalidEventError(f"has {len(encoded):,} bytes; {MAX_EVENT_BYTES:,} are allowed")
    return encoded


def _dumps(record: Record) -> str:
    try:
        return dumps(record)
    except ValueError as error:
        raise InvalidEventError(f"can't be stored: {error}") from None
    except RecursionError:
        raise InvalidEventError("is nested too deeply") from None


def _noted(reception: Reception, translate: Translate) -> Refused:
    """What it takes to validate an event of the request again: above all, whom to believe."""
    sent_at = reception.sent_at and reception.sent_at.isoformat()
    noted = {"user": reception.speaker.user, "sent_at": sent_at, "ignored": reception.ignored}
    return cast(
        "Refused",
        {"speaker": reception.speaker.kind, "format": "own" if translate is own_words else "segment"}
        | {name: value for name, value in noted.items() if value is not None},
    )


def _rejection(event: Any, index: int, reason: str, noted: Refused) -> str:
    cleaned = clean(event)
    raw = dumps(cleaned)
    # The same request sent again must give the same id, or each repeat would be kept once more.
    said = f"{index}\n{reason}\n{noted['speaker']} {noted.get('user', '')}\n{raw}"
    identifier = ids.to_uuid("event", f"rejected {sha256(said.encode()).hexdigest()}")
    request: Refused = {**noted, "cleaned": True} if cleaned != event else noted
    return dumps(Record(kind="rejected", id=identifier, reason=reason, raw=raw[:MAX_RAW], request=request))
