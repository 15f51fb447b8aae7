"""The queue server through boto3: checks shared with moto, then what it alone promises."""

import asyncio
import hashlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from moto import mock_aws

from local.queue.actions import ACTIONS
from local.queue.sqs import serve
from local.queue.store import QueueStore

MIB = 1_048_576
ROOT = Path(__file__).parents[2]
SERVER = """
import asyncio, sys
from pathlib import Path
from local.queue.store import QueueStore
from local.queue.sqs import serve

async def main():
    store = QueueStore(Path(sys.argv[1]))
    store.release_in_flight()
    _, port = await serve(store)
    print(port, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""

Client = Any


@contextmanager
def client_of(endpoint: str | None) -> Iterator[Client]:
    config = Config(retries={"max_attempts": 0}, read_timeout=40)
    keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
    client = boto3.client("sqs", region_name="us-east-1", endpoint_url=endpoint, config=config, **keys)
    try:
        yield client
    finally:
        client.close()


@contextmanager
def running(store: QueueStore, fail: Callable[[], bool] | None = None) -> Iterator[int]:
    """Serve from a thread with its own loop; yields the port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    runner, port = asyncio.run_coroutine_threadsafe(serve(store, fail=fail), loop).result(30)
    try:
        yield port
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    store = QueueStore(tmp_path_factory.mktemp("sqs") / "queue.sqlite")
    with running(store) as port:
        yield port
    store.close()


@pytest.fixture
def ours(port: int) -> Iterator[Client]:
    with client_of(f"http://127.0.0.1:{port}") as client:
        yield client


@pytest.fixture(params=["ours", "moto"])
def sqs(request: pytest.FixtureRequest) -> Iterator[Client]:
    if request.param == "ours":
        yield request.getfixturevalue("ours")
        return
    with mock_aws(), client_of(None) as client:
        yield client


def skip_moto(sqs: Client, reason: str) -> None:
    if "amazonaws" in sqs.meta.endpoint_url:
        pytest.skip(f"moto {reason}")


def new_queue(sqs: Client, **attributes: str) -> str:
    url: str = sqs.create_queue(QueueName=f"q-{uuid.uuid4()}", Attributes=attributes)["QueueUrl"]
    return url


def attribute(sqs: Client, url: str, name: str) -> str:
    value: str = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name]
    return value


def receive(sqs: Client, url: str, **options: Any) -> list[dict[str, Any]]:
    options = {"MaxNumberOfMessages": 10, "MessageSystemAttributeNames": ["All"], **options}
    messages: list[dict[str, Any]] = sqs.receive_message(QueueUrl=url, **options).get("Messages", [])
    return messages


def entries(*bodies: str) -> list[dict[str, str]]:
    return [{"Id": str(index), "MessageBody": body} for index, body in enumerate(bodies)]


def code(caught: pytest.ExceptionInfo[ClientError]) -> str:
    value: str = caught.value.response["Error"]["Code"]
    return value


# ── The same against both ────────────────────────────────────────────────────────────────────────


def test_a_message_comes_back_as_it_was_sent_until_it_is_deleted(sqs: Client) -> None:
    url = new_queue(sqs)
    body = 'žluťoučký 🐴 "kůň"\t\r\n{"a": [1, null]}'
    sent = sqs.send_message(QueueUrl=url, MessageBody=body)
    [message] = receive(sqs, url)
    assert (message["MessageId"], message["Body"]) == (sent["MessageId"], body)
    digest = hashlib.md5(body.encode()).hexdigest()
    assert sent["MD5OfMessageBody"] == message["MD5OfBody"] == digest
    assert receive(sqs, url) == []
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert attribute(sqs, url, "ApproximateNumberOfMessagesNotVisible") == "0"


