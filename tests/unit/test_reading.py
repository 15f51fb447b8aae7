"""From bytes to events: what is read, and what is refused by name."""

import gzip
import json
import math
import re
import tracemalloc
import zlib
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from footfall.errors import BadRequestError, RequestError, TooLargeError
from functions.ingest.reading import MAX_BYTES, MAX_EVENTS, Batch, read

EVENT = {"event_type": "page_view", "anonymous_id": "a"}
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def packed(content: bytes) -> bytes:
    """Without the time of packing: a test's name must be the same in all processes."""
    return gzip.compress(content, mtime=0)


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def deep(levels: int, opening: str = "[", closing: str = "]") -> str:
    return opening * levels + "1" + closing * levels


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (EVENT, Batch([EVENT])),
        ([EVENT, 7], Batch([EVENT, 7])),
        ({"events": [EVENT]}, Batch([EVENT])),
        (
            {"write_key": "k", "sent_at": "2026-11-22T10:00:00Z", "events": [EVENT]},
            Batch([EVENT], "k", "2026-11-22T10:00:00Z"),
        ),
        (
            {"write_key": "k", "sent_at": 5, **EVENT},
            Batch([{"write_key": "k", "sent_at": 5, **EVENT}], "k", 5),
        ),
    ],
)
def test_events_come_alone_in_a_list_or_in_an_object(document: Any, expected: Batch) -> None:
    body = encoded(document)
    assert read(body) == expected
    assert read(gzip.compress(body)) == expected
    assert read(b"\xef\xbb\xbf \n" + body + b"\n") == expected


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body is empty"),
        (b" \r\n\t", "the body is empty"),
        (packed(b""), "the body is empty"),
        (b"not json", "the body isn't JSON: Expecting value (line 1, column 1)"),
        (
            b'{"events": [\n{]}',
            "the body isn't JSON: Expecting property name enclosed in double quotes (line 2",
        ),
        (b'[{"a": "\n"}]', "the body isn't JSON: Invalid control character at (line 1"),
        (b'[{}]{"more": 1}', "the body isn't JSON: Extra data (line 1, column 5)"),
        (b"[NaN,", "the body isn't JSON: Expecting value"),
        pytest.param(b"9" * 5000 + b"!", "the body isn't JSON: Extra data", id="digits"),
        pytest.param(b"[" * 100_000, "the body isn't JSON", id="never closed"),
        (b"\xff\xfe{}", "the body isn't UTF-8 (byte 0)"),
        (b'["\xed\xa0\x80"]', "the body isn't UTF-8 (byte 2)"),
        (b"42", "the body must be an event, a list of events, or an object with `events`"),
        (b"null", "the body must be an event"),
        (b'"text"', "the body must be an event"),
        (b"NaN", "the body must be an event"),
        (b"[]", "events: the list is empty"),
        (b'{"events": []}', "events: the list is empty"),
        (b'{"events": null}', "events: must be a list"),
        (b'{"events": {}}', "events: must be a list"),
        (b'{"events": [{}], "write_key": 5}', "write_key: must be text"),
        (b"\x1f\x8bjunk that is no gzip at all", "the body begins as gzip and isn't"),
        (packed(b"[{}]") + b"[{}]", "the body has something after the end of its gzip"),
        (
            packed(b"[{}]").decode(errors="replace").encode(),
            "decoded it as text: send it without gzip",
        ),
        (packed(b"[{}]").decode("latin-1").encode(), "decoded it as text: send it without gzip"),
    ],
)
def test_what_is_no_batch_is_refused_by_name(body: bytes, message: str) -> None:
    with pytest.raises(BadRequestError, match=re.escape(message)):
        read(body)


def test_gzip_that_was_cut_anywhere_is_refused() -> None:
    whole = packed(encoded([EVENT]))
    for length in range(len(whole)):
        with pytest.raises(BadRequestError):
            read(whole[:length])


def test_gzip_that_was_changed_anywhere_is_refused() -> None:
    whole = packed(encoded([EVENT]))
    # Bytes 3 to 9 of the header say nothing of the content.
    for position in range(10, len(whole)):
        changed = bytes([*whole[:position], whole[position] ^ 0x55, *whole[position + 1 :]])
        with pytest.raises(BadRequestError):
            read(changed)


def padded(length: int) -> bytes:
    return encoded([EVENT]).ljust(length)


def test_four_mebibytes_are_taken_and_not_a_byte_more() -> None:
    assert read(padded(MAX_BYTES)).events == [EVENT]
    assert read(gzip.compress(padded(MAX_BYTES), 1)).events == [EVENT]
    with pytest.raises(TooLargeError, match="the body has 4,194,305 bytes; 4,194,304 are allowed"):
        read(padded(MAX_BYTES + 1))
    with pytest.raises(TooLargeError, match="unpacks to more than 4,194,304 bytes"):
        read(gzip.compress(padded(MAX_BYTES + 1), 1))


