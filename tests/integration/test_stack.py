"""A small template run whole: database, queue, functions, gateway and the local-only routes."""

import asyncio
import json
import os
import re
import signal
import socket
import stat
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import boto3
import psycopg
import pytest

from local.control.starting import turn_away
from local.deployment import DeploymentError
from local.machine import TakenError, take_port
from local.stack import Settings, Stack
from tests.on_loop import on_loop
from tests.samples import load

TEMPLATE = """
Parameters:
  JwtIssuer: {Type: String}
  InsightsClientId: {Type: String}
  BrowserKeyHashes: {Type: CommaDelimitedList}
  ServerKeyHashes: {Type: CommaDelimitedList}
  Word: {Type: String, Default: none}
Globals:
  Function: {Runtime: python3.13, Timeout: 10}
Resources:
  Api: {Type: AWS::Serverless::HttpApi}
  Letters: {Type: AWS::SQS::Queue}
  Work:
    Type: AWS::SQS::Queue
    Properties: {RedrivePolicy: {deadLetterTargetArn: !GetAtt Letters.Arn, maxReceiveCount: 5}}
  Cluster: {Type: AWS::RDS::DBCluster}
  MigrateFunction:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.migrate
      Environment: {Variables: {DATABASE_URL: !Sub "postgresql://x@${Cluster.Endpoint.Address}/x"}}
  Words:
    Type: Custom::Words
    Properties: {ServiceToken: !GetAtt MigrateFunction.Arn, ServiceTimeout: 2, Word: !Ref Word}
  FrontFunction:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.front
      Environment:
        Variables: {QUEUE_URL: !Ref Work, WORD: !Ref Word, KEYS: !Join [",", !Ref BrowserKeyHashes]}
      Events:
        Post: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: POST, Path: "/words/{word}"}}
  WriteFunction:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.write
      Environment: {Variables: {DATABASE_URL: !Sub "postgresql://x@${Cluster.Endpoint.Address}/x"}}
      Events:
        Queue:
          Type: SQS
          Properties: {Queue: !GetAtt Work.Arn, ScalingConfig: {MaximumConcurrency: 2}}
"""
APP = """
    import json, os, urllib.request

    def answer(event, status="SUCCESS", **more):
        named = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
        body = json.dumps({"Status": status, "PhysicalResourceId": "w", **named, **more}).encode()
        put = urllib.request.Request(event["ResponseURL"], body, {"content-type": ""}, method="PUT")
        urllib.request.urlopen(put)

    def migrate(event, context):
        import psycopg
        with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS words (word text)")
            connection.execute("CREATE TABLE IF NOT EXISTS requests (request jsonb)")
            connection.execute("INSERT INTO requests VALUES (%s)", [json.dumps(event)])
        answer(event)

    def front(event, context):
        import boto3
        if "pid" in event:
            return {"pid": os.getpid()}
        boto3.client("sqs").send_message(
            QueueUrl=os.environ["QUEUE_URL"], MessageBody=event["pathParameters"]["word"]
        )
        return {"word": os.environ["WORD"], "keys": os.environ["KEYS"]}

    def write(event, context):
        import psycopg
        if event == {"fail": True}:
            raise ValueError("told to")
        with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
            for record in event.get("Records", []):
                connection.execute("INSERT INTO words VALUES (%s)", [record["body"]])
        return {"written": True}
"""


def settings(folder: Path, port: int = 0) -> Settings:
    return Settings(folder, folder / "data", port, None, {"Word": "given"}, os.environ)


@asynccontextmanager
async def stack_of(folder: Path, app: str = APP) -> AsyncIterator[str]:
    (folder / "template.yaml").write_text(TEMPLATE)
    (folder / "app.py").write_text(textwrap.dedent(app))
    stack = Stack(settings(folder), lambda _: None)
    try:
        yield await stack.start()
    finally:
        await stack.stop()


async def fetch(method: str, url: str, body: Any = None) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.request(method, url, data=body) as response:
        return response.status, await response.json()


async def until_answered(method: str, url: str, expected: tuple[int, Any]) -> None:
    async with asyncio.timeout(30):
        while await fetch(method, url) != expected:
            await asyncio.sleep(0.02)


def words(database_url: str) -> list[str]:
    with psycopg.connect(database_url) as connection:
        return [word for (word,) in connection.execute("SELECT word FROM words ORDER BY word")]


@on_loop
async def test_a_template_runs_whole_and_keeps_its_data(tmp_path: Path) -> None:
    async with stack_of(tmp_path) as url:
        assert await fetch("GET", f"{url}/health") == (200, {"status": "ok"})
        _, facts = await fetch("GET", f"{url}/local")
        _, answer = await fetch("POST", f"{url}/words/hello")
        assert answer["word"] == "given"
        assert len(answer["keys"]) == 64
        async with asyncio.timeout(30):
            while words(facts["database_url"]) != ["hello"]:
                await asyncio.sleep(0.02)
        assert facts["queue_url"].endswith("/Work")
        assert facts["dlq_url"].endswith("/Letters")
        assert facts["queue_url"].startswith(facts["sqs_endpoint"])
        await check_tokens(url)
        await asyncio.to_thread(check_invoke_api, url)
        await check_that_health_tells_a_dead_function(url, tmp_path / "app.py")
        with pytest.raises(TakenError, match="another stack runs on"):
            await Stack(settings(tmp_path), lambda _: None).start()
    assert stat.S_IMODE((tmp_path / "data" / "keys.json").stat().st_mode) == 0o600
    async with stack_of(tmp_path) as url:
        _, again = await fetch("GET", f"{url}/local")
        assert again["browser_key"] == facts["browser_key"]
        assert again["server_key"] == facts["server_key"]
        assert words(again["database_url"]) == ["hello"]
        check_requests(again["database_url"])


