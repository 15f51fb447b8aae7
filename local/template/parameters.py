"""The template's parameters with their overrides, checked as CloudFormation checks them."""

import re
import shlex
from collections.abc import Mapping
from typing import Any

from local.template.intrinsics import TemplateError


def parse_overrides(text: str) -> dict[str, str]:
    """`Name=value Name="two words"`, as `sam deploy --parameter-overrides` takes them."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise TemplateError("PARAMETERS", str(error)) from error
    pairs = [word.partition("=") for word in words]
    for name, equals, _ in pairs:
        if not name or not equals:
            raise TemplateError("PARAMETERS", f"{name!r} is not of the form Name=value")
    return {name: value for name, _, value in pairs}


def read_parameters(declared: Mapping[str, Any], overrides: Mapping[str, str]) -> dict[str, Any]:
    """Values by name: text, or a list for the list types. Raises TemplateError naming the parameter."""
    unknown = overrides.keys() - declared.keys()
    if unknown:
        raise TemplateError("Parameters", f"the template has no {', '.join(sorted(unknown))}")
    return {name: _value(f"Parameters.{name}", spec, overrides.get(name)) for name, spec in declared.items()}


def _value(place: str, spec: Mapping[str, Any], override: str | None) -> Any:
    given = spec.get("Default") if override is None else override
    if given is None:
        raise TemplateError(place, "has no value and no Default")
    text = str(given).lower() if isinstance(given, bool) else str(given)
    kind = str(spec.get("Type", "String"))
    allowed = [str(value) for value in spec.get("AllowedValues", ())]
    if allowed and text not in allowed:
        raise TemplateError(place, f"{text!r} is none of {', '.join(allowed)}")
    if kind == "Number":
        _check_number(place, spec, text)
    is_list = kind == "CommaDelimitedList" or kind.startswith("List<")
    items = [item.strip() for item in text.split(",")] if is_list else [text]
    for item in items:
        if not re.fullmatch(str(spec.get("AllowedPattern", "(?s:.*)")), item):
            raise TemplateError(place, f"{item!r} doesn't match {spec['AllowedPattern']}")
    return items if is_list else text


def _check_number(place: str, spec: Mapping[str, Any], text: str) -> None:
    try:
        number = float(text)
    except ValueError:
        raise TemplateError(place, f"{text!r} is not a number") from None
    if not float(spec.get("MinValue", number)) <= number <= float(spec.get("MaxValue", number)):
        raise TemplateError(place, f"{text} is not from {spec.get('MinValue')} to {spec.get('MaxValue')}")
