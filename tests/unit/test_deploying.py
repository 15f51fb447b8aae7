"""Whatever CloudFormation asks and whatever goes wrong, it gets one answer."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from footfall.errors import FootfallError
from footfall.settings import Settings
from functions.maintain import deploying, handler
from functions.maintain.answering import AnswerLostError
from functions.maintain.deploying import deploy
from tests.cloudformation import SIGNATURE, Answer, Bucket, bucket
from tests.samples import load

NOW = datetime(2031, 5, 20, 12, tzinfo=UTC)
# Refused at once: nothing listens on port 1.
ENVIRON = {"DATABASE_URL": "postgresql://owner:secret@127.0.0.1:1/footfall", "RETENTION_MONTHS": "1"}
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)
REQUEST_TYPES = st.sampled_from(["Create", "Update", "Delete"]) | VALUES
PROPERTIES = ["ResourceProperties", "OldResourceProperties", "StackId", "RequestId", "LogicalResourceId"]


@pytest.fixture(scope="module")
def taker() -> Iterator[Bucket]:
    with bucket() as taker:
        yield taker


def answer_to(request: dict[str, Any], environ: dict[str, str], taker: Bucket) -> Answer:
    taker.bodies.clear()
    returned = deploy({**request, "ResponseURL": taker.url}, Settings(environ), NOW, 36)
    [answer] = taker.answers
    assert answer == returned
    return answer


@settings(deadline=None)
@given(kind=REQUEST_TYPES, odd=st.dictionaries(st.sampled_from(PROPERTIES), VALUES))
def test_any_request_is_answered_once(taker: Bucket, kind: Any, odd: dict[str, Any]) -> None:
    answer = answer_to({**load("maintain_update"), **odd, "RequestType": kind}, ENVIRON, taker)
    if kind == "Delete":
        assert answer["Status"] == "SUCCESS"
    else:
        assert answer["Status"] == "FAILED"
        assert answer["Reason"]
        assert "secret" not in answer["Reason"]


ERRORS = st.sampled_from(
    [ValueError, KeyError, MemoryError, RecursionError, OSError, FootfallError, psycopg.Error, StopIteration]
)


@settings(deadline=None)
@given(error=ERRORS, message=st.text())
def test_any_error_is_answered_once(taker: Bucket, error: type[Exception], message: str) -> None:
    def fail(*_: object) -> None:
        raise error(message)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deploying, "_bring_up", fail)
        assert answer_to(load("maintain_create"), ENVIRON, taker)["Status"] == "FAILED"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"DATABASE_URL": ""}, "the environment variable DATABASE_URL is missing"),
        ({"RETENTION_MONTHS": "many"}, "RETENTION_MONTHS must be a whole number from 1, not 'many'"),
        ({"DATABASE_URL": "owner:secret"}, "DATABASE_URL isn't the URL of"),
        ({"DATABASE_URL": "postgresql://owner:secret@[/a"}, "DATABASE_URL isn't the URL of"),
        ({}, "connection failed: connection to server at \"127.0.0.1\", port 1 failed: Connection refused"),
    ],
)  # fmt: skip
def test_a_setting_that_is_wrong_is_named(
    taker: Bucket, capsys: pytest.CaptureFixture[str], changed: dict[str, str], reason: str
) -> None:
    answer = answer_to(load("maintain_create"), {**ENVIRON, **changed}, taker)
    assert answer["Reason"].startswith(reason)
    assert "secret" not in capsys.readouterr().out


def test_a_log_that_cannot_be_written_does_not_cost_the_answer(
    taker: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: str) -> None:
        raise ValueError("Unknown level: 'LOUD'")

    monkeypatch.setattr(deploying, "logger", fail)
    taker.bodies.clear()
    for name in ("maintain_delete", "maintain_create"):
        with pytest.raises(ValueError, match="Unknown level"):
            deploy({**load(name), "ResponseURL": taker.url}, Settings(ENVIRON), NOW, 36)
    assert [answer["Status"] for answer in taker.answers] == ["SUCCESS", "FAILED"]


def test_a_delete_needs_no_database(taker: Bucket) -> None:
    assert answer_to(load("maintain_delete"), {}, taker)["Status"] == "SUCCESS"


def test_an_answer_that_is_lost_is_an_error_so_that_lambda_calls_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(deploying, "DELIVERY_SECONDS", 0.3)
    with bucket(*[500] * 99) as taker:
        request = {**load("maintain_delete"), "ResponseURL": taker.url}
        with pytest.raises(AnswerLostError, match="HTTP 500"):
            deploy(request, Settings({}), NOW, 300)
        assert taker.calls > 1
    assert SIGNATURE not in capsys.readouterr().out


def test_the_handler_knows_a_deploy_by_its_request(taker: Bucket) -> None:
    class Context:
        @staticmethod
        def get_remaining_time_in_millis() -> int:
            return 300_000

    taker.bodies.clear()
    request = {**load("maintain_delete"), "ResponseURL": taker.url}
    assert handler.lambda_handler(request, Context())["Status"] == "SUCCESS"
    assert len(taker.bodies) == 1
