"""Answers to CloudFormation: within its limits, delivered once, whatever comes between."""

import json
import socket
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.maintain.answering import BODY_LIMIT, AnswerLostError, deliver, failure, success
from tests.cloudformation import SIGNATURE, bucket
from tests.samples import load

CREATE = load("maintain_create")
NAMES = ("StackId", "RequestId", "LogicalResourceId")


def test_an_answer_names_what_was_asked() -> None:
    answer = success(CREATE, {"Migrated": "0001_events"})
    assert answer == {
        "Status": "SUCCESS",
        "PhysicalResourceId": "migrations",
        **{name: CREATE[name] for name in NAMES},
        "Data": {"Migrated": "0001_events"},
    }
    failed = failure(CREATE, "two\n  lines")
    assert (failed["Status"], failed["Reason"]) == ("FAILED", "two lines")
    assert failure(CREATE, " \n")["Reason"]


@pytest.mark.parametrize("name", ["maintain_update", "maintain_update_same_digest", "maintain_delete"])
def test_a_resource_keeps_its_id(name: str) -> None:
    request = {**load(name), "PhysicalResourceId": "of another time"}
    assert success(request, {})["PhysicalResourceId"] == "of another time"
    assert failure(request, "why")["PhysicalResourceId"] == "of another time"


@settings(deadline=None)
@given(text=st.text(), times=st.sampled_from([1, 100, 10_000]), longest_id=st.booleans())
def test_an_answer_is_never_too_long(text: str, times: int, longest_id: bool) -> None:
    request = {**CREATE, "PhysicalResourceId": "x" * 1024} if longest_id else CREATE
    data = {"Migrated": text * times, "Ahead": text * times, "Made": "54", "Digest": "0" * 64}
    for answer in (success(request, data), failure(request, text * times)):
        assert len(json.dumps(answer).encode()) <= BODY_LIMIT
    assert "\n" not in failure(request, text * times)["Reason"]


def test_delivering_is_tried_again_and_done_once() -> None:
    with bucket(500, 0, 503) as taker:
        deliver(taker.url, success(CREATE, {}), 20)
        assert (taker.calls, taker.answers) == (4, [success(CREATE, {})])


def test_an_address_that_hangs_up_or_is_not_there_yet_is_tried_until_the_time_is_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(AnswerLostError, match="Connection refused"):
        deliver(f"http://127.0.0.1:{port}/?{SIGNATURE}", {}, 0.5)
    assert 0.2 < time.monotonic() - started < 5


def test_an_address_that_says_nothing_is_left_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        with pytest.raises(AnswerLostError, match=r"timed out|TimeoutError"):
            deliver(f"http://127.0.0.1:{silent.getsockname()[1]}/", {}, 0.6)
        assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "url",
    [
        None,
        7,
        "",
        "file:///etc/passwd",
        f"ftp://a/?{SIGNATURE}",
        f"http://\n/?{SIGNATURE}",
        f"https:// /?{SIGNATURE}",
        f"http://127.0.0.1:1/a b?{SIGNATURE}",
        f"http://[/?{SIGNATURE}",
        f"http://a:b/?{SIGNATURE}",
        f"http://\ud800/?{SIGNATURE}",
        f"https://nowhere.invalid/?{SIGNATURE}",
    ],
)
def test_what_is_no_address_is_told_without_being_quoted(url: Any) -> None:
    with pytest.raises(AnswerLostError) as error:
        deliver(url, {}, 0)
    assert SIGNATURE not in str(error.value)
    assert error.value.__cause__ is None
    assert error.value.__context__ is None


def test_an_answer_that_is_refused_is_lost_by_its_status() -> None:
    with bucket(*[403] * 9) as taker, pytest.raises(AnswerLostError, match=r"answered: HTTP 403$"):
        deliver(taker.url, {}, 0.3)