def test_message_attributes_come_back_as_asked_for(sqs: Client) -> None:
    url = new_queue(sqs)
    attributes = {
        "kind": {"DataType": "String", "StringValue": "náhled"},
        "kind.count": {"DataType": "Number.int", "StringValue": "7"},
        "packed": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    sent = sqs.send_message(QueueUrl=url, MessageBody="b", MessageAttributes=attributes)
    [message] = receive(sqs, url, MessageAttributeNames=["All"], VisibilityTimeout=0)
    assert message["MessageAttributes"] == attributes
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    [message] = receive(sqs, url, MessageAttributeNames=["packed"], VisibilityTimeout=0)
    assert set(message["MessageAttributes"]) == {"packed"}
    [message] = receive(sqs, url, MessageAttributeNames=["kind.*"], VisibilityTimeout=0)
    assert set(message["MessageAttributes"]) == {"kind", "kind.count"}
    [message] = receive(sqs, url)
    assert "MessageAttributes" not in message


def test_attributes_have_the_digest_that_moto_computes(ours: Client) -> None:
    attributes = {
        "b": {"DataType": "Binary.gz", "BinaryValue": bytes(range(256))},
        "a": {"DataType": "String", "StringValue": "🐴"},
    }
    message: dict[str, Any] = {"MessageBody": "b", "MessageAttributes": attributes}
    mine = ours.send_message(QueueUrl=new_queue(ours), **message)
    with mock_aws(), client_of(None) as moto:
        theirs = moto.send_message(QueueUrl=new_queue(moto), **message)
    assert mine["MD5OfMessageAttributes"] == theirs["MD5OfMessageAttributes"]


def test_a_trace_header_is_carried(sqs: Client) -> None:
    url, trace = new_queue(sqs), {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5e"}}
    sqs.send_message(QueueUrl=url, MessageBody="b", MessageSystemAttributes=trace)
    [message] = receive(sqs, url)
    assert message["Attributes"]["AWSTraceHeader"] == "Root=1-5e"


def test_receives_are_counted_and_the_first_is_remembered(sqs: Client) -> None:
    url = new_queue(sqs)
    before = int(time.time() * 1000) - 1
    sqs.send_message(QueueUrl=url, MessageBody="b")
    [first], [second] = receive(sqs, url, VisibilityTimeout=0), receive(sqs, url, VisibilityTimeout=0)
    assert first["Attributes"]["ApproximateReceiveCount"] == "1"
    assert second["Attributes"]["ApproximateReceiveCount"] == "2"
    name = "ApproximateFirstReceiveTimestamp"
    assert first["Attributes"][name] == second["Attributes"][name]
    assert before <= int(first["Attributes"]["SentTimestamp"]) <= int(first["Attributes"][name])


def test_only_the_system_attributes_asked_for_are_given(sqs: Client) -> None:
    url = new_queue(sqs)
    sqs.send_message(QueueUrl=url, MessageBody="b")
    [message] = receive(sqs, url, VisibilityTimeout=0, MessageSystemAttributeNames=["SentTimestamp"])
    assert set(message["Attributes"]) == {"SentTimestamp"}
    [message] = receive(
        sqs, url, VisibilityTimeout=0, MessageSystemAttributeNames=[], AttributeNames=["SenderId"]
    )
    assert set(message["Attributes"]) == {"SenderId"}


def test_a_message_is_received_again_after_its_timeout(sqs: Client) -> None:
    url = new_queue(sqs)
    sqs.send_message(QueueUrl=url, MessageBody="b")
    [first] = receive(sqs, url, VisibilityTimeout=1)
    [second] = receive(sqs, url, WaitTimeSeconds=20)
    assert second["MessageId"] == first["MessageId"]
    assert second["ReceiptHandle"] != first["ReceiptHandle"]


def test_a_delayed_message_waits(sqs: Client) -> None:
    url = new_queue(sqs)
    sqs.send_message(QueueUrl=url, MessageBody="b", DelaySeconds=900)
    assert receive(sqs, url) == []
    assert attribute(sqs, url, "ApproximateNumberOfMessagesDelayed") == "1"
    sqs.send_message(QueueUrl=url, MessageBody="soon", DelaySeconds=1)
    [message] = receive(sqs, url, WaitTimeSeconds=20)
    assert message["Body"] == "soon"


def test_visibility_can_be_changed(sqs: Client) -> None:
    url = new_queue(sqs)
    sqs.send_message_batch(QueueUrl=url, Entries=entries("a", "b"))
    handles = [message["ReceiptHandle"] for message in receive(sqs, url)]
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handles[0], VisibilityTimeout=0)
    change = {"Id": "1", "ReceiptHandle": handles[1], "VisibilityTimeout": 0}
    changed = sqs.change_message_visibility_batch(QueueUrl=url, Entries=[change])
    assert [entry["Id"] for entry in changed["Successful"]] == ["1"]
    assert sorted(message["Body"] for message in receive(sqs, url)) == ["a", "b"]


def test_visibility_beyond_twelve_hours_is_refused(sqs: Client) -> None:
    url = new_queue(sqs)
    sqs.send_message(QueueUrl=url, MessageBody="b")
    [message] = receive(sqs, url)
    change = {"ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 43_201}
    with pytest.raises(ClientError) as caught:
        sqs.change_message_visibility(QueueUrl=url, **change)
    assert code(caught) == "InvalidParameterValue"
    answer = sqs.change_message_visibility_batch(QueueUrl=url, Entries=[{"Id": "x", **change}])
    assert [(entry["Id"], entry["Code"]) for entry in answer["Failed"]] == [("x", "InvalidParameterValue")]


def test_a_batch_is_sent_received_and_deleted(sqs: Client) -> None:
    url = new_queue(sqs)
    bodies = [f"body {index}" for index in range(10)]
    sent = sqs.send_message_batch(QueueUrl=url, Entries=entries(*bodies))
    assert [entry["Id"] for entry in sent["Successful"]] == [str(index) for index in range(10)]
    messages = receive(sqs, url)
    assert sorted(message["Body"] for message in messages) == bodies
    deletes = [{"Id": f"d{n}", "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
    deletes[3]["ReceiptHandle"] = "nonsense"
    answer = sqs.delete_message_batch(QueueUrl=url, Entries=deletes)
    assert len(answer["Successful"]) == 9
    assert [(e["Id"], e["Code"], e["SenderFault"]) for e in answer["Failed"]] == [
        ("d3", "ReceiptHandleIsInvalid", True)
    ]
    assert attribute(sqs, url, "ApproximateNumberOfMessagesNotVisible") == "1"


@pytest.mark.parametrize("unit", ["x", "é", '"'])
def test_a_message_may_have_one_mebibyte(sqs: Client, unit: str) -> None:
    if unit == "é":
        skip_moto(sqs, "counts characters, not bytes")
    url, body = new_queue(sqs), unit * (MIB // len(unit.encode()))
    sqs.send_message(QueueUrl=url, MessageBody=body)
    with pytest.raises(ClientError) as caught:
        sqs.send_message(QueueUrl=url, MessageBody=body + "x")
    assert code(caught) == "InvalidParameterValue"
    assert [message["Body"] for message in receive(sqs, url)] == [body]


def test_message_attributes_count_against_the_size(sqs: Client) -> None:
    skip_moto(sqs, "counts the body alone")
    url = new_queue(sqs)
    attributes = {"ab": {"DataType": "String", "StringValue": "cd"}}
    fits = "x" * (MIB - len("ab" + "String" + "cd"))
    sqs.send_message(QueueUrl=url, MessageBody=fits, MessageAttributes=attributes)
    with pytest.raises(ClientError) as caught:
        sqs.send_message(QueueUrl=url, MessageBody=fits + "x", MessageAttributes=attributes)
    assert code(caught) == "InvalidParameterValue"


def test_a_batch_may_have_one_mebibyte(sqs: Client) -> None:
    url, half = new_queue(sqs), "x" * (MIB // 2)
    sqs.send_message_batch(QueueUrl=url, Entries=entries(half, half))
    with pytest.raises(sqs.exceptions.BatchRequestTooLong) as caught:
        sqs.send_message_batch(QueueUrl=url, Entries=entries(half, half + "x"))
    assert code(caught) == "AWS.SimpleQueueService.BatchRequestTooLong"
    assert attribute(sqs, url, "ApproximateNumberOfMessages") == "2"


def test_a_queue_may_take_less(sqs: Client) -> None:
    url = new_queue(sqs, MaximumMessageSize="1024")
    sqs.send_message(QueueUrl=url, MessageBody="x" * 1024)
    with pytest.raises(ClientError) as caught:
        sqs.send_message(QueueUrl=url, MessageBody="x" * 1025)
    assert code(caught) == "InvalidParameterValue"


@pytest.mark.parametrize(
    ("batch", "error"),
    [
        (entries(*"abcdefghijk"), "TooManyEntriesInBatchRequest"),
        (entries("a") * 2, "BatchEntryIdsNotDistinct"),
        ([{"Id": "a b", "MessageBody": "a"}], "InvalidBatchEntryId"),
        ([], "EmptyBatchRequest"),
    ],
)
def test_a_malformed_batch_is_refused_whole(sqs: Client, batch: list[Any], error: str) -> None:
    url = new_queue(sqs)
    with pytest.raises(ClientError) as caught:
        sqs.send_message_batch(QueueUrl=url, Entries=batch)
    assert code(caught).endswith(error)
    assert attribute(sqs, url, "ApproximateNumberOfMessages") == "0"


@pytest.mark.parametrize("character", ["\0", "\x0b", "\ufffe", "\ud800"])
def test_characters_outside_xml_are_refused(sqs: Client, character: str) -> None:
    skip_moto(sqs, "accepts every character")
    url = new_queue(sqs)
    with pytest.raises(sqs.exceptions.InvalidMessageContents):
        sqs.send_message(QueueUrl=url, MessageBody=f"a{character}b")
    answer = sqs.send_message_batch(QueueUrl=url, Entries=entries("good", f"a{character}b"))
    assert [entry["Id"] for entry in answer["Successful"]] == ["0"]
    assert [(e["Id"], e["Code"]) for e in answer["Failed"]] == [("1", "InvalidMessageContents")]
    assert [message["Body"] for message in receive(sqs, url)] == ["good"]


def test_an_empty_body_is_refused(sqs: Client) -> None:
    skip_moto(sqs, "accepts it")
    with pytest.raises(ClientError):
        sqs.send_message(QueueUrl=new_queue(sqs), MessageBody="")


@pytest.mark.parametrize(
    "options",
    [{"MaxNumberOfMessages": 0}, {"MaxNumberOfMessages": 11}, {"WaitTimeSeconds": 21}],
    ids=str,
)
def test_a_receive_out_of_range_is_refused(sqs: Client, options: dict[str, int]) -> None:
    url = new_queue(sqs)
    with pytest.raises(ClientError) as caught:
        receive(sqs, url, **options)
    assert code(caught) == "InvalidParameterValue"


@pytest.mark.parametrize("action", ["send_message", "receive_message", "purge_queue", "delete_queue"])
def test_a_queue_that_is_not_there_is_named_so(sqs: Client, action: str) -> None:
    url = new_queue(sqs) + "-not"
    options = {"MessageBody": "b"} if action == "send_message" else {}
    with pytest.raises(sqs.exceptions.QueueDoesNotExist) as caught:
        getattr(sqs, action)(QueueUrl=url, **options)
    assert code(caught) == "AWS.SimpleQueueService.NonExistentQueue"


def test_queues_are_made_found_listed_and_deleted(sqs: Client) -> None:
    name = f"q-{uuid.uuid4()}"
    url = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "7"})["QueueUrl"]
    assert sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "7"})["QueueUrl"] == url
    with pytest.raises(sqs.exceptions.QueueNameExists):
        sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "8"})
    assert sqs.get_queue_url(QueueName=name)["QueueUrl"] == url
    assert sqs.list_queues(QueueNamePrefix=name)["QueueUrls"] == [url]
    sqs.delete_queue(QueueUrl=url)
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.get_queue_url(QueueName=name)
    assert sqs.list_queues(QueueNamePrefix=name).get("QueueUrls", []) == []


