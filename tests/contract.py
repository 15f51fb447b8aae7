"""The contract, functions/web/openapi.json, as tests hold answers against it."""

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

CONTRACT: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "functions/web/openapi.json").read_text(encoding="utf-8")
)
OPERATIONS: dict[str, Any] = {
    f"{method.upper()} {path}": operation
    for path, methods in CONTRACT["paths"].items()
    for method, operation in methods.items()
}


def check(route: str, status: int, body: Any) -> None:
    """Fails where an answer isn't what the contract says, or says more than that."""
    said = OPERATIONS[route]["responses"][str(status)]
    if "$ref" in said:
        said = CONTRACT["components"]["responses"][said["$ref"].rpartition("/")[2]]
    schema = _closed({**said["content"]["application/json"]["schema"], "components": CONTRACT["components"]})
    Draft202012Validator(schema).validate(body)


def _closed(schema: Any) -> Any:
    """With no property but those that are named."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(one) for name, one in schema.items()}
    if "properties" in closed and "anyOf" not in closed:
        closed.setdefault("additionalProperties", False)
    return closed