def test_a_bomb_is_capped_while_it_unpacks() -> None:
    packer = zlib.compressobj(1, wbits=31)
    bomb = b"".join(packer.compress(bytes(MAX_BYTES)) for _ in range(64)) + packer.flush()
    assert len(bomb) < MAX_BYTES
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError):
            read(bomb)
        assert tracemalloc.get_traced_memory()[1] < 3 * MAX_BYTES
    finally:
        tracemalloc.stop()


def test_more_events_than_can_be_answered_are_refused() -> None:
    assert len(read(encoded([0] * MAX_EVENTS)).events) == MAX_EVENTS
    with pytest.raises(TooLargeError, match="events: there are 20,001; 20,000 are allowed"):
        read(encoded({"events": [0] * (MAX_EVENTS + 1)}))


@pytest.mark.parametrize(
    "number",
    [
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "-1E+999",
        "9" * 280 + "e99",
        "9" * 400,
        "9" * 5000,
        "-" + "9" * 5000,
    ],
    ids=[
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "-1E+999",
        "280 digits",
        "400 digits",
        "5000 digits",
        "-5000 digits",
    ],
)
def test_a_number_that_no_table_holds_costs_its_neighbours_nothing(number: str) -> None:
    batch = read(f'[{{"event_type": "x"}}, {{"metadata": {number}}}, 12345678901234567890]'.encode())
    assert batch.suspect
    assert batch.events[0] == {"event_type": "x"}
    assert not math.isfinite(batch.events[1]["metadata"])
    assert batch.events[2] == 12345678901234567890


@given(
    st.lists(st.uuids(), min_size=10),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(10**297), 10**297),
)
def test_a_usual_body_is_not_walked_through(names: list[UUID], share: float, count: int) -> None:
    # Every second event's hex digits hold something like 1e999.
    ids = [{"id": str(name), "session_id": str(name).upper()} for name in names]
    batch = read(encoded([*ids, {"share": share, "count": count}]))
    assert not batch.suspect
    assert batch.events == [*ids, {"share": share, "count": count}]


@pytest.mark.parametrize(
    "pattern", ['{"events": [%s]}', "[%s]", '{"sent_at": null, "events": [%s], "write_key": "k"}']
)
@pytest.mark.parametrize("depth", [("[", "]"), ('{"a":', "}"), ('[{"]":', "}]")])
def test_an_absurdly_deep_event_costs_its_neighbours_nothing(pattern: str, depth: tuple[str, str]) -> None:
    broken = f'{{"event_type": "deep", "metadata": {deep(100_000, *depth)}}}'
    neighbour = {"event_type": 'brackets }]{[ and a \\"', "metadata": {"[[": ["}", "\\"]}}
    events = f"{json.dumps(neighbour)}, {broken}, {json.dumps(EVENT)}"
    batch = read((pattern % events).encode())
    assert batch.suspect
    assert [batch.events[0], batch.events[2]] == [neighbour, EVENT]
    assert batch.events[1]["event_type"] == "deep"


def test_a_deep_part_beside_the_events_is_told_apart() -> None:
    batch = read(
        f'{{"sent_at": {deep(100_000)}, "events": [{json.dumps(EVENT)}], "write_key": "k"}}'.encode()
    )
    assert (batch.events, batch.write_key) == ([EVENT], "k")
    assert isinstance(batch.sent_at, list)


@pytest.mark.parametrize("bracket", ["[", '[{"a":'])
def test_brackets_that_never_close_are_no_json(bracket: str) -> None:
    with pytest.raises(BadRequestError, match="isn't JSON"):
        read(f'[{json.dumps(EVENT)}, {deep(100_000)}, {bracket * 100_000} "'.encode())


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "hostile",
    ['[NaN,"' + '\\"' * 2_000_000, "[NaN," + '"",' * 1_300_000, "[NaN," + "[" * 4_000_000],
    ids=["quotes", "texts", "brackets"],
)
def test_what_is_built_to_be_read_slowly_is_refused(hostile: str) -> None:
    with pytest.raises(BadRequestError, match="isn't JSON"):
        read(hostile.encode())


@given(st.lists(JSON_VALUES, min_size=1), st.booleans())
def test_what_json_can_say_is_read_as_it_is(events: list[Any], ascii_only: bool) -> None:
    body = json.dumps(events, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        with pytest.raises(BadRequestError, match="UTF-8"):
            read(body)
    else:
        assert read(body).events == json.loads(text)
        # Read the slow way, for the sake of the last, the others are the same.
        assert read(text.removesuffix("]").encode() + b", NaN]").events[:-1] == json.loads(text)


@given(st.binary())
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for tried in (body, b"\x1f\x8b" + body, b"[" + body, b'{"events":[NaN,' + body):
        with suppress(RequestError):
            assert read(tried).events
