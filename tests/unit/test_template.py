"""The template's reader: what SAM and CloudFormation would make of it, it makes too."""

import re
from pathlib import Path
from typing import Any

import pytest

from local.template.intrinsics import TemplateError, load_yaml
from local.template.model import Cors, Template, Throttle
from local.template.parameters import parse_overrides, read_parameters
from local.template.reader import read_template
from tests.deployed import deployed as as_deployed

PROJECT = Path(__file__).parents[2]
DIGEST = "3f" * 32


def read(tmp_path: Path, text: str, **overrides: str) -> Template:
    path = tmp_path / "template.yaml"
    path.write_text(text)
    return read_template(path, overrides)


SMALL = """
Parameters:
  Stage: {Type: String, Default: test, AllowedValues: [test, live]}
  Origins: {Type: CommaDelimitedList, Default: "https://a.example, https://b.example"}
  Months: {Type: Number, Default: 13, MinValue: 1, MaxValue: 24}
Mappings:
  Sizes: {test: {Memory: 256}, live: {Memory: 1024}}
Conditions:
  IsLive: !Equals [!Ref Stage, live]
Globals:
  Function:
    Runtime: python3.13
    Timeout: 20
    Layers: [!Ref Common]
    Environment: {Variables: {LEVEL: INFO, STAGE: !Ref Stage}}
Resources:
  Common:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: layers/common/}
  Cluster:
    Type: AWS::RDS::DBCluster
  Letters:
    Type: AWS::SQS::Queue
  Work:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 120
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Letters.Arn, maxReceiveCount: 100}
  LiveOnly:
    Type: AWS::Serverless::Function
    Condition: IsLive
    Properties: {Handler: a.b}
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      CorsConfiguration: {AllowOrigins: !Ref Origins, AllowMethods: [GET], MaxAge: 60}
      DefaultRouteSettings: {ThrottlingBurstLimit: 20, ThrottlingRateLimit: 10}
      RouteSettings: {"GET /open": {ThrottlingRateLimit: 1}}
      Auth:
        DefaultAuthorizer: Token
        Authorizers:
          Token:
            FunctionArn: !GetAtt Worker.Arn
            AuthorizerPayloadFormatVersion: "2.0"
            EnableSimpleResponses: true
            Identity: {Headers: [Authorization], ReauthorizeEvery: 60}
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Handler: functions.worker.handler.lambda_handler
      MemorySize: !FindInMap [Sizes, !Ref Stage, Memory]
      Environment:
        Variables:
          LEVEL: DEBUG
          QUEUE: !Ref Work
          JOINED: !Join ["|", !Ref Origins]
          FIRST: !Select [0, !Ref Origins]
          LIVE: !If [IsLive, "yes", "no"]
          GONE: !If [IsLive, "yes", !Ref AWS::NoValue]
          DATABASE: !Sub "postgresql://${Cluster.Endpoint.Address}/db-${AWS::Region}${!Literal}"
          WITH_MAP: !Sub ["${Name}", {Name: !Ref Stage}]
          MONTHS: !Ref Months
      Events:
        Open:
          Type: HttpApi
          Properties: {ApiId: !Ref Api, Method: get, Path: /open, Auth: {Authorizer: NONE}}
        Closed: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: ANY, Path: "/closed/{id}"}}
        Queue:
          Type: SQS
          Properties: {Queue: !GetAtt Work.Arn, BatchSize: 5, ScalingConfig: {MaximumConcurrency: 4}}
        Often: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 minute), Input: '{"a":1}'}}
        Off: {Type: Schedule, Properties: {Schedule: rate(1 day), Enabled: false}}
  Made:
    Type: Custom::Made
    Properties:
      ServiceToken: !GetAtt Worker.Arn
      ServiceTimeout: 60
      Months: !Ref Months
      Sizes: [1, {Large: true, Small: 0.5}]
  MadeLive:
    Type: AWS::CloudFormation::CustomResource
    Condition: IsLive
    Properties: {ServiceToken: !GetAtt Worker.Arn}
"""


