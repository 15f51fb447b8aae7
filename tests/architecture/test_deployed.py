"""What CloudFormation gets of template.yaml keeps to what docs/deploy.md says."""

import re
from pathlib import Path
from typing import Any

import pytest

from footfall.telemetry import NAMESPACE
from tests.deployed import actions, deployed, resources, statements
from tests.metrics import counted

PROJECT = Path(__file__).parents[2]
FUNCTIONS = resources("AWS::Lambda::Function")
IN_VPC = {name for name, function in FUNCTIONS.items() if "VpcConfig" in function}
ALARMS = resources("AWS::CloudWatch::Alarm")
SCHEDULES = resources("AWS::Scheduler::Schedule")

# They name no resource, or Lambda asks for them on all: the only ones that may stand beside a "*".
UNNARROWABLE = {
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
}
# Metrics that AWS emits, with the dimensions it emits them under.
OF_AWS = {
    ("AWS/SQS", "ApproximateAgeOfOldestMessage"): {"QueueName"},
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): {"QueueName"},
    ("AWS/Lambda", "Errors"): {"FunctionName"},
    ("AWS/ApiGateway", "5xx"): {"ApiId"},
}


def role_of(function: str) -> str:
    role: str = FUNCTIONS[function]["Role"]["Fn::GetAtt"][0]
    return role


def test_each_function_has_its_own_role() -> None:
    assert len({role_of(name) for name in FUNCTIONS}) == len(FUNCTIONS)


@pytest.mark.parametrize("role", resources("AWS::IAM::Role"))
def test_a_wildcard_stands_only_where_none_narrower_can(role: str) -> None:
    for statement in statements(role):
        assert not any("*" in action for action in actions(statement))
        if statement["Resource"] == "*":
            assert set(actions(statement)) <= UNNARROWABLE
        else:
            assert "*" not in str(statement["Resource"])


@pytest.mark.parametrize("function", sorted(IN_VPC))
def test_in_the_vpc_no_aws_service_is_called(function: str) -> None:
    """Lambda itself calls EC2, X-Ray and SQS for a function; a database token is computed."""
    by_lambda = UNNARROWABLE | {"logs:CreateLogStream", "logs:PutLogEvents"}
    by_lambda |= {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
    said = {action for statement in statements(role_of(function)) for action in actions(statement)}
    assert said - by_lambda == {"rds-db:connect"}
    room = PROJECT / "functions" / function.removesuffix("Function").lower()
    files = [*room.glob("*.py"), *(PROJECT / "layers/common/footfall").glob("*.py")]
    code = "".join(file.read_text(encoding="utf-8") for file in files)
    assert not re.search(r"^\s*(import|from) (boto3|botocore|requests)\b", code, re.MULTILINE)


def test_the_vpc_has_no_way_out_but_s3() -> None:
    kinds = {resource["Type"] for resource in deployed()["Resources"].values()}
    assert not kinds & {"AWS::EC2::InternetGateway", "AWS::EC2::NatGateway", "AWS::EC2::Route"}
    (endpoint,) = resources("AWS::EC2::VPCEndpoint").values()
    assert endpoint["ServiceName"] == {"Fn::Sub": "com.amazonaws.${AWS::Region}.s3"}
    (statement,) = endpoint["PolicyDocument"]["Statement"]
    assert statement["Action"] == "s3:PutObject"
    assert "cloudformation-custom-resource-response-" in str(statement["Resource"])


@pytest.mark.parametrize("function", sorted(IN_VPC))
def test_a_function_connects_as_its_own_database_user(function: str) -> None:
    url = FUNCTIONS[function]["Environment"]["Variables"]["DATABASE_URL"]["Fn::Sub"]
    match = re.match(r"postgresql://(\w+)@.*\?sslmode=verify-full$", url)
    assert match, "no password, and the server's name is verified"
    (connect,) = (s for s in statements(role_of(function)) if actions(s) == ["rds-db:connect"])
    assert connect["Resource"]["Fn::Sub"].endswith(f"/{match[1]}")
    room = function.removesuffix("Function").lower()
    assert match[1] == ("footfall" if room == "maintain" else f"footfall_{room}")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_logs_where_logs_end(function: str) -> None:
    group = resources("AWS::Logs::LogGroup")[FUNCTIONS[function]["LoggingConfig"]["LogGroup"]["Ref"]]
    assert group["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def test_every_log_group_ends_logs() -> None:
    assert all("RetentionInDays" in group for group in resources("AWS::Logs::LogGroup").values())
    (stage,) = resources("AWS::ApiGatewayV2::Stage").values()
    assert stage["AccessLogSettings"]["DestinationArn"] == {"Fn::GetAtt": ["Logs", "Arn"]}
    assert "ip" not in re.findall(r"\$context\.([\w.]+)", stage["AccessLogSettings"]["Format"])


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_run_that_is_missed_is_kept(schedule: str) -> None:
    target = SCHEDULES[schedule]["Target"]
    assert target["DeadLetterConfig"]["Arn"] == {"Fn::GetAtt": ["MissedRunQueue", "Arn"]}
    invoke, send = statements(target["RoleArn"]["Fn::GetAtt"][0])
    assert (actions(invoke), invoke["Resource"]) == (["lambda:InvokeFunction"], target["Arn"])
    assert (actions(send), send["Resource"]) == (["sqs:SendMessage"], target["DeadLetterConfig"]["Arn"])


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("AWS::Lambda::Function", "FunctionName"),
        ("AWS::Scheduler::Schedule", "Name"),
        ("AWS::SQS::Queue", "QueueName"),
        ("AWS::SNS::Topic", "TopicName"),
        ("AWS::Logs::LogGroup", "LogGroupName"),
        ("AWS::CloudWatch::Alarm", "AlarmName"),
        ("AWS::IAM::Role", "RoleName"),
        ("AWS::IAM::ManagedPolicy", "ManagedPolicyName"),
        ("AWS::RDS::DBCluster", "DBClusterIdentifier"),
        ("AWS::RDS::DBInstance", "DBInstanceIdentifier"),
    ],
)
def test_two_stacks_fit_into_one_account(kind: str, name: str) -> None:
    assert resources(kind)
    assert not any(name in properties for properties in resources(kind).values())


