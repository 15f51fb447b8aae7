"""Reads a SAM template into `local.model`: the only place that knows what the product is made of."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from local.template.custom_resources import is_custom, read_custom_resource
from local.template.http_api import read_api, read_route
from local.template.intrinsics import Resolver, TemplateError, intrinsic_name, load_yaml
from local.template.model import (
    ACCOUNT,
    REGION,
    STACK_ID,
    CustomResource,
    Function,
    Queue,
    QueueSource,
    Route,
    Schedule,
    Template,
)
from local.template.parameters import read_parameters
from local.template.triggers import read_queue_source, read_schedule

FUNCTION, HTTP_API = "AWS::Serverless::Function", "AWS::Serverless::HttpApi"
LAYER, QUEUE = "AWS::Serverless::LayerVersion", "AWS::SQS::Queue"
_PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Region": REGION,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": "local",
    "AWS::StackId": STACK_ID,
    "AWS::NotificationARNs": [],
}
_QUEUE_ATTRIBUTES = (
    "DelaySeconds",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "VisibilityTimeout",
)


def read_template(
    path: Path,
    overrides: Mapping[str, str] | None = None,
    queue_url: Callable[[str], str] = "http://queue.local/{}".format,
) -> Template:
    """`queue_url` makes a queue's URL of its name. Raises TemplateError naming the place."""
    return _Reader(load_yaml(path.read_text()), overrides or {}, queue_url).template()


def merge_globals(shared: Any, own: Any) -> Any:
    """SAM's merge: maps by key, lists one after the other, anything else is the resource's own."""
    calls = intrinsic_name(shared) or intrinsic_name(own)
    if isinstance(shared, dict) and isinstance(own, dict) and not calls:
        merged = {key: merge_globals(shared[key], own[key]) for key in shared.keys() & own.keys()}
        return {**shared, **own, **merged}
    if isinstance(shared, list) and isinstance(own, list):
        return [*shared, *own]
    return own


