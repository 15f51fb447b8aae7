"""template.yaml as CloudFormation gets it: SAM's resources written out, without an AWS account."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

PROJECT = Path(__file__).parents[1]
Resource = dict[str, Any]


class _NoManagedPolicies:
    """Knows none by its short name, so that the template may not use one."""

    def load(self) -> dict[str, str]:
        return {}


@cache
def deployed() -> dict[str, Any]:
    """The transformed template; the places of code are replaced, as `sam package` would."""
    text = (PROJECT / "template.yaml").read_text(encoding="utf-8")
    text = re.sub(r"(CodeUri|ContentUri): \S+", r"\1: s3://bucket/key", text)
    with patch.dict("os.environ", {"AWS_DEFAULT_REGION": "eu-west-1"}):
        done: dict[str, Any] = transform(yaml_parse(text), {}, _NoManagedPolicies())
    return done


def resources(kind: str) -> dict[str, Resource]:
    """Properties by logical id of one type of resource."""
    return {
        name: resource.get("Properties", {})
        for name, resource in deployed()["Resources"].items()
        if resource["Type"] == kind
    }


def statements(role: str) -> Iterator[dict[str, Any]]:
    """What a role may do, by policies of its own and by those of the template that it names."""
    properties = deployed()["Resources"][role]["Properties"]
    shared = resources("AWS::IAM::ManagedPolicy")
    policies = [shared[managed["Ref"]] for managed in properties.get("ManagedPolicyArns", [])]
    for policy in [*properties.get("Policies", []), *policies]:
        yield from policy["PolicyDocument"]["Statement"]


def actions(statement: dict[str, Any]) -> list[str]:
    said = statement["Action"]
    return [said] if isinstance(said, str) else said
