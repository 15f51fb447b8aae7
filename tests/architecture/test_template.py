"""template.yaml and the code say the same."""

import importlib
import re
from pathlib import Path

import pytest

from local.postgres.roles import role_of
from local.template.intrinsics import load_yaml
from local.template.reader import read_template

PROJECT = Path(__file__).parents[2]
TEMPLATE = read_template(PROJECT / "template.yaml", overrides={}, queue_url="http://queues.test/{}".format)
SETTINGS = set(
    re.findall(
        r'(?:_required|_list|environ\.get)\("([A-Z_]+)"',
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


def test_a_room_connects_as_its_own_role_and_may_get_a_token_for_no_other() -> None:
    resources = load_yaml((PROJECT / "template.yaml").read_text(encoding="utf-8"))["Resources"]
    for name, function in TEMPLATE.functions.items():
        if "DATABASE_URL" not in function.environment:
            continue
        url = function.environment["DATABASE_URL"]
        role = "footfall" if name == "MaintainFunction" else f"footfall_{function.short_name}"
        assert role_of(url) == role
        assert url.endswith("?sslmode=verify-full")
        said = str(resources[name]["Properties"]["Policies"])
        assert re.findall(r"rds-db:connect', 'Resource': .*?:dbuser:[^/]+/(\w+)'", said) == [role]


def test_only_writes_with_a_key_need_no_token() -> None:
    without = {route.key for route in TEMPLATE.api.routes if route.authorizer is None}
    assert without == {"POST /v1/events"}
