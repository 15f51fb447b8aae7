"""What Postgres refuses, in the middle of a good batch: cleaned and marked, or stored after a fix."""

import json
import uuid
from typing import Any

import boto3
import psycopg
import pytest

from footfall import ids
from local import replay
from tests.end_to_end.local_stack import LocalStack, eventually
from tests.integration.writing import message, record

pytestmark = pytest.mark.xdist_group("stack")

Connection = psycopg.Connection[Any]
DEEP = 5_000
MARK = {"_cleaned": True}

# JSON that an event has besides what makes it good, and what is stored of it: columns, metadata.
CLEANED: dict[str, tuple[str, dict[str, Any], dict[str, Any] | None]] = {
    "NUL in a value": (r'"metadata": {"t": "a\u0000b"}', {}, {"t": "a\ufffdb", **MARK}),
    "NUL in a key": (r'"metadata": {"\u0000": [{"\u0000k": 1}]}', {}, {"\ufffd": [{"\ufffdk": 1}], **MARK}),
    "NUL in a column": (r'"event_action": "a\u0000"', {"event_action": "a\ufffd"}, MARK),
    "NUL in a field's name": (r'"\u0000": 1', {}, MARK),
    "half a pair in a value": (r'"metadata": {"t": "\ud83d"}', {}, {"t": "\ufffd", **MARK}),
    "half a pair in a key": (r'"metadata": {"\udfff": 1}', {}, {"\ufffd": 1, **MARK}),
    "half a pair in a column": (r'"page_path": "/\udc00"', {"page_path": "/\ufffd"}, MARK),
    "a pair the wrong way round": (r'"metadata": {"t": "\udc00\ud83d"}', {}, {"t": "\ufffd\ufffd", **MARK}),
    "a whole pair": (r'"metadata": {"t": "\ud83d\ude00"}', {}, {"t": "\U0001f600"}),
    **{
        f"{number[:9]} in a value": (f'"metadata": {{"n": [{number}]}}', {}, {"n": [None], **MARK})
        for number in (
            "NaN",
            "Infinity",
            "-Infinity",
            "1e999999",
            "-1e999999",
            "9" * 5_000,
            "-" + "9" * 5_000,
        )
    },
    "NaN in a column": ('"sequence": NaN', {"sequence": None}, MARK),
    "1e999999 in a column": ('"sequence": 1e999999', {"sequence": None}, MARK),
    "5,000 digits in a column": (f'"sequence": {"9" * 5_000}', {"sequence": None}, MARK),
    "a number beyond the column": ('"sequence": 99999999999', {"sequence": 2**31 - 1}, None),
    "5,000 digits in a key": (f'"metadata": {{"{"9" * 5_000}": 1}}', {}, {"9" * 5_000: 1}),
    "a text too long": (
        f'"event_category": "{"x" * 70_000}"',
        {"event_category": "x" * 50},
        {"_truncated": ["event_category"]},
    ),
    "the first time": ('"created_at": "0001-01-01T00:00:00+14:00"', {"client_year": 1}, None),
    "the last time": ('"created_at": "9999-12-31T23:59:59-14:00"', {"client_year": 9999}, None),
}
# What refuses an event, why, and what mends it; None removes a field.
REFUSED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "an id that is a list": ('"id": ["7"]', "id: must be text, not a list", {"id": "7"}),
    "an id that is an object": ('"id": {"\\u0000": NaN}', "id: must be text, not an object", {"id": "8"}),
    "an id that is true": ('"id": true', "id: must be text, not true or false", {"id": None}),
    "an id too long": (f'"id": "{"x" * 256}"', "id: must have 1 to 255 characters", {"id": "9"}),
    "a session that is a number": (
        '"session_id": 1.5',
        "session_id: must be text, not a number",
        {"session_id": "1.5"},
    ),
    "no time": ('"created_at": "2026-13-45T99:99:99Z"', "created_at: must be", {"created_at": None}),
    "a time that is a number": ('"created_at": 17e9', "created_at: must be", {"created_at": None}),
    "a type that is NaN": ('"event_type": NaN', "event_type: is required", {"event_type": "search"}),
    "a type that is nothing": ('"event_type": null', "event_type: is required", {"event_type": "search"}),
    "metadata that are none": ('"metadata": [1e999999]', "metadata: must be an object", {"metadata": {}}),
    "a number below zero": ('"sequence": -1', "sequence: must not be negative", {"sequence": 1}),
    "an unknown kind": (r'"type": "\u0000"', "type: must be one of", {"type": "activity"}),
}
COLUMNS = (
    "event_action, event_category, page_path, sequence, metadata,"
    " extract(year FROM client_created_at AT TIME ZONE 'UTC')::integer AS client_year"
)


