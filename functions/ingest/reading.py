"""From the bytes of a request to the events in it, none of them looked at yet."""

import json
import math
import re
import zlib
from dataclasses import dataclass
from typing import Any, NoReturn

import msgspec

from footfall.errors import BadRequestError, TooLargeError
from functions.ingest.cleaning import MANY_DIGITS, MAX_DEPTH, is_plain, is_suspect

MAX_BYTES = 4 * 1024 * 1024
# To refuse this many by name answers less than the 6 MB that Lambda may.
MAX_EVENTS = 20_000

_GZIP = b"\x1f\x8b"
# What gzip looks like after something decoded it as text.
_MANGLED_GZIP = ("\x1f\ufffd".encode(), "\x1f\x8b".encode())
# A text (closed or not), whose brackets don't count, or a bracket; possessive, so it takes linear time.
_TEXT_OR_BRACKET = re.compile(r'"(?:[^"\\]++|\\.)*+"?+|[][{}]', re.DOTALL)
# Deeper than cleaning keeps, wherever in the body the event stands.
_DEEPEST = 2 * MAX_DEPTH


@dataclass(frozen=True, slots=True)
class Batch:
    """The events of one body, and what the body says beside them."""

    events: list[Any]
    write_key: str | None = None
    sent_at: Any = None
    # Something in the body may not be storable; which event it is, cleaning finds out.
    suspect: bool = False
    # What the body calls them, for errors.
    field: str = "events"


def read(body: bytes) -> Batch:
    """The events of a body: one, a list, or `events`.

    Raises:
        TooLargeError: over 4 MiB, packed or unpacked, or over 20,000 events.
        BadRequestError: not JSON, or JSON that holds no events; says what is wrong and where.
    """
    return _batch(*parse(body))


def parse(body: bytes) -> tuple[Any, bool]:
    """The JSON document, and whether it may hold what can't be stored.

    Decides by the bytes, not by what the headers claim.

    Raises:
        TooLargeError: over 4 MiB, packed or unpacked.
        BadRequestError: not JSON; says what is wrong and where.
    """
    if len(body) > MAX_BYTES:
        raise TooLargeError(f"the body has {len(body):,} bytes; {MAX_BYTES:,} are allowed")
    if body.startswith(_GZIP):
        body = _unpack(body)
    elif body.startswith(_MANGLED_GZIP):
        raise BadRequestError(
            "the body was gzip and something on the way decoded it as text: send it without gzip"
        )
    return _parse(body)


def _unpack(body: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(body, MAX_BYTES + 1)
    except zlib.error as error:
        raise BadRequestError(f"the body begins as gzip and isn't: {error}") from None
    if len(plain) > MAX_BYTES:
        raise TooLargeError(f"the body unpacks to more than {MAX_BYTES:,} bytes")
    if not unpacker.eof:
        raise BadRequestError("the body is gzip that ends too early")
    if unpacker.unused_data:
        raise BadRequestError("the body has something after the end of its gzip")
    return plain


def _parse(body: bytes) -> tuple[Any, bool]:
    """The fast way where it leads to the end; else the slow one, which knows what is wrong and where."""
    if not is_plain(body):
        return _parse_slowly(body)
    try:
        return _FAST.decode(body), False
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _parse_slowly(body)


def _parse_slowly(body: bytes) -> tuple[Any, bool]:
    if not body.strip():
        raise BadRequestError("the body is empty")
    try:
        text = body.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise BadRequestError(f"the body isn't UTF-8 (byte {error.start})") from None
    try:
        return _decode(text, is_suspect(body))
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise BadRequestError(f"the body isn't JSON: {error.msg} ({where})") from None


def _decode(text: str, suspect: bool) -> tuple[Any, bool]:
    try:
        return _STRICT.decode(text), suspect
    except json.JSONDecodeError:
        raise
    except (ValueError, RecursionError):
        # A number that no table holds, or deep nesting, which Python refuses to read.
        return _LENIENT.decode(_shallow(text)), True


def _shallow(text: str) -> str:
    """The document with NaN, which cleaning removes and marks, for what is nested too deeply to be read."""
    kept: list[str] = []
    depth = start = 0
    for token in _TEXT_OR_BRACKET.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth == _DEEPEST:
                kept += text[start : token.start()], "NaN"
        elif token[0] in "]}":
            if depth == _DEEPEST:
                start = token.end()
            depth -= 1
    return "".join(kept) + (text[start:] if depth < _DEEPEST else "")


def _batch(document: Any, suspect: bool) -> Batch:
    if isinstance(document, list):
        return Batch(some("events", document), suspect=suspect)
    if not isinstance(document, dict):
        raise BadRequestError("the body must be an event, a list of events, or an object with `events`")
    write_key = document.get("write_key")
    if write_key is not None and not isinstance(write_key, str):
        raise BadRequestError("write_key: must be text")
    if "events" not in document:
        return Batch([document], write_key, document.get("sent_at"), suspect)
    if not isinstance(document["events"], list):
        raise BadRequestError("events: must be a list")
    return Batch(some("events", document["events"]), write_key, document.get("sent_at"), suspect)


def some(field: str, events: list[Any]) -> list[Any]:
    """The list itself, where it is neither empty nor too long.

    Raises:
        BadRequestError, TooLargeError: names the field.
    """
    if not events:
        raise BadRequestError(f"{field}: the list is empty")
    if len(events) > MAX_EVENTS:
        raise TooLargeError(f"{field}: there are {len(events):,}; {MAX_EVENTS:,} are allowed")
    return events


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


def _whole(digits: str) -> int:
    return int(digits) if len(digits) < MANY_DIGITS else _refuse(digits)


def _integer(digits: str) -> int | float | None:
    # Python refuses long integers as an attack; as a float it is an infinity, which cleaning removes.
    return int(digits) if len(digits) < 400 else float(digits)


_FAST = msgspec.json.Decoder()
_STRICT = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite, parse_int=_whole)
_LENIENT = json.JSONDecoder(parse_constant=float, parse_int=_integer)