def test_functions_get_globals_merged_and_references_resolved(tmp_path: Path) -> None:
    template = read(tmp_path, SMALL)
    worker = template.functions["Worker"]
    assert set(template.functions) == {"Worker"}, "a resource whose condition is false does not exist"
    assert (worker.timeout, worker.memory) == (20, 256)
    assert worker.layers == ("layers/common/",)
    assert worker.environment == {
        "LEVEL": "DEBUG",
        "STAGE": "test",
        "QUEUE": "http://queue.local/Work",
        "JOINED": "https://a.example|https://b.example",
        "FIRST": "https://a.example",
        "LIVE": "no",
        "DATABASE": "postgresql://endpoint.address.cluster.invalid/db-us-east-1${Literal}",
        "WITH_MAP": "test",
        "MONTHS": "13",
    }


def test_custom_resources_are_sent_as_text_to_their_function(tmp_path: Path) -> None:
    (made,) = read(tmp_path, SMALL).custom_resources
    assert (made.logical_id, made.type, made.function, made.timeout) == ("Made", "Custom::Made", "Worker", 60)
    assert made.properties == {
        "ServiceToken": "arn:aws:lambda:us-east-1:000000000000:function:Worker",
        "ServiceTimeout": "60",
        "Months": "13",
        "Sizes": ["1", {"Large": "true", "Small": "0.5"}],
    }
    assert [one.timeout for one in read(tmp_path, SMALL, Stage="live").custom_resources] == [60, 3600]


def test_overrides_reach_values_conditions_and_mappings(tmp_path: Path) -> None:
    template = read(tmp_path, SMALL, Stage="live", Months="3")
    worker = template.functions["Worker"]
    assert "LiveOnly" in template.functions
    assert worker.memory == 1024
    assert (worker.environment["GONE"], worker.environment["MONTHS"]) == ("yes", "3")


def test_queues_sources_and_schedules(tmp_path: Path) -> None:
    template = read(tmp_path, SMALL)
    work, letters = template.queues["Work"], template.queues["Letters"]
    (source,) = template.functions["Worker"].queue_sources
    (schedule,) = template.functions["Worker"].schedules
    assert work.dead_letter_arn == letters.arn == "arn:aws:sqs:us-east-1:000000000000:Letters"
    assert work.attributes["VisibilityTimeout"] == "120"
    assert '"maxReceiveCount": 100' in work.attributes["RedrivePolicy"]
    assert (source.queue_arn, source.batch_size, source.window) == (work.arn, 5, 0)
    assert (source.concurrency, source.reports_failures) == (4, False)
    assert (schedule.expression, schedule.input) == ("rate(1 minute)", '{"a":1}')


def test_routes_authorizers_cors_and_throttles(tmp_path: Path) -> None:
    api = read(tmp_path, SMALL).api
    routes = {route.key: route for route in api.routes}
    assert routes["GET /open"].authorizer is None
    assert routes["ANY /closed/{id}"].authorizer == "Token", "the default authorizer guards the rest"
    assert routes["GET /open"].throttle == Throttle(rate=1, burst=20)
    assert routes["ANY /closed/{id}"].throttle == Throttle(rate=10, burst=20)
    token = api.authorizers["Token"]
    assert (token.function, token.headers, token.ttl) == ("Worker", ("authorization",), 60)
    assert api.cors == Cors(("https://a.example", "https://b.example"), ("GET",), max_age=60)


