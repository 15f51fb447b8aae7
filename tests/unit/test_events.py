"""The message between ingest and session: packed to fit, and read back as it was."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from footfall.events import VERSION, Context, dumps, lines, pack, unpack

CONTEXT: Context = {"received_at": "2026-11-22T10:00:00+00:00", "city": "Köln"}
HEAD = len(dumps({"version": VERSION, **CONTEXT})) + len(',"events":[]')


@given(st.lists(st.text(max_size=40)), st.integers(0, 300))
def test_all_records_arrive_in_their_order_in_messages_that_fit(texts: list[str], spare: int) -> None:
    records = [dumps({"id": text}) for text in texts]
    most = HEAD + max(map(len, records), default=0) + spare
    bodies = list(pack(CONTEXT, records, most))
    assert all(len(body.encode()) <= most for body in bodies)
    messages = [unpack(body) for body in bodies]
    assert [record["id"] for message in messages for record in message["events"]] == texts
    assert all(
        {**message, "events": []} == {"version": VERSION, **CONTEXT, "events": []} for message in messages
    )
    assert all(message["events"] for message in messages)


def test_no_more_messages_are_made_than_needed() -> None:
    records = ['{"id":"1"}'] * 4
    room = HEAD + 4 * len(records[0]) + 3
    assert len(list(pack(CONTEXT, records, room + 1))) == 1
    assert [len(unpack(body)["events"]) for body in pack(CONTEXT, records, room - 1)] == [3, 1]
    assert list(pack(CONTEXT, [], room)) == []


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_json_is_not_sent(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        dumps({"a": [value]})


def test_what_is_sent_is_compact_ascii() -> None:
    assert dumps({"ä": ["\x00", "\ud800", 1.5, None]}) == '{"\\u00e4":["\\u0000","\\ud800",1.5,null]}'


@given(st.lists(st.dictionaries(st.text(), st.text() | st.integers() | st.lists(st.booleans()))))
def test_lines_are_what_each_alone_would_be(values: list[dict[str, Any]]) -> None:
    assert lines(values) == [dumps(value) for value in values]


@pytest.mark.parametrize("text", ["\x7f", "é", "\U0001f600", "\n\u2028"])
def test_lines_escape_what_ascii_does_not_print(text: str) -> None:
    assert lines([{text: 1}, "plain", text]) == [dumps({text: 1}), '"plain"', dumps(text)]


@pytest.mark.parametrize(
    "body",
    ["", "text", "[]", "null", "{}", '{"version": 2, "events": []}', '{"version": "1"}', '[{"version": 1}]'],
)
def test_what_is_no_message_of_this_version_is_refused(body: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpack(body)


def test_a_later_writer_may_add_fields() -> None:
    message: Any = {"version": VERSION, "received_at": "now", "events": [], "added": {"later": 1}}
    assert unpack(json.dumps(message)) == message