def test_queue_attributes_are_set_and_read(sqs: Client) -> None:
    url = new_queue(sqs, MessageRetentionPeriod="1209600")
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "120"})
    read = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    expected = {
        "VisibilityTimeout": "120",
        "MessageRetentionPeriod": "1209600",
        "DelaySeconds": "0",
        "ReceiveMessageWaitTimeSeconds": "0",
        "MaximumMessageSize": str(MIB),
        "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesNotVisible": "0",
        "ApproximateNumberOfMessagesDelayed": "0",
    }
    assert expected.items() <= read.items()
    assert read["QueueArn"].startswith("arn:aws:sqs:us-east-1:")
    assert read["QueueArn"].endswith(url.rsplit("/", 1)[-1])
    assert abs(float(read["CreatedTimestamp"]) - time.time()) < 300
    with pytest.raises(sqs.exceptions.InvalidAttributeName):
        sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Nonsense"])


@pytest.mark.parametrize(
    "attributes",
    [{"VisibilityTimeout": "43201"}, {"DelaySeconds": "-1"}, {"RedrivePolicy": "{}"}, {"Nonsense": "1"}],
    ids=str,
)
def test_queue_attributes_out_of_range_are_refused(sqs: Client, attributes: dict[str, str]) -> None:
    skip_moto(sqs, "accepts any value")
    with pytest.raises(ClientError) as caught:
        new_queue(sqs, **attributes)
    assert code(caught).startswith("Invalid")