class _Reader:
    def __init__(
        self, document: dict[str, Any], overrides: Mapping[str, str], queue_url: Callable[[str], str]
    ) -> None:
        self._document = document
        self._queue_url = queue_url
        self._parameters = read_parameters(document.get("Parameters") or {}, overrides)
        self._resolver = Resolver(
            values={**_PSEUDO, **self._parameters},
            attribute=self._attribute,
            mappings=document.get("Mappings") or {},
            conditions=document.get("Conditions") or {},
        )
        self._resources = {
            logical_id: resource
            for logical_id, resource in (document.get("Resources") or {}).items()
            if self._exists(logical_id, resource)
        }
        self._routes: list[Route] = []

    def template(self) -> Template:
        functions = {logical_id: self._function(logical_id) for logical_id in self._of_type(FUNCTION)}
        queues = {logical_id: self._queue(logical_id) for logical_id in self._of_type(QUEUE)}
        api_ids = self._of_type(HTTP_API)
        if len(api_ids) > 1:
            raise TemplateError("Resources", f"one HttpApi is served locally, not {', '.join(api_ids)}")
        place, properties = self._api_properties(api_ids)
        by_arn = {function.arn: name for name, function in functions.items()}
        api = read_api(place, properties, self._routes, by_arn)
        return Template(self._parameters, functions, queues, api, self._custom_resources(by_arn))

    def _exists(self, logical_id: str, resource: Any) -> bool:
        if not isinstance(resource, dict) or "Type" not in resource:
            raise TemplateError(f"Resources.{logical_id}", "has no Type")
        if "Condition" not in resource:
            return True
        return bool(
            self._resolver.resolve({"Condition": resource["Condition"]}, f"Resources.{logical_id}.Condition")
        )

    def _of_type(self, kind: str) -> list[str]:
        return [name for name, resource in self._resources.items() if resource["Type"] == kind]

    def _api_properties(self, api_ids: list[str]) -> tuple[str, dict[str, Any]]:
        place = f"Resources.{api_ids[0]}.Properties" if api_ids else "Globals.HttpApi"
        own = self._resources[api_ids[0]].get("Properties") or {} if api_ids else {}
        merged = merge_globals((self._document.get("Globals") or {}).get("HttpApi") or {}, own)
        return place, self._resolver.resolve(merged, place)

    # What a Ref or GetAtt gives ───────────────────────────────────────────────────────────────────

    def _attribute(self, logical_id: str, name: str) -> object:
        kind = self._resources[logical_id]["Type"]
        known = {QUEUE: self._queue_attribute, FUNCTION: self._function_attribute}.get(kind)
        if known is not None:
            return known(logical_id, name)
        if kind == LAYER:
            return f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:{logical_id}:1"
        # Networks and clusters don't exist here: anything readable does, as nothing connects to it.
        return logical_id.lower() if name == "Ref" else f"{name}.{logical_id}.invalid".lower()

    def _queue_attribute(self, logical_id: str, name: str) -> str:
        queue_name = self._name(logical_id, "QueueName")
        known = {
            "Ref": self._queue_url(queue_name),
            "QueueUrl": self._queue_url(queue_name),
            "QueueName": queue_name,
            "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue_name}",
        }
        return self._known(logical_id, name, known)

    def _function_attribute(self, logical_id: str, name: str) -> str:
        function_name = self._name(logical_id, "FunctionName")
        arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function_name}"
        return self._known(logical_id, name, {"Ref": function_name, "Arn": arn})

    @staticmethod
    def _known(logical_id: str, name: str, known: Mapping[str, str]) -> str:
        if name not in known:
            raise TemplateError(f"{logical_id}.{name}", "is not an attribute that the local runner knows")
        return known[name]

    def _name(self, logical_id: str, key: str) -> str:
        name = (self._resources[logical_id].get("Properties") or {}).get(key, logical_id)
        return str(self._resolver.resolve(name, f"Resources.{logical_id}.Properties.{key}"))

    # Queues ───────────────────────────────────────────────────────────────────────────────────────

    def _queue(self, logical_id: str) -> Queue:
        place = f"Resources.{logical_id}.Properties"
        properties = self._resolver.resolve(self._resources[logical_id].get("Properties") or {}, place)
        if properties.get("FifoQueue"):
            raise TemplateError(place, "FIFO queues are not served locally")
        attributes = {key: str(properties[key]) for key in _QUEUE_ATTRIBUTES if key in properties}
        redrive = properties.get("RedrivePolicy")
        if redrive:
            attributes["RedrivePolicy"] = json.dumps(redrive)
        return Queue(
            logical_id=logical_id,
            name=self._queue_attribute(logical_id, "QueueName"),
            arn=self._queue_attribute(logical_id, "Arn"),
            url=self._queue_attribute(logical_id, "Ref"),
            attributes=attributes,
            dead_letter_arn=redrive["deadLetterTargetArn"] if redrive else None,
        )

    # Custom resources ─────────────────────────────────────────────────────────────────────────────

    def _custom_resources(self, functions: Mapping[str, str]) -> tuple[CustomResource, ...]:
        found = []
        for logical_id, resource in self._resources.items():
            if is_custom(resource["Type"]):
                place = f"Resources.{logical_id}.Properties"
                properties = self._resolver.resolve(resource.get("Properties") or {}, place)
                found.append(read_custom_resource(logical_id, resource["Type"], properties, functions))
        return tuple(found)

    # Functions ────────────────────────────────────────────────────────────────────────────────────

    def _function(self, logical_id: str) -> Function:
        place = f"Resources.{logical_id}.Properties"
        own = self._resources[logical_id].get("Properties") or {}
        properties = merge_globals((self._document.get("Globals") or {}).get("Function") or {}, own)
        environment = (properties.get("Environment") or {}).get("Variables") or {}
        function = Function(
            logical_id=logical_id,
            name=self._name(logical_id, "FunctionName"),
            handler=str(self._required(properties, "Handler", place)),
            runtime=str(self._required(properties, "Runtime", place)),
            timeout=float(self._scalar(properties, "Timeout", place, 3)),
            memory=int(self._scalar(properties, "MemorySize", place, 128)),
            environment=self._environment(environment, f"{place}.Environment.Variables"),
            layers=self._layers(properties.get("Layers") or [], f"{place}.Layers"),
        )
        return self._with_events(function, properties.get("Events") or {}, f"{place}.Events")

    def _scalar(self, properties: dict[str, Any], key: str, place: str, default: object) -> Any:
        return self._resolver.resolve(properties.get(key, default), f"{place}.{key}")

    def _required(self, properties: dict[str, Any], key: str, place: str) -> Any:
        if key not in properties:
            raise TemplateError(place, f"{key} is missing")
        return self._scalar(properties, key, place, None)

    def _environment(self, variables: Any, place: str) -> dict[str, str]:
        resolved = self._resolver.resolve(variables, place)
        return {name: _text(value, f"{place}.{name}") for name, value in resolved.items()}

    def _layers(self, layers: Any, place: str) -> tuple[str, ...]:
        arns = self._resolver.resolve(layers, place)
        folders = {
            self._attribute(logical_id, "Ref"): self._resources[logical_id]["Properties"]["ContentUri"]
            for logical_id in self._of_type(LAYER)
        }
        return tuple(str(folders[arn]) for arn in arns if arn in folders)

    def _with_events(self, function: Function, events: dict[str, Any], place: str) -> Function:
        sources: list[QueueSource] = []
        schedules: list[Schedule] = []
        for name, event in events.items():
            where = f"{place}.{name}.Properties"
            properties = self._resolver.resolve(event.get("Properties") or {}, where)
            if properties.get("Enabled") is False or properties.get("State") == "DISABLED":
                continue
            match event.get("Type"):
                case "HttpApi":
                    self._check_api(properties, where)
                    self._routes.append(read_route(function.logical_id, properties, where))
                case "SQS":
                    sources.append(read_queue_source(properties, where))
                case "Schedule" | "ScheduleV2" as kind:
                    schedules.append(read_schedule(f"{function.logical_id}{name}", kind, properties, where))
                case kind:
                    raise TemplateError(where, f"events of type {kind} are not served locally")
        return replace(function, queue_sources=tuple(sources), schedules=tuple(schedules))

    def _check_api(self, properties: dict[str, Any], place: str) -> None:
        if "ApiId" not in properties and self._of_type(HTTP_API):
            raise TemplateError(place, "ApiId is missing, so SAM would make a second API of this route")


def _text(value: Any, place: str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise TemplateError(place, f"an environment variable is text, not {value!r}")
