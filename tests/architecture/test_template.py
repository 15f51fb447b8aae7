"""template.yaml and the code say the same."""

import importlib
import json
import re
from pathlib import Path

import pytest

from footfall.telemetry import Metric
from functions.ingest.segment import PATHS as SEGMENT_PATHS
from functions.maintain.deploying import RESERVE_SECONDS
from functions.maintain.migrate import digest
from local.template.intrinsics import load_yaml
from local.template.reader import read_template
from tests.metrics import counted

PROJECT = Path(__file__).parents[2]
TEMPLATE = read_template(PROJECT / "template.yaml", overrides={}, queue_url="http://queues.test/{}".format)
RESOURCES = load_yaml((PROJECT / "template.yaml").read_text(encoding="utf-8"))["Resources"]
[MIGRATIONS] = TEMPLATE.custom_resources
SETTINGS = set(
    re.findall(
        r'(?:_required|_list|_number|environ\.get)\("([A-Z_]+)"',
        (PROJECT / "layers/common/footfall/settings.py").read_text(encoding="utf-8"),
    )
)


@pytest.mark.parametrize("name", TEMPLATE.functions)
def test_routes_are_those_of_the_handler(name: str) -> None:
    function = TEMPLATE.functions[name]
    module = importlib.import_module(function.handler.rpartition(".")[0])
    said = {route.key for route in TEMPLATE.api.routes if route.function == name}
    assert said == set(getattr(module, "ROUTES", {}))


@pytest.mark.parametrize("name", TEMPLATE.functions)
def test_environment_is_what_the_room_reads(name: str) -> None:
    function = TEMPLATE.functions[name]
    folder = PROJECT / Path(*function.handler.split(".")[:-2])
    code = "".join(file.read_text(encoding="utf-8") for file in folder.glob("*.py"))
    given = set(function.environment) - {"LOG_LEVEL"}
    assert given <= SETTINGS, "every variable is typed in footfall.settings"
    read = {setting for setting in SETTINGS if re.search(rf"\.{setting.lower()}\b", code)}
    assert read == given


def test_only_writes_with_a_key_need_no_token() -> None:
    without = {route.key for route in TEMPLATE.api.routes if route.authorizer is None}
    segment = {key for key in without if key.endswith(tuple(f"/v1/{path}" for path in SEGMENT_PATHS))}
    public = {
        "GET /v1/projects/{key}/settings",
        *("GET /openapi.json", "GET /tracker.js", "GET /js/{name}"),
        *("GET /insights", "GET /insights/", "GET /insights/{proxy+}", "GET /insights/config.json"),
    }
    assert without - segment == {"POST /v1/events", "GET /v1/anonymous/{anonymous_id}/feed", *public}
    assert len(segment) == len(SEGMENT_PATHS) + 1


def test_each_shard_has_its_schedule_and_so_has_each_other_task() -> None:
    analyze = TEMPLATE.functions["AnalyzeFunction"]
    events = [json.loads(schedule.input or "null") for schedule in analyze.schedules]
    shards = [{"shard": number} for number in range(int(analyze.environment["SHARDS"]))]
    assert events == [
        *shards,
        *({"task": task} for task in ("trends", "tastes", "content", "journeys", "counts")),
    ]
    every = str(TEMPLATE.parameters["AnalyzeEvery"])
    assert {schedule.expression for schedule in analyze.schedules} == {every}


def test_a_room_counts_under_its_own_name_and_every_metric_is_counted() -> None:
    for handler in PROJECT.glob("functions/*/handler.py"):
        services = re.findall(r'counting\("(\w+)"\)', handler.read_text(encoding="utf-8"))
        assert services in ([], [handler.parent.name])
    assert {metric for _, metric in counted()} == set(Metric)


def test_a_deploy_knows_the_migrations_by_their_digest() -> None:
    assert MIGRATIONS.properties["Digest"] == digest(), (
        f"functions/maintain/migrations has changed: in template.yaml, say Digest: {digest()}"
    )


@pytest.mark.parametrize("name", TEMPLATE.functions)
def test_code_that_knows_the_schema_comes_after_the_migrations(name: str) -> None:
    knows = {"DATABASE_URL", "RETENTION_MONTHS"} & set(TEMPLATE.functions[name].environment)
    depends = "Migrations" in RESOURCES[name].get("DependsOn", [])
    assert depends == (bool(knows) and name != MIGRATIONS.function)


def test_migrations_run_where_an_answer_gets_out() -> None:
    """Also on a Delete: what they depend on is deleted after them."""
    routes = {name for name, one in RESOURCES.items() if "SubnetRouteTableAssociation" in one["Type"]}
    needed = {"DatabaseInstance", "ToDatabase", "S3Endpoint", *routes}
    # SAM makes this one of EventInvokeConfig: it bounds the calls from the first deploy on.
    needed.add("MaintainFunctionEventInvokeConfig")
    assert set(RESOURCES["Migrations"]["DependsOn"]) == needed


def test_migrations_have_ended_when_cloudformation_gives_up() -> None:
    retries = RESOURCES[MIGRATIONS.function]["Properties"]["EventInvokeConfig"]
    function = TEMPLATE.functions[MIGRATIONS.function]
    assert retries["MaximumEventAgeInSeconds"] + function.timeout <= MIGRATIONS.timeout
    assert function.timeout > 2 * RESERVE_SECONDS
