"""CloudFormation's short tags and functions, resolved without an AWS account."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

NO_VALUE = object()
_SUBSTITUTION = re.compile(r"\$\{(!?)([^}]*)\}")


class TemplateError(Exception):
    """The template says something that cannot be read; the message names the place."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")


class _Loader(yaml.SafeLoader):
    pass


def _construct_tag(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        text = str(loader.construct_scalar(node))
        return {name: text.split(".", 1) if suffix == "GetAtt" else text}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    if isinstance(node, yaml.MappingNode):
        return {name: loader.construct_mapping(node, deep=True)}
    raise TemplateError(f"line {node.start_mark.line + 1}", f"cannot read !{suffix}")


_Loader.add_multi_constructor("!", _construct_tag)


def load_yaml(text: str) -> dict[str, Any]:
    """The template with `!Ref x` written out as `{"Ref": "x"}`."""
    try:
        document = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader with plain constructors
    except yaml.YAMLError as error:
        raise TemplateError("template", " ".join(str(error).split())) from error
    if not isinstance(document, dict):
        raise TemplateError("template", "is not a mapping")
    return document


def intrinsic_name(node: object) -> str | None:
    """`Ref` or `Fn::…` where the node is a call of such a function."""
    if isinstance(node, dict) and len(node) == 1:
        (name,) = node
        if name == "Condition":
            return name if isinstance(node[name], str) else None
        if isinstance(name, str) and (name == "Ref" or name.startswith("Fn::")):
            return name
    return None


@dataclass
class Resolver:
    """Replaces intrinsic functions by values.

    `attribute(logical_id, name)` gives a resource's attribute, `"Ref"` being its Ref, and raises
    KeyError where the template has no such resource.
    """

    values: Mapping[str, object]
    attribute: Callable[[str, str], object]
    mappings: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, Any] = field(default_factory=dict)

    def resolve(self, node: Any, place: str) -> Any:
        name = intrinsic_name(node)
        if name is not None:
            return self._call(name, node[name], place)
        if isinstance(node, dict):
            items = ((key, self.resolve(value, f"{place}.{key}")) for key, value in node.items())
            return {key: value for key, value in items if value is not NO_VALUE}
        if isinstance(node, list):
            values = (self.resolve(value, f"{place}[{index}]") for index, value in enumerate(node))
            return [value for value in values if value is not NO_VALUE]
        return node

    def _call(self, name: str, argument: Any, place: str) -> Any:
        function = _FUNCTIONS.get(name)
        if function is None:
            raise TemplateError(place, f"{name} is not understood by the local runner")
        try:
            return function(self, argument, place)
        except (TypeError, ValueError, KeyError, IndexError) as error:
            raise TemplateError(place, f"{name} cannot be resolved ({error})") from error

    def _ref(self, name: str, place: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in self.values:
            return self.values[name]
        return self._attribute(name, "Ref", place)

    def _attribute(self, logical_id: str, name: str, place: str) -> Any:
        try:
            return self.attribute(logical_id, name)
        except KeyError:
            raise TemplateError(place, f"there is no parameter or resource {logical_id!r}") from None

    def _get_att(self, argument: Any, place: str) -> Any:
        logical_id, name = argument if isinstance(argument, list) else argument.split(".", 1)
        return self._attribute(logical_id, self.resolve(name, place), place)

    def _sub(self, argument: Any, place: str) -> str:
        text, given = argument if isinstance(argument, list) else (argument, {})
        local = self.resolve(given, place)

        def replace(match: re.Match[str]) -> str:
            literal, name = match.groups()
            if literal:
                return f"${{{name}}}"
            if name in local:
                return str(local[name])
            if "." in name:
                return str(self._get_att(name, place))
            return str(self._ref(name, place))

        return _SUBSTITUTION.sub(replace, text)

    def _join(self, argument: Any, place: str) -> str:
        delimiter, items = argument
        return str(delimiter).join(str(item) for item in self.resolve(items, place))

    def _select(self, argument: Any, place: str) -> Any:
        index, items = self.resolve(argument, place)
        return items[int(index)]

    def _split(self, argument: Any, place: str) -> list[str]:
        delimiter, text = self.resolve(argument, place)
        return str(text).split(delimiter)

    def _find_in_map(self, argument: Any, place: str) -> Any:
        name, first, second = self.resolve(argument, place)
        return self.mappings[name][first][second]

    def _get_azs(self, argument: Any, place: str) -> list[str]:
        region = self.resolve(argument, place) or self.values["AWS::Region"]
        return [f"{region}{zone}" for zone in "abc"]

    def _condition(self, name: str, place: str) -> bool:
        if name not in self.conditions:
            raise TemplateError(place, f"there is no condition {name!r}")
        return bool(self.resolve(self.conditions[name], f"Conditions.{name}"))

    def _if(self, argument: Any, place: str) -> Any:
        name, when_true, when_false = argument
        return self.resolve(when_true if self._condition(name, place) else when_false, place)

    def _equals(self, argument: Any, place: str) -> bool:
        left, right = self.resolve(argument, place)
        return str(left) == str(right)

    def _and(self, argument: Any, place: str) -> bool:
        return all(self.resolve(argument, place))

    def _or(self, argument: Any, place: str) -> bool:
        return any(self.resolve(argument, place))

    def _not(self, argument: Any, place: str) -> bool:
        (value,) = self.resolve(argument, place)
        return not value


_FUNCTIONS: dict[str, Callable[[Resolver, Any, str], Any]] = {
    "Ref": Resolver._ref,
    "Condition": Resolver._condition,
    "Fn::GetAtt": Resolver._get_att,
    "Fn::Sub": Resolver._sub,
    "Fn::Join": Resolver._join,
    "Fn::Select": Resolver._select,
    "Fn::Split": Resolver._split,
    "Fn::FindInMap": Resolver._find_in_map,
    "Fn::GetAZs": Resolver._get_azs,
    "Fn::If": Resolver._if,
    "Fn::Equals": Resolver._equals,
    "Fn::And": Resolver._and,
    "Fn::Or": Resolver._or,
    "Fn::Not": Resolver._not,
}