@pytest.mark.parametrize(
    ("old", "new", "place", "problem"),
    [
        (
            "!Ref Work\n",
            "!ImportValue Work\n",
            "Worker.Properties.Environment.Variables.QUEUE",
            "ImportValue",
        ),
        ("!Ref Work\n", "!Ref Wrok\n", "Variables.QUEUE", "'Wrok'"),
        ("!Ref Work\n", "!GetAtt Work.Nothing\n", "Work.Nothing", "not an attribute"),
        ("[0, !Ref Origins]", "[7, !Ref Origins]", "Variables.FIRST", "Fn::Select"),
        ('[IsLive, "yes", "no"]', "[Nowhere, 1, 2]", "Variables.LIVE", "'Nowhere'"),
        ("Type: SQS\n", "Type: Kinesis\n", "Worker.Properties.Events.Queue", "Kinesis"),
        ("BatchSize: 5", "BatchSize: 50", "Events.Queue", "MaximumBatchingWindowInSeconds"),
        ("Authorizer: NONE", "Authorizer: Nobody", "GET /open", "'Nobody'"),
        ('"2.0"', '"1.0"', "Auth.Authorizers.Token", "2.0"),
        ("Type: AWS::RDS::DBCluster", "Properties: {}", "Resources.Cluster", "no Type"),
        ("Resources:\n", "Resources: [\n", "template", "expected"),
        (
            "ServiceToken: !GetAtt Worker",
            "ServiceToken: !GetAtt Work",
            "Made.Properties.ServiceToken",
            "none of",
        ),
        ("ServiceTimeout: 60", "ServiceTimeout: 3601", "Made.Properties.ServiceTimeout", "from 1 to 3600"),
        ("ServiceTimeout: 60", "ServiceTimeout: soon", "Made.Properties.ServiceTimeout", "not 'soon'"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(
    tmp_path: Path, old: str, new: str, place: str, problem: str
) -> None:
    assert old in SMALL
    with pytest.raises(TemplateError) as error:
        read(tmp_path, SMALL.replace(old, new, 1))
    assert place in str(error.value)
    assert problem in str(error.value)


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        ({"Stage": "prod"}, "'prod' is none of test, live"),
        ({"Months": "many"}, "'many' is not a number"),
        ({"Months": "99"}, "not from 1 to 24"),
        ({"Typo": "1"}, "the template has no Typo"),
    ],
)
def test_parameters_are_checked(tmp_path: Path, overrides: dict[str, str], problem: str) -> None:
    with pytest.raises(TemplateError, match=problem):
        read(tmp_path, SMALL, **overrides)


@pytest.mark.parametrize(
    ("value", "refused"),
    [
        ("", None),
        (f"{DIGEST},{DIGEST.upper()}", None),
        (f"{DIGEST}@https://shop.example, {DIGEST}@http://localhost:3000", None),
        ("my-key", "my-key"),
        (f"{DIGEST},my-key", "my-key"),
        (f"{DIGEST}@shop.example", f"{DIGEST}@shop.example"),
        (f"{DIGEST}@https://shop.example/start", f"{DIGEST}@https://shop.example/start"),
        (f"{DIGEST}@https://a@https://b", f"{DIGEST}@https://a@https://b"),
    ],
)
def test_only_digests_of_browser_keys_are_taken(value: str, refused: str | None) -> None:
    declared = load_yaml((PROJECT / "template.yaml").read_text(encoding="utf-8"))["Parameters"]
    declared = {"BrowserKeyHashes": declared["BrowserKeyHashes"]}
    if refused is None:
        assert len(read_parameters(declared, {"BrowserKeyHashes": value})["BrowserKeyHashes"]) >= 1
        return
    with pytest.raises(TemplateError, match=re.escape(f"{refused!r} doesn't match ^$|^[0-9A-Fa-f]{{64}}")):
        read_parameters(declared, {"BrowserKeyHashes": value})


def test_overrides_are_written_as_sam_takes_them() -> None:
    assert parse_overrides('A=1 B="two words" C=') == {"A": "1", "B": "two words", "C": ""}
    with pytest.raises(TemplateError, match="'loose' is not of the form Name=value"):
        parse_overrides("A=1 loose")


# The real template, against AWS's own translator ──────────────────────────────────────────────────


def of_type(resources: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [resource["Properties"] for resource in resources.values() if resource["Type"] == kind]


@pytest.fixture(scope="module")
def deployed() -> dict[str, Any]:
    found: dict[str, Any] = as_deployed()["Resources"]
    return found


@pytest.fixture(scope="module")
def ours() -> Template:
    return read_template(PROJECT / "template.yaml")


def function_of(uri: Any) -> str:
    """Of `arn:…/functions/${IngestFunction.Arn}/invocations`."""
    return str(uri["Fn::Sub"]).rpartition("${")[2].partition(".")[0]


def test_routes_are_those_that_sam_deploys(deployed: dict[str, Any], ours: Template) -> None:
    (api,) = of_type(deployed, "AWS::ApiGatewayV2::Api")
    expected = set()
    for path, methods in api["Body"]["paths"].items():
        for method, operation in methods.items():
            (authorizer,) = [name for item in operation.get("security", [{None: []}]) for name in item]
            uri = operation["x-amazon-apigateway-integration"]["uri"]
            expected.add((method.upper(), path, function_of(uri), authorizer))
    assert expected
    assert {(r.method, r.path, r.function, r.authorizer) for r in ours.api.routes} == expected


def test_authorizers_are_those_that_sam_deploys(deployed: dict[str, Any], ours: Template) -> None:
    (api,) = of_type(deployed, "AWS::ApiGatewayV2::Api")
    schemes = api["Body"]["components"]["securitySchemes"]
    expected = {}
    for name, scheme in schemes.items():
        spec = scheme["x-amazon-apigateway-authorizer"]
        assert (spec["authorizerPayloadFormatVersion"], spec["enableSimpleResponses"]) == ("2.0", True)
        headers = [source.removeprefix("$request.header.").lower() for source in spec["identitySource"]]
        expected[name] = (tuple(headers), spec["authorizerResultTtlInSeconds"])
    assert {name: (a.headers, a.ttl) for name, a in ours.api.authorizers.items()} == expected


def test_queue_sources_and_schedules_are_those_that_sam_deploys(
    deployed: dict[str, Any], ours: Template
) -> None:
    functions = ours.functions.values()
    assert sorted(
        (
            mapping["FunctionName"]["Ref"],
            mapping["EventSourceArn"]["Fn::GetAtt"][0],
            mapping["BatchSize"],
            mapping["MaximumBatchingWindowInSeconds"],
            mapping["ScalingConfig"]["MaximumConcurrency"],
            "ReportBatchItemFailures" in mapping["FunctionResponseTypes"],
        )
        for mapping in of_type(deployed, "AWS::Lambda::EventSourceMapping")
    ) == sorted(
        (
            f.logical_id,
            s.queue_arn.rpartition(":")[2],
            s.batch_size,
            s.window,
            s.concurrency,
            s.reports_failures,
        )
        for f in functions
        for s in f.queue_sources
    )
    assert sorted(
        schedule["Target"]["Arn"]["Fn::GetAtt"][0]
        for schedule in of_type(deployed, "AWS::Scheduler::Schedule")
    ) == sorted(f.logical_id for f in functions for _ in f.schedules)


def test_environment_and_timeouts_are_those_that_sam_deploys(
    deployed: dict[str, Any], ours: Template
) -> None:
    for logical_id, function in ours.functions.items():
        properties = deployed[logical_id]["Properties"]
        assert set(function.environment) == set(properties["Environment"]["Variables"])
        memory = properties["MemorySize"]
        memory = int(str(ours.parameters[memory["Ref"]])) if isinstance(memory, dict) else memory
        assert (function.timeout, function.memory) == (properties["Timeout"], memory)
        assert function.handler == properties["Handler"]


def test_short_tags_are_their_long_forms() -> None:
    assert load_yaml("a: !GetAtt Queue.Arn\nb: !Sub x\nc: !Join [',', [!Ref D]]") == {
        "a": {"Fn::GetAtt": ["Queue", "Arn"]},
        "b": {"Fn::Sub": "x"},
        "c": {"Fn::Join": [",", [{"Ref": "D"}]]},
    }
