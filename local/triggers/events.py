"""The events that AWS hands to a function, built once for the local runner and the tests."""

import base64
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote

from local.template.model import ACCOUNT, REGION, Route, Schedule

Json = dict[str, Any]

API_ID = "local"
_TEXT_TYPES = frozenset({"application/json", "application/javascript", "application/xml"})
# What one hop says to the next never reaches a function.
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "expect",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


@dataclass(frozen=True)
class HttpRequest:
    """A request as it came in: `path` and `query` still encoded, header names in any case."""

    method: str
    path: str
    query: str = ""
    headers: Iterable[tuple[str, str]] = ()
    body: bytes = b""
    source_ip: str = "127.0.0.1"
    time: datetime = field(default_factory=lambda: datetime.now(UTC))
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))


def http_event(
    request: HttpRequest,
    route: Route,
    parameters: Mapping[str, str] | None = None,
    authorizer_context: Json | None = None,
) -> Json:
    """An HTTP API event, payload format 2.0: absent things are absent keys."""
    headers, cookies = _headers(request)
    event: Json = {"version": "2.0", **_request_part(request, route, headers, cookies, parameters)}
    if authorizer_context is not None:
        event["requestContext"]["authorizer"] = {"lambda": authorizer_context}
    text = body_text(headers, request.body)
    if request.body:
        event["body"] = base64.b64encode(request.body).decode() if text is None else text
    event["isBase64Encoded"] = bool(request.body) and text is None
    return event


def authorizer_event(
    request: HttpRequest,
    route: Route,
    identity: Sequence[str],
    parameters: Mapping[str, str] | None = None,
) -> Json:
    """What a Lambda authorizer gets with payload format 2.0: never the body."""
    headers, cookies = _headers(request)
    path = unquote(request.path)
    return {
        "version": "2.0",
        "type": "REQUEST",
        "routeArn": f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{API_ID}/$default/{request.method}{path}",
        "identitySource": list(identity),
        **_request_part(request, route, headers, cookies, parameters),
    }


def body_text(headers: Mapping[str, str], body: bytes) -> str | None:
    """The body where API Gateway hands it on as text, None where it hands it on in base64."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if "content-encoding" in headers or not (kind.startswith("text/") or kind in _TEXT_TYPES):
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _headers(request: HttpRequest) -> tuple[dict[str, str], list[str]]:
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for name, value in request.headers:
        lower = name.lower()
        if lower == "cookie":
            cookies += [cookie.strip() for cookie in value.split(";")]
        elif lower not in _HOP_BY_HOP:
            headers[lower] = f"{headers[lower]},{value}" if lower in headers else value
    if request.body or "content-length" in headers:
        headers["content-length"] = str(len(request.body))
    return headers, cookies


def _request_part(
    request: HttpRequest,
    route: Route,
    headers: dict[str, str],
    cookies: list[str],
    parameters: Mapping[str, str] | None,
) -> Json:
    # An HTTP API hands the path on decoded, rawPath too, unlike REST APIs and function URLs.
    path = unquote(request.path)
    part: Json = {"routeKey": route.key, "rawPath": path, "rawQueryString": request.query}
    if cookies:
        part["cookies"] = cookies
    part["headers"] = headers
    query = query_parameters(request.query)
    if query:
        part["queryStringParameters"] = query
    if parameters:
        part["pathParameters"] = dict(parameters)
    part["requestContext"] = _request_context(request, route, headers, path)
    return part


def query_parameters(query: str) -> dict[str, str]:
    """Decoded; the values of a repeated name are joined by commas."""
    values: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        values[name] = f"{values[name]},{value}" if name in values else value
    return values


def _request_context(request: HttpRequest, route: Route, headers: Mapping[str, str], path: str) -> Json:
    domain = headers.get("host", "localhost")
    return {
        "accountId": ACCOUNT,
        "apiId": API_ID,
        "domainName": domain,
        "domainPrefix": domain.partition(".")[0],
        "http": {
            "method": request.method,
            "path": path,
            "protocol": "HTTP/1.1",
            "sourceIp": request.source_ip,
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": request.request_id,
        "routeKey": route.key,
        "stage": "$default",
        "time": request.time.strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": int(request.time.timestamp() * 1000),
    }


class QueueMessage(Protocol):
    """What a record is made of; `message_attributes` as SQS's API gives them."""

    @property
    def id(self) -> str: ...
    @property
    def body(self) -> str: ...
    @property
    def receipt_handle(self) -> str: ...
    @property
    def md5_of_body(self) -> str: ...
    @property
    def attributes(self) -> Mapping[str, str]: ...
    @property
    def message_attributes(self) -> Mapping[str, Mapping[str, Any]]: ...


def sqs_record(message: QueueMessage, queue_arn: str) -> Json:
    """One record of an SQS event."""
    return {
        "messageId": message.id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": dict(message.attributes),
        "messageAttributes": {
            name: _message_attribute(value) for name, value in message.message_attributes.items()
        },
        "md5OfBody": message.md5_of_body,
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": REGION,
    }


def _message_attribute(value: Mapping[str, Any]) -> Json:
    record: Json = {"stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}
    if "StringValue" in value:
        record["stringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        binary = value["BinaryValue"]
        record["binaryValue"] = base64.b64encode(binary).decode() if isinstance(binary, bytes) else binary
    return record


def sqs_event(messages: Iterable[QueueMessage], queue_arn: str) -> Json:
    """What an event source mapping hands to a function."""
    return {"Records": [sqs_record(message, queue_arn) for message in messages]}


def schedule_payload(schedule: Schedule, now: datetime) -> bytes:
    """The schedule's own Input, or the event that the scheduler makes."""
    if schedule.input is not None:
        return schedule.input.encode()
    # EventBridge Scheduler sends its detail as text, an EventBridge rule as an object.
    from_scheduler = schedule.source == "aws.scheduler"
    kind = "scheduler" if from_scheduler else "events"
    name = f"schedule/default/{schedule.name}" if from_scheduler else f"rule/{schedule.name}"
    return encode(
        {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Scheduled Event",
            "source": schedule.source,
            "account": ACCOUNT,
            "time": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": REGION,
            "resources": [f"arn:aws:{kind}:{REGION}:{ACCOUNT}:{name}"],
            "detail": "{}" if from_scheduler else {},
        }
    )


def encode(event: object) -> bytes:
    """JSON as it travels: UTF-8, no blanks, and so that its length is what counts against limits."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