def test_the_queue_is_drained_gently() -> None:
    (source,) = resources("AWS::Lambda::EventSourceMapping").values()
    assert source["ScalingConfig"]["MaximumConcurrency"] >= 2
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert source["MaximumBatchingWindowInSeconds"] <= 1
    queues = resources("AWS::SQS::Queue")
    assert queues["EventQueue"]["MessageRetentionPeriod"] == 4 * 86_400
    assert queues["EventQueue"]["RedrivePolicy"]["maxReceiveCount"] == 100
    assert queues["DeadLetterQueue"]["MessageRetentionPeriod"] == 14 * 86_400


def test_the_database_is_private_and_needs_no_secret() -> None:
    (cluster,) = resources("AWS::RDS::DBCluster").values()
    (instance,) = resources("AWS::RDS::DBInstance").values()
    assert cluster["MasterUserAuthenticationType"] == "iam-db-auth"
    assert cluster["EnableIAMDatabaseAuthentication"] is True
    assert cluster["StorageEncrypted"] is True
    assert instance["PubliclyAccessible"] is False
    assert not {"MasterUserPassword", "ManageMasterUserPassword"} & cluster.keys()


def metrics_of(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    if "Metrics" not in alarm:
        return [alarm]
    return [part["MetricStat"]["Metric"] for part in alarm["Metrics"] if "MetricStat" in part]


@pytest.mark.parametrize("alarm", ALARMS)
def test_an_alarm_watches_a_metric_that_exists(alarm: str) -> None:
    for metric in metrics_of(ALARMS[alarm]):
        dimensions = {dimension["Name"]: dimension["Value"] for dimension in metric["Dimensions"]}
        if metric["Namespace"] == NAMESPACE:
            assert (dimensions.pop("service"), metric["MetricName"]) in counted()
            assert dimensions.keys() == {"function_name"}
        else:
            assert dimensions.keys() == OF_AWS[metric["Namespace"], metric["MetricName"]]
        for value in dimensions.values():
            target = value["Ref"] if "Ref" in value else value["Fn::GetAtt"][0]
            assert target in deployed()["Resources"]


def test_every_function_is_watched_for_errors() -> None:
    watched = {metric["Dimensions"][0]["Value"]["Ref"] for metric in metrics_of(ALARMS["FunctionErrors"])}
    assert watched == FUNCTIONS.keys()


@pytest.mark.parametrize("alarm", ALARMS)
def test_an_alarm_says_what_to_do(alarm: str) -> None:
    assert f"\n## {alarm}\n" in (PROJECT / "docs/runbook.md").read_text(encoding="utf-8")
    assert "HasAlarmEmail" in str(ALARMS[alarm]["AlarmActions"])


def test_the_runbook_names_no_alarm_that_is_gone() -> None:
    said = re.findall(r"^## (\w+)$", (PROJECT / "docs/runbook.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(said) == ALARMS.keys()


def test_a_first_deploy_that_fails_can_be_undone() -> None:
    """What refuses to be deleted would leave a stack that can be neither used nor removed."""
    for name, resource in deployed()["Resources"].items():
        protection = resource.get("Properties", {}).get("DeletionProtection")
        assert protection in (None, {"Ref": "Protect"}, {"Fn::If": ["IsProtected", "ACTIVE", "INACTIVE"]}), (
            name
        )
        assert resource.get("DeletionPolicy") != "Retain", name
    assert deployed()["Parameters"]["Protect"]["Default"] == "false"


def test_what_bounds_the_calls_of_a_deploy_is_made_by_sam() -> None:
    bounds = resources("AWS::Lambda::EventInvokeConfig")["MaintainFunctionEventInvokeConfig"]
    assert bounds["FunctionName"] == {"Ref": "MaintainFunction"}