def redriven(sqs: Client, receives: int) -> tuple[str, str]:
    dead_letter_queue = new_queue(sqs)
    arn = attribute(sqs, dead_letter_queue, "QueueArn")
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": receives})
    return new_queue(sqs, RedrivePolicy=policy), dead_letter_queue


def test_a_message_received_too_often_moves_to_the_dead_letter_queue(sqs: Client) -> None:
    url, dead_letter_queue = redriven(sqs, receives=2)
    attributes = {"kind": {"DataType": "String", "StringValue": "k"}}
    sent = sqs.send_message(QueueUrl=url, MessageBody="poison", MessageAttributes=attributes)
    assert len(receive(sqs, url, VisibilityTimeout=0)) == 1
    assert len(receive(sqs, url, VisibilityTimeout=0)) == 1
    assert receive(sqs, url) == []
    [dead] = receive(sqs, dead_letter_queue, MessageAttributeNames=["All"])
    assert (dead["MessageId"], dead["Body"]) == (sent["MessageId"], "poison")
    assert dead["MessageAttributes"] == attributes
    assert dead["Attributes"]["ApproximateReceiveCount"] == "3"
    skip_moto(sqs, "does not say where it came from")
    assert dead["Attributes"]["DeadLetterQueueSourceArn"] == attribute(sqs, url, "QueueArn")


