"""What `make sam-env` writes lets a function that runs elsewhere work with the running stack."""

import json
import stat
from pathlib import Path

import boto3
import psycopg
import pytest

from local.keys import digest
from local.sam import env
from local.sam.build import build, kept
from local.sam.emulator import Emulator, own_architecture, program_of
from tests.end_to_end.conftest import Connection
from tests.end_to_end.local_stack import LocalStack, eventually, free_port
from tests.needing import PROJECT, needed
from tests.samples import load

pytestmark = pytest.mark.xdist_group("stack")


@pytest.fixture
def written(stack: LocalStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, str]]:
    target = tmp_path / "env.json"
    monkeypatch.setattr(env, "TARGET", target)
    assert env.main({"PORT": str(stack.port)}) == 0
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    found: dict[str, dict[str, str]] = json.loads(target.read_text())
    return found


def test_each_function_gets_all_that_the_template_gives_it(written: dict[str, dict[str, str]]) -> None:
    """SAM passes on what the template declares and nothing else."""
    roles = {}
    for name, variables in written.items():
        assert not [value for value in variables.values() if ".invalid" in value], name
        if "DATABASE_URL" in variables:
            with psycopg.connect(variables["DATABASE_URL"]) as connection:
                roles[name] = connection.info.user
    assert roles == {
        "SessionFunction": "footfall_session",
        "AnalyzeFunction": "footfall_analyze",
        "RecommendFunction": "footfall_recommend",
        "InsightsFunction": "footfall_insights",
        "MaintainFunction": "footfall",
    }


def test_the_samples_keys_are_known_beside_the_stacks_own(
    stack: LocalStack, written: dict[str, dict[str, str]]
) -> None:
    ingest = written["IngestFunction"]
    assert ingest["BROWSER_KEY_HASHES"].split(",") == [
        digest(stack.local()["browser_key"]),
        digest("sample-browser-key"),
    ]
    assert digest("sample-server-key") in ingest["SERVER_KEY_HASHES"]


def test_a_queue_url_says_where_the_queue_is(
    stack: LocalStack, written: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = written["IngestFunction"]["QUEUE_URL"]
    assert url == stack.local()["queue_url"]
    sqs = boto3.client(
        "sqs",
        endpoint_url=url.rpartition("/000")[0],
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )
    assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]


def test_a_built_function_works_with_it_alone(
    stack: LocalStack, database: Connection, written: dict[str, dict[str, str]]
) -> None:
    with needed() as tools:
        artifacts = build(PROJECT, own_architecture(), kept(PROJECT, own_architecture()))
        ingest = artifacts.template.functions["IngestFunction"]
        program = program_of(artifacts, ingest, written["IngestFunction"])
        with Emulator(tools, program) as emulator:
            answer = emulator.invoke(load("ingest_post_events"))
    assert answer["statusCode"] == 202
    sent = [event["id"] for event in json.loads(load("ingest_post_events")["body"])["events"]]
    stored = "SELECT FROM event_ids WHERE id = ANY (%s::uuid[])"
    eventually(lambda: database.execute(stored, [sent]).rowcount == len(sent))


def test_without_a_stack_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    assert env.main({"PORT": str(port)}) == 1
    assert capsys.readouterr().err == (
        f"sam-env: no stack answers at http://127.0.0.1:{port}: start it with `make run`, or set PORT\n"
    )