def good(visitor: str, path: str) -> str:
    return json.dumps({"event_type": "page_view", "anonymous_id": visitor, "page_path": path})


def post(stack: LocalStack, visitor: str, poison: str) -> list[dict[str, Any]]:
    """What is refused of a batch of three."""
    bad = f'{{"event_type": "search", "anonymous_id": "{visitor}", {poison}}}'
    body = f"[{good(visitor, '/before')}, {bad}, {good(visitor, '/after')}]"
    answer = stack.post(f"/v1/events?write_key={stack.local()['browser_key']}", body.encode())
    assert answer.status == 202, answer.body
    refused: list[dict[str, Any]] = answer.body["rejected"]
    return refused


def stored(database: Connection, visitor: str, number: int) -> list[dict[str, Any]]:
    """The events that aren't page views, once so many events of the visitor are there."""

    def read() -> list[dict[str, Any]]:
        with database.cursor(row_factory=psycopg.rows.dict_row) as cursor:
            query = f"SELECT event_type, {COLUMNS} FROM user_activities WHERE anonymous_id = %s"
            return cursor.execute(query, [visitor]).fetchall()

    rows = eventually(lambda: len(rows := read()) >= number and rows)
    assert sum(row["event_type"] == "page_view" for row in rows) == 2
    assert len(rows) == number
    return [row for row in rows if row["event_type"] != "page_view"]


@pytest.mark.parametrize("name", CLEANED)
def test_what_can_be_cleaned_is_stored_and_marked(stack: LocalStack, database: Connection, name: str) -> None:
    poison, columns, metadata = CLEANED[name]
    visitor = str(uuid.uuid4())
    assert post(stack, visitor, poison) == []
    [row] = stored(database, visitor, 3)
    assert {column: row[column] for column in columns} == columns
    assert row["metadata"] == metadata


@pytest.mark.parametrize("brackets", ["[]", '{"a":}'], ids=["lists", "objects"])
def test_what_is_nested_deeply_is_cut_and_marked(
    stack: LocalStack, database: Connection, brackets: str
) -> None:
    visitor, opening, closing = str(uuid.uuid4()), brackets[:-1], brackets[-1]
    assert post(stack, visitor, f'"metadata": {{"d": {opening * DEEP}1{closing * DEEP}}}') == []
    [row] = stored(database, visitor, 3)
    assert row["metadata"]["_cleaned"] is True
    assert json.dumps(row["metadata"]["d"]).count(opening[0]) == 30


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_kept_and_stored_once_after_a_fix(
    stack: LocalStack, database: Connection, name: str
) -> None:
    poison, reason, mended = REFUSED[name]
    visitor = str(uuid.uuid4())
    [refused] = post(stack, visitor, poison)
    assert (refused["index"], refused["error"].startswith(reason)) == (1, True)
    assert stored(database, visitor, 2) == []
    assert run(stack) == 0
    [(row_id, raw)] = waiting(database, visitor)

    kept = {key: value for key, value in {**json.loads(raw), **mended}.items() if value is not None}
    if "id" in kept:
        kept["id"] += visitor
    database.execute("UPDATE quarantine SET raw = %s WHERE id = %s", [json.dumps(kept), row_id])
    assert run(stack) == 0
    assert waiting(database, visitor) == []
    assert len(stored(database, visitor, 3)) == 1
    database.execute("UPDATE quarantine SET replayed_at = NULL WHERE id = %s", [row_id])
    assert run(stack) == 0
    assert len(stored(database, visitor, 3)) == 1


def test_a_message_that_was_given_up_is_sent_back_and_stored(
    stack: LocalStack, database: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    visitor, facts = str(uuid.uuid4()), stack.local()
    one = record(id=ids.to_uuid("event", visitor), anonymous_id=visitor)
    nobody = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "local"}
    queue = boto3.client("sqs", endpoint_url=facts["sqs_endpoint"], **nobody)
    for _ in range(2):
        queue.send_message(QueueUrl=facts["dlq_url"], MessageBody=message(one))
    queue.close()
    capsys.readouterr()
    assert run(stack) == 0
    assert "2 messages were sent back to the queue" in capsys.readouterr().out
    count = "SELECT count(*) FROM user_activities WHERE anonymous_id = %s"
    assert eventually(lambda: database.execute(count, [visitor]).fetchone() == (1,))


def waiting(database: Connection, visitor: str) -> list[tuple[Any, ...]]:
    query = "SELECT id, raw FROM quarantine WHERE raw LIKE %s AND replayed_at IS NULL"
    return database.execute(query, [f"%{visitor}%"]).fetchall()


def run(stack: LocalStack) -> int:
    return replay.main([], {"PORT": str(stack.port)})