def test_a_dead_letter_queue_that_is_not_there_is_refused(sqs: Client) -> None:
    arn = "arn:aws:sqs:us-east-1:000000000000:not-there"
    with pytest.raises(ClientError):
        new_queue(sqs, RedrivePolicy=json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2}))


def test_deleting_twice_is_accepted_and_nonsense_is_not(sqs: Client) -> None:
    url = new_queue(sqs)
    sqs.send_message(QueueUrl=url, MessageBody="b")
    [message] = receive(sqs, url)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    with pytest.raises(sqs.exceptions.ReceiptHandleIsInvalid):
        sqs.delete_message(QueueUrl=url, ReceiptHandle="nonsense")


def test_a_stale_receipt_deletes_nothing(sqs: Client) -> None:
    skip_moto(sqs, "deletes by any receipt, which AWS allows but does not promise")
    url = new_queue(sqs)
    sqs.send_message(QueueUrl=url, MessageBody="b")
    [stale], [latest] = receive(sqs, url, VisibilityTimeout=0), receive(sqs, url)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=stale["ReceiptHandle"])
    assert attribute(sqs, url, "ApproximateNumberOfMessagesNotVisible") == "1"
    sqs.delete_message(QueueUrl=url, ReceiptHandle=latest["ReceiptHandle"])
    assert attribute(sqs, url, "ApproximateNumberOfMessagesNotVisible") == "0"


