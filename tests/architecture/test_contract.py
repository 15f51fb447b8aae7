"""functions/web/openapi.json and template.yaml name the same routes, asked of in the same way."""

import json
from pathlib import Path
from typing import Any

from local.template.reader import read_template

PROJECT = Path(__file__).parents[2]
TEMPLATE = read_template(PROJECT / "template.yaml")
CONTRACT: dict[str, Any] = json.loads((PROJECT / "functions/web/openapi.json").read_text(encoding="utf-8"))
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, methods in CONTRACT["paths"].items()
    for method, operation in methods.items()
}


def test_routes_are_those_of_the_template() -> None:
    assert OPERATIONS.keys() == {route.key for route in TEMPLATE.api.routes}


def test_a_token_is_asked_for_where_the_gateway_does() -> None:
    with_token = {
        key for key, operation in OPERATIONS.items() if {"bearer": []} in operation.get("security", [])
    }
    assert with_token == {route.key for route in TEMPLATE.api.routes if route.authorizer is not None}


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(names) == len(set(names))
