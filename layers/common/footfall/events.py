"""What travels from ingest to session: one queue message holds the events of one request.

    {"version": 2, "received_at": …, "ip": …, …, "bundles": [bundle, …], "events": [record, …]}

A record's keys are the columns that it ends in; what is null is left out. Times are RFC 3339 in UTC. Usual
activities of a session are in bundles, which cost the consumer less; all else, and all of version 1, are
records.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NotRequired, TypedDict, cast

import msgspec

from footfall.bundles import Bundle

VERSION, BUNDLED = 1, 2
_DELETE = "\x7f"
_UNUSUAL = re.compile(r"[^\x00-\x7e]+")
_LINES = msgspec.json.Encoder()
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
RecordKind = Literal["activity", "interaction", "identify", "unlink", "content", "rejected"]
SpeakerKind = Literal["browser", "server", "user"]


class Refused(TypedDict):
    """What a request said beside an event that was refused in it, so that it can be validated again."""

    speaker: SpeakerKind
    # The verified one.
    user: NotRequired[str]
    format: Literal["own", "segment"]
    sent_at: NotRequired[str]
    ignored: NotRequired[str]
    # Something in it could not be stored, and was replaced.
    cleaned: NotRequired[bool]


class Record(TypedDict):
    kind: RecordKind
    id: str
    # The ids that were no UUIDs, as they were sent, by the name of their field.
    names: NotRequired[dict[str, str]]
    created_at: NotRequired[str]
    client_created_at: NotRequired[str]
    sent_at: NotRequired[str]
    user_id: NotRequired[str]
    # True where a user's own token said who it is: only then may an anonymous id be tied to the user.
    verified: NotRequired[bool]
    anonymous_id: NotRequired[str]
    session_id: NotRequired[str]
    sequence: NotRequired[int]
    time_zone: NotRequired[str]
    event_type: NotRequired[str]
    event_category: NotRequired[str]
    event_action: NotRequired[str]
    page_path: NotRequired[str]
    referrer: NotRequired[str]
    metadata: NotRequired[dict[str, Any]]
    content_type: NotRequired[str]
    content_id: NotRequired[str]
    interaction_type: NotRequired[str]
    duration_seconds: NotRequired[int]
    feed_id: NotRequired[str]
    position: NotRequired[int]
    traits: NotRequired[dict[str, Any]]
    title: NotRequired[str]
    url: NotRequired[str]
    author_id: NotRequired[str]
    attributes: NotRequired[dict[str, Any]]
    published_at: NotRequired[str]
    available: NotRequired[bool]
    # Set by the server's own events, for the device that they speak of; else the request's hold.
    user_agent: NotRequired[str]
    ip: NotRequired[str]
    country: NotRequired[str]
    city: NotRequired[str]
    # Of a rejected event.
    reason: NotRequired[str]
    raw: NotRequired[str]
    request: NotRequired[Refused]


class Context(TypedDict):
    """What the request itself says, for all its events: headers as they came, read by the consumer."""

    received_at: str
    # Who sent it: a page, a user with a token, or a server.
    speaker: NotRequired[SpeakerKind]
    ip: NotRequired[str]
    # Address and port, where an edge stands before the gateway.
    viewer: NotRequired[str]
    user_agent: NotRequired[str]
    brands: NotRequired[str]
    mobile: NotRequired[str]
    platform: NotRequired[str]
    purpose: NotRequired[str]
    country: NotRequired[str]
    city: NotRequired[str]


class Message(Context):
    version: int
    bundles: NotRequired[list[Bundle]]
    events: list[Record]


class _Bundled(Context):
    """As far as msgspec checks it."""

    version: int
    bundles: list[Bundle]
    events: list[Any]


def dumps(value: Any) -> str:
    """Compact ASCII JSON, which no queue refuses.

    Raises:
        ValueError: NaN or an infinity is in it.
    """
    return _ENCODER.encode(value)


def lines(values: Iterable[Any]) -> list[str]:
    """What `dumps` makes of each, but for how numbers are spelled; quicker. NaN and infinities become null.

    Raises:
        ValueError: a lone surrogate is in it.
    """
    text = _LINES.encode_lines(values).decode()
    if _DELETE in text or not text.isascii():
        text = _UNUSUAL.sub(_escaped, text)
    return text.split("\n")[:-1]


def _escaped(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1]


def pack(
    context: Context, records: Sequence[str], most_bytes: int, bundles: Sequence[str] = ()
) -> Iterator[str]:
    """Message bodies of at most `most_bytes` that hold all bundles and records, each already encoded."""
    head = _head(VERSION, context, "events")
    if bundles:
        between = '],"events":['
        head_of_bundles = _head(BUNDLED, context, "bundles")
        room = most_bytes - len(head_of_bundles) - len(between) - 2
        if _length(bundles) + _length(records) <= room:
            yield f"{head_of_bundles}{','.join(bundles)}{between}{','.join(records)}]}}"
            return
        for group in _groups(bundles, room):
            yield f"{head_of_bundles}{','.join(group)}{between}]}}"
    for group in _groups(records, most_bytes - len(head) - 2):
        yield head + ",".join(group) + "]}"


def _head(version: int, context: Context, first: str) -> str:
    (head,) = lines([{"version": version, **context}])
    return f'{head[:-1]},"{first}":['


def _length(texts: Sequence[str]) -> int:
    return sum(map(len, texts)) + len(texts)


def _groups(records: Sequence[str], room: int) -> Iterator[Sequence[str]]:
    if records and _length(records) <= room:
        yield records
        return
    group: list[str] = []
    used = 0
    for record in records:
        if group and used + len(record) + 1 > room:
            yield group
            group, used = [], 0
        group.append(record)
        used += len(record) + 1
    if group:
        yield group


def unpack(body: str) -> Message:
    """The message of a queue body.

    Raises:
        ValueError: it is none, or of a version that this code doesn't know.
    """
    if body.startswith(_HEAD_OF_BUNDLED):
        return cast("Message", _DECODER.decode(body))
    message: Any = json.loads(body)
    if not isinstance(message, dict) or message.get("version") != VERSION:
        raise ValueError(f"not a message of version {VERSION}")
    return cast("Message", message)


_HEAD_OF_BUNDLED = f'{{"version":{BUNDLED},'
_DECODER = msgspec.json.Decoder(_Bundled)