def check_requests(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        create, update = [request for (request,) in connection.execute("SELECT request FROM requests")]
    assert (create["RequestType"], update["RequestType"]) == ("Create", "Update")
    assert update["OldResourceProperties"] == create["ResourceProperties"]
    assert create["ResourceProperties"]["Word"] == "given"
    assert update["PhysicalResourceId"] == "w"
    assert create["RequestId"] != update["RequestId"]
    for request, name in ((create, "maintain_create"), (update, "maintain_update")):
        assert request.keys() == load(name).keys(), "what CloudFormation sends"


async def check_tokens(url: str) -> None:
    status, answer = await fetch("POST", f"{url}/local/token", json.dumps({"sub": "u1", "scope": "a"}))
    assert status == 200
    assert answer["access_token"].count(".") == 2
    _, discovery = await fetch("GET", f"{url}/local/issuer/.well-known/openid-configuration")
    assert discovery["issuer"] == f"{url}/local/issuer"
    for bad in ("", "[]", '{"scope":"a"}', '{"sub":""}', '{"sub":"u","scope":1}'):
        status, answer = await fetch("POST", f"{url}/local/token", bad)
        assert status == 400
        assert set(answer) == {"code", "message"}


def check_invoke_api(url: str) -> None:
    client = boto3.client(
        "lambda", "us-east-1", endpoint_url=url, aws_access_key_id="x", aws_secret_access_key="x"
    )
    done = client.invoke(FunctionName="WriteFunction", Payload=b"{}")
    assert (done["StatusCode"], done.get("FunctionError")) == (200, None)
    assert "written" in json.loads(done["Payload"].read())
    failed = client.invoke(FunctionName="WriteFunction", Payload=b'{"fail":true}')
    assert failed["FunctionError"] == "Unhandled"
    assert json.loads(failed["Payload"].read())["errorMessage"] == "told to"
    for kind, status in (("Event", 202), ("DryRun", 204)):
        assert client.invoke(FunctionName="WriteFunction", InvocationType=kind)["StatusCode"] == status
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.invoke(FunctionName="Nobody")
    with pytest.raises(client.exceptions.InvalidRequestContentException):
        client.invoke(FunctionName="WriteFunction", Payload=b"no json")
    client.close()


async def check_that_health_tells_a_dead_function(url: str, app: Path) -> None:
    _, answer = await fetch("POST", f"{url}/2015-03-31/functions/FrontFunction/invocations", '{"pid":1}')
    working = app.read_text()
    app.write_text("raise ImportError('broken')")
    os.kill(answer["pid"], signal.SIGKILL)
    failing = {"status": "unavailable", "failing": ["FrontFunction"]}
    await until_answered("GET", f"{url}/health", (503, failing))
    app.write_text(working)
    await until_answered("GET", f"{url}/health", (200, {"status": "ok"}))


SILENT = "MigrateFunction gave no answer"


@pytest.mark.parametrize(
    ("does", "reason"),
    [
        ("answer(event, 'FAILED', Reason='no such column')", "Words failed: no such column"),
        ("raise ValueError('broken')", "Words failed: MigrateFunction: ValueError: broken"),
        ("pass", f"Words failed: {SILENT}"),
        ("import time; time.sleep(9)", f"Words failed: {SILENT} in 2 seconds"),
        ("answer(event, 'FAILED')", "the answer gives no Reason"),
        ("answer(event, 'DONE')", "the answer has no Status"),
        ("answer(event, PhysicalResourceId='')", "the answer has no PhysicalResourceId"),
        ("answer({**event, 'RequestId': 'another'})", "the answer is not to this request"),
        ("answer(event, Data={'a': 'x' * 5000})", "no JSON object of at most 4096 bytes"),
        (
            "urllib.request.urlopen(urllib.request.Request(event['ResponseURL'], b'{}', method='PUT'))",
            "Error 403",
        ),
        ("answer({**event, 'ResponseURL': event['ResponseURL'] + 'x'})", "HTTP Error 403"),
    ],
)
def test_a_custom_resource_that_is_not_made_stops_the_start_and_says_why(
    tmp_path: Path, does: str, reason: str
) -> None:
    app = textwrap.dedent(APP).replace("    answer(event)\n", f"    {does}\n")

    @on_loop
    async def start() -> None:
        async with stack_of(tmp_path, app):
            pass

    with pytest.raises(DeploymentError, match=re.escape(reason)):
        start()
    assert not (tmp_path / "data" / "deployed.json").exists()


@on_loop
async def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        stack = Stack(settings(tmp_path, port), lambda _: None)
        with pytest.raises(TakenError, match=f"127.0.0.1:{port} .*: free it or set PORT"):
            await stack.start()
        await stack.stop()


@on_loop
async def test_a_port_is_one_stacks_from_the_first_moment_and_says_that_it_is_starting() -> None:
    listener = take_port(0)
    port = listener.getsockname()[1]
    with listener, pytest.raises(TakenError, match=f"127.0.0.1:{port} .*set PORT"):
        take_port(port)
    listener = take_port(0)
    doorkeeper = await turn_away(listener)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    status, body = await fetch("GET", f"{url}/health")
    assert (status, body["failing"]) == (503, ["starting"])
    await doorkeeper.cleanup()
    listener.close()