def test_the_visibility_of_a_visible_message_cannot_change(sqs: Client) -> None:
    skip_moto(sqs, "hides it")
    url = new_queue(sqs)
    sqs.send_message(QueueUrl=url, MessageBody="b")
    [message] = receive(sqs, url, VisibilityTimeout=0)
    with pytest.raises(sqs.exceptions.MessageNotInflight):
        sqs.change_message_visibility(
            QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=9
        )


def test_a_purge_empties_the_queue(sqs: Client) -> None:
    url = new_queue(sqs)
    sqs.send_message_batch(QueueUrl=url, Entries=entries("a", "b"))
    receive(sqs, url, MaxNumberOfMessages=1)
    sqs.purge_queue(QueueUrl=url)
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert counts["ApproximateNumberOfMessages"] == counts["ApproximateNumberOfMessagesNotVisible"] == "0"


def test_a_long_poll_waits_its_time(sqs: Client) -> None:
    url = new_queue(sqs, ReceiveMessageWaitTimeSeconds="1")
    for options in ({}, {"WaitTimeSeconds": 1}):
        start = time.monotonic()
        assert receive(sqs, url, **options) == []
        assert time.monotonic() - start >= 0.9


def test_a_send_ends_a_long_poll(sqs: Client) -> None:
    url = new_queue(sqs)
    sending = threading.Timer(0.5, lambda: sqs.send_message(QueueUrl=url, MessageBody="b"))
    sending.start()
    start = time.monotonic()
    messages = receive(sqs, url, WaitTimeSeconds=20)
    sending.join()
    assert [message["Body"] for message in messages] == ["b"]
    assert time.monotonic() - start < 15


# ── Ours alone ───────────────────────────────────────────────────────────────────────────────────


def post(port: int, action: str, body: bytes) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", "/", body, {"X-Amz-Target": action})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("action", "body", "shape", "says"),
    [
        ("AmazonSQS.TagQueue", b"{}", "InvalidAction", "AmazonSQS.TagQueue"),
        ("", b"Action=SendMessage", "InvalidAction", "X-Amz-Target"),
        ("AmazonSQS.SendMessage", b"{", "Serialization", "not JSON"),
        ("AmazonSQS.SendMessage", b"\xff", "Serialization", "not JSON"),
        ("AmazonSQS.SendMessage", b"[" * 100_000, "Serialization", "not JSON"),
        ("AmazonSQS.SendMessage", b"{}", "MissingParameter", "QueueUrl"),
        ("AmazonSQS.SendMessage", b'{"QueueUrl": 7}', "Serialization", "QueueUrl"),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(
    port: int, action: str, body: bytes, shape: str, says: str
) -> None:
    status, answer = post(port, action, body)
    assert (status, answer["__type"]) == (400, f"com.amazonaws.sqs#{shape}")
    assert says in answer["message"]


def json_values() -> st.SearchStrategy[Any]:
    text = st.text(st.characters(codec=None), max_size=6) | st.sampled_from(["AAEC", "String", "Binary.x"])
    scalars = st.none() | st.booleans() | st.integers() | st.floats() | text
    names = st.sampled_from(
        ["Id", "MessageBody", "ReceiptHandle", "DataType", "StringValue", "BinaryValue", "AWSTraceHeader"]
    )
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | text, inner),
        max_leaves=6,
    )


PARAMETERS = st.sampled_from(
    [
        "QueueName", "Attributes", "AttributeNames", "MessageBody", "MessageAttributes", "DelaySeconds",
        "MessageSystemAttributes", "MessageAttributeNames", "ReceiptHandle", "Entries", "VisibilityTimeout",
        "MaxNumberOfMessages", "MaxResults", "NextToken", "QueueNamePrefix",
    ]
)  # fmt: skip


