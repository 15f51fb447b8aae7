"""Reads a custom resource of the template: what a function makes when the stack is deployed."""

from collections.abc import Mapping
from typing import Any

from local.template.intrinsics import TemplateError
from local.template.model import CustomResource

_LONGEST = 3600


def is_custom(kind: str) -> bool:
    return kind.startswith("Custom::") or kind == "AWS::CloudFormation::CustomResource"


def read_custom_resource(
    logical_id: str, kind: str, properties: dict[str, Any], functions: Mapping[str, str]
) -> CustomResource:
    """`functions` gives logical ids by ARN."""
    place = f"Resources.{logical_id}.Properties"
    token, timeout = str(properties.get("ServiceToken")), str(properties.get("ServiceTimeout", _LONGEST))
    if token not in functions:
        raise TemplateError(f"{place}.ServiceToken", "is the ARN of none of the template's functions")
    if not timeout.isdecimal() or not 1 <= int(timeout) <= _LONGEST:
        raise TemplateError(f"{place}.ServiceTimeout", f"is a number from 1 to {_LONGEST}, not {timeout!r}")
    return CustomResource(logical_id, kind, functions[token], float(timeout), _as_sent(properties))


def _as_sent(value: Any) -> Any:
    # CloudFormation sends every number and boolean as text.
    if isinstance(value, dict):
        return {name: _as_sent(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_as_sent(item) for item in value]
    return str(value).lower() if isinstance(value, bool) else str(value)
