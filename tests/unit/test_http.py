"""A request as the gateway hands it over, and the one place where errors become answers."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from footfall import errors, ids
from footfall.errors import BadRequestError, FootfallError, ForbiddenError
from footfall.http import ADMIN, READ, Answer, Caller, Request, dispatch
from tests.samples import load

UNAVAILABLE = "Footfall can't do this now; try again in a moment."
INTERNAL = "Something failed on our side."
ANSWERS: dict[str, tuple[int, str]] = {
    "FootfallError": (500, "internal"),
    "MissingSettingError": (500, "internal"),
    "BadDataError": (500, "internal"),
    "ConflictError": (500, "internal"),
    "FunctionFailedError": (500, "internal"),
    "RequestError": (400, "bad_request"),
    "BadRequestError": (400, "bad_request"),
    "UnauthorizedError": (401, "unauthorized"),
    "ForbiddenError": (403, "forbidden"),
    "NotFoundError": (404, "not_found"),
    "TooLargeError": (413, "too_large"),
    "UnavailableError": (503, "unavailable"),
    "QueueUnavailableError": (503, "unavailable"),
    "DatabaseUnavailableError": (503, "unavailable"),
    "TooSlowError": (503, "unavailable"),
}


def tree(kind: type[FootfallError] = FootfallError) -> Iterator[type[FootfallError]]:
    if kind.__module__ == errors.__name__:
        yield kind
    for child in kind.__subclasses__():
        yield from tree(child)


def answer_to(error: Exception) -> tuple[int, dict[str, str], dict[str, Any]]:
    def fail(request: Request) -> Answer:
        raise error

    answer = dispatch({"POST /v1/events": fail}, load("ingest_post_events"))
    return answer["statusCode"], answer["headers"], json.loads(answer["body"])


def request(**changed: Any) -> Request:
    return Request({**load("ingest_post_my_events"), **changed})


def test_the_table_knows_every_error_of_the_tree() -> None:
    assert {kind.__name__ for kind in tree()} == set(ANSWERS)


@pytest.mark.parametrize("kind", list(tree()), ids=lambda kind: str(kind.__name__))
def test_an_error_leaves_as_code_and_message(kind: type[FootfallError]) -> None:
    status, code = ANSWERS[kind.__name__]
    for error, said in [
        (kind(), str(kind.__doc__)),
        (kind("secret: what went wrong"), "secret: what went wrong"),
    ]:
        answered, headers, body = answer_to(error)
        message = {500: INTERNAL, 503: UNAVAILABLE}.get(status, said)
        assert (answered, body) == (status, {"code": code, "message": message})
        assert headers["content-type"] == "application/json"
        assert ("retry-after" in headers) == (status == 503)
        assert headers.get("retry-after", "1").isdecimal()
        assert int(headers.get("retry-after", "1")) >= 1


def test_the_docstring_is_the_message_where_none_is_given() -> None:
    assert str(errors.UnauthorizedError()) == "The key isn't known."
    assert str(errors.UnauthorizedError("other")) == "other"


def test_details_stand_beside_the_message() -> None:
    status, _, body = answer_to(BadRequestError("nothing is an event", rejected=[{"index": 0}]))
    assert (status, body["rejected"]) == (400, [{"index": 0}])


@pytest.mark.parametrize("error", [ZeroDivisionError("secret"), KeyError("secret"), RecursionError("secret")])
def test_what_nobody_foresaw_says_nothing_of_itself(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, body = answer_to(error)
    assert (status, body) == (500, {"code": "internal", "message": INTERNAL})
    assert "secret" not in json.dumps(body)


@pytest.mark.parametrize("route", ["GET /v1/unknown", None])
def test_a_route_that_nobody_serves_is_our_mistake(route: str | None) -> None:
    event = load("ingest_post_events")
    event["routeKey"] = route
    assert dispatch({}, event)["statusCode"] == 500
    del event["routeKey"]
    assert dispatch({}, event)["statusCode"] == 500


# ── The answer ───────────────────────────────────────────────────────────────────────────────────


def test_an_answer_is_compact_json() -> None:
    assert Answer({"a": [1, "ä"]}, 202, {"x": "y"}).to_gateway() == {
        "statusCode": 202,
        "headers": {"content-type": "application/json", "x": "y"},
        "body": '{"a":[1,"\\u00e4"]}',
    }
    assert Answer(None, 204).to_gateway()["body"] == ""


@pytest.mark.parametrize("spell", ["{}", "W/{}", '"other", {}', "*"])
def test_an_answer_that_may_be_kept_is_sent_once(spell: str) -> None:
    answer = Answer({"a": 1}, max_age=60)
    first = answer.to_gateway('"other"')
    tag = first["headers"]["etag"]
    assert first["headers"] == {
        "content-type": "application/json",
        "cache-control": "private, max-age=60",
        "etag": tag,
        "vary": "authorization",
    }
    assert (first["statusCode"], first["body"]) == (200, '{"a":1}')
    again = answer.to_gateway(spell.format(tag))
    assert (again["statusCode"], again["body"], again["headers"]["etag"]) == (304, "", tag)
    other = Answer({"a": 2}, max_age=60).to_gateway(tag)
    assert other["statusCode"] == 200
    assert other["headers"]["etag"] != tag


# ── The request ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("body", [b"", b"{}", "\u00e4\U0001f600".encode()])
def test_a_body_comes_as_text_or_in_base64(body: bytes) -> None:
    assert request(body=body.decode(), isBase64Encoded=False).body == body
    assert request(body=base64.b64encode(body).decode(), isBase64Encoded=True).body == body


def test_a_body_of_any_bytes_comes_in_base64() -> None:
    body = bytes(range(256))
    assert request(body=base64.b64encode(body).decode(), isBase64Encoded=True).body == body
    assert request(body="\ud800", isBase64Encoded=False).body == b"\xed\xa0\x80"


@pytest.mark.parametrize("said", [None, "absent"])
def test_a_request_may_have_nothing_but_a_route(said: str | None) -> None:
    names = ("body", "isBase64Encoded", "headers", "queryStringParameters", "pathParameters")
    event = {**load("ingest_post_my_events"), **dict.fromkeys(names)}
    if said == "absent":
        event = {key: value for key, value in event.items() if key not in names}
    empty = Request(event)
    assert (empty.body, empty.headers, empty.query, empty.path) == (b"", {}, {}, {})
    assert empty.limit(20, 100) == 20


@pytest.mark.parametrize("text", ["!", "a", "é", "YQ=", "Y Q=="])
def test_a_body_that_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(BadRequestError, match="the body isn't valid base64"):
        _ = request(body=text, isBase64Encoded=True).body


@pytest.mark.parametrize(("text", "limit"), [("1", 1), ("100", 100), ("007", 7)])
def test_a_limit_is_a_whole_number_within_bounds(text: str, limit: int) -> None:
    assert request(queryStringParameters={"limit": text}).limit(20, 100) == limit


@pytest.mark.parametrize("text", ["", "0", "101", "-1", "1.5", "ten", "\u0661", "²", "9" * 5000, " 1", "1,2"])
def test_another_limit_is_refused_by_name(text: str) -> None:
    with pytest.raises(BadRequestError, match=r"^limit: must be a whole number from 1 to 100, not ") as error:
        request(queryStringParameters={"limit": text}).limit(20, 100)
    assert len(str(error.value)) < 120


# ── The caller ───────────────────────────────────────────────────────────────────────────────────


def caller(**said: Any) -> Caller:
    event = load("ingest_post_my_events")
    event["requestContext"]["authorizer"] = {"lambda": said}
    return Request(event).caller


def test_a_user_is_who_the_authorizer_verified() -> None:
    ada = caller(sub="ada", scope=f"openid {READ}", kind="user")
    assert ada == Caller("ada", frozenset({"openid", READ}))
    assert ada.user_id == ids.to_uuid("user", "ada")
    ada.require(READ)
    with pytest.raises(ForbiddenError, match=f"this needs the scope {ADMIN}"):
        ada.require(ADMIN)


def test_the_server_key_is_nobody() -> None:
    server = caller(sub="", scope=f"{READ} {ADMIN}", kind="server")
    server.require(ADMIN)
    with pytest.raises(ForbiddenError, match="name one instead of `me`"):
        _ = server.user_id


@pytest.mark.parametrize(
    "authorizer", [None, {}, {"lambda": None}, {"lambda": {}}, {"lambda": {"scope": None}}]
)
def test_without_an_authorizer_nothing_is_allowed(authorizer: Any) -> None:
    event = load("ingest_post_my_events")
    event["requestContext"].pop("authorizer")
    if authorizer is not None:
        event["requestContext"]["authorizer"] = authorizer
    assert Request(event).caller == Caller(None, frozenset())


def test_a_scope_is_a_whole_word() -> None:
    with pytest.raises(ForbiddenError):
        caller(sub="ada", scope=f"{READ}er x{READ}").require(READ)
