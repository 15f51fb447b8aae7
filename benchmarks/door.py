"""Ingest as the gateway wakes it, with the real queue client; only the exchange over HTTP is left out."""

import json
import os
from collections.abc import Iterable
from typing import Any, Self
from unittest import mock

import boto3
import botocore.session
from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from benchmarks.framework import BenchmarkError
from benchmarks.messages import http_of
from benchmarks.traffic import Sent
from footfall.keys import digest
from functions.ingest import handler

KEYS = {"browser": "pk_benchmark", "server": "sk_benchmark"}
ENVIRONMENT = {
    "QUEUE_URL": "http://127.0.0.1:1/000000000000/events",
    "BROWSER_KEY_HASHES": digest(KEYS["browser"]),
    "SERVER_KEY_HASHES": digest(KEYS["server"]),
    "RETENTION_MONTHS": "13",
    "AWS_ACCESS_KEY_ID": "benchmark",
    "AWS_SECRET_ACCESS_KEY": "benchmark",
    "AWS_DEFAULT_REGION": "eu-central-1",
}


class Door:
    """Takes requests and keeps what is sent to the queue. One at a time: it sets the environment."""

    def __init__(self) -> None:
        self._bodies: list[str] = []
        self._environment = mock.patch.dict(os.environ, ENVIRONMENT)

    def __enter__(self) -> Self:
        self._environment.start()
        session = botocore.session.get_session()
        session.register("before-send.sqs.SendMessage", self._take)
        boto3.setup_default_session(botocore_session=session)
        _forget()
        return self

    def __exit__(self, *_: object) -> None:
        self._environment.stop()
        boto3.DEFAULT_SESSION = None
        _forget()

    def event_of(self, sent: Sent) -> dict[str, Any]:
        """The request in payload format 2.0."""
        event: dict[str, Any] = {**http_of(sent), "body": sent.body.decode(), "isBase64Encoded": False}
        if sent.speaker.kind == "user":
            event["requestContext"] = {
                **event["requestContext"],
                "authorizer": {"lambda": {"sub": sent.speaker.user, "scope": ""}},
            }
            return event | {"routeKey": "POST /v1/me/events"}
        key = {"write_key": KEYS[sent.speaker.kind]}
        return event | {"routeKey": "POST /v1/events", "queryStringParameters": key}

    def send(self, events: Iterable[dict[str, Any]]) -> list[str]:
        """The queue's bodies, after all requests were taken.

        Raises:
            BenchmarkError: one was refused.
        """
        self._bodies = []
        for event in events:
            answer = handler.lambda_handler(event, None)
            if answer["statusCode"] != 202:
                raise BenchmarkError(f"ingest answered {answer['statusCode']}: {answer['body']}")
        return self._bodies

    def _take(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        self._bodies.append(json.loads(request.body)["MessageBody"])
        return AWSResponse(request.url, 200, {"content-type": "application/x-amz-json-1.0"}, _Raw())


class _Raw:
    def stream(self, *_: object, **__: object) -> Iterable[bytes]:
        return [b'{"MessageId":"1","MD5OfMessageBody":""}']


def _forget() -> None:
    handler._settings.cache_clear()
    handler._sender.cache_clear()