@given(action=st.sampled_from(sorted(ACTIONS)), fields=st.dictionaries(PARAMETERS, json_values()))
@hypothesis_settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_request_breaks_the_server(port: int, action: str, fields: dict[str, Any]) -> None:
    post(port, "AmazonSQS.CreateQueue", b'{"QueueName": "fuzz"}')
    body = json.dumps({"MessageBody": "b", "QueueUrl": "/fuzz", **fields}).encode()
    status, answer = post(port, f"AmazonSQS.{action}", body)
    assert status == 200 or (status == 400 and answer["message"])


def test_an_outage_is_answered_503(tmp_path: Path) -> None:
    store = QueueStore(tmp_path / "queue.sqlite")
    outage = threading.Event()
    with running(store, outage.is_set) as port, client_of(f"http://127.0.0.1:{port}") as client:
        url = new_queue(client)
        outage.set()
        with pytest.raises(ClientError) as caught:
            client.send_message(QueueUrl=url, MessageBody="b")
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
        outage.clear()
        client.send_message(QueueUrl=url, MessageBody="b")
    store.close()


def test_a_client_that_left_takes_no_message(ours: Client, port: int) -> None:
    url = new_queue(ours)
    body = json.dumps({"QueueUrl": url, "WaitTimeSeconds": 20}).encode()
    head = (
        f"POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: AmazonSQS.ReceiveMessage\r\nContent-Length: {len(body)}"
    )
    with socket.create_connection(("127.0.0.1", port)) as leaving:
        leaving.sendall(head.encode() + b"\r\n\r\n" + body)
        # An answer to a later request on a second connection: the first is being waited on by now.
        assert receive(ours, url) == []
    assert receive(ours, url, WaitTimeSeconds=1) == []
    ours.send_message(QueueUrl=url, MessageBody="b")
    assert len(receive(ours, url)) == 1


def test_the_server_ends_in_the_midst_of_a_long_poll(tmp_path: Path) -> None:
    store = QueueStore(tmp_path / "queue.sqlite")
    with running(store) as port, client_of(f"http://127.0.0.1:{port}") as client:
        url = new_queue(client)
        poll = json.dumps({"QueueUrl": url, "WaitTimeSeconds": 20}).encode()
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("POST", "/", poll, {"X-Amz-Target": "AmazonSQS.ReceiveMessage"})
        receive(client, url)
        start = time.monotonic()
    assert time.monotonic() - start < 15
    connection.close()
    store.close()


@contextmanager
def server_process(path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", SERVER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            yield process, f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.kill()


def test_nothing_answered_is_lost_by_a_sigkill(tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite"
    answered: set[str] = set()
    with server_process(path) as (process, endpoint), client_of(endpoint) as client:
        url = new_queue(client)
        for body in ("deleted", "in flight"):
            client.send_message(QueueUrl=url, MessageBody=body)
        deleted, in_flight = receive(client, url)
        client.delete_message(QueueUrl=url, ReceiptHandle=deleted["ReceiptHandle"])
        killing = threading.Timer(0.5, process.send_signal, [signal.SIGKILL])
        killing.start()
        with pytest.raises(Exception, match=r"(?i)connect|closed"):
            send_until_killed(client, url, answered)
        killing.join()
        assert process.wait(30) == -signal.SIGKILL
    answered.add(in_flight["MessageId"])
    with server_process(path) as (_, endpoint), client_of(endpoint) as client:
        url = client.list_queues()["QueueUrls"][0]
        kept: set[str] = set()
        while messages := receive(client, url, VisibilityTimeout=600):
            kept |= {message["MessageId"] for message in messages}
    # One send may have been stored and not yet answered when the process died.
    assert answered <= kept
    assert len(kept - answered) <= 1
    assert deleted["MessageId"] not in kept


def send_until_killed(client: Client, url: str, answered: set[str]) -> None:
    while True:
        body = b64encode(os.urandom(3000)).decode()
        answered.add(client.send_message(QueueUrl=url, MessageBody=body)["MessageId"])
