"""What there is, the docs mention; what the docs link to, there is."""

import re
from pathlib import Path

import pytest

from footfall.telemetry import Metric
from tests.architecture.test_template import SETTINGS, TEMPLATE

PROJECT = Path(__file__).parents[2]
DOCS = {
    file.relative_to(PROJECT): file.read_text(encoding="utf-8")
    for file in [*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md")]
}
ALL = "\n".join(DOCS.values())
PARAMETERS = re.findall(
    r"^  (\w+):\n    Type: ", (PROJECT / "template.yaml").read_text().partition("\nGlobals:")[0], re.MULTILINE
)
TARGETS = re.findall(r"^([a-z-]+):.*##", (PROJECT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("setting", sorted({*SETTINGS, "PORT", "DATA_DIR", "PARAMETERS"}))
def test_a_setting_is_explained(setting: str) -> None:
    assert f"`{setting}`" in DOCS[Path("docs/settings.md")]


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_a_parameter_is_explained(parameter: str) -> None:
    assert f"`{parameter}`" in DOCS[Path("docs/settings.md")]


@pytest.mark.parametrize("route", sorted(route.key for route in TEMPLATE.api.routes))
def test_a_route_is_explained(route: str) -> None:
    assert f"`{route}`" in DOCS[Path("docs/api.md")]


@pytest.mark.parametrize("target", TARGETS)
def test_a_make_target_is_explained(target: str) -> None:
    assert re.search(rf"\bmake {target}\b", ALL)


@pytest.mark.parametrize("room", sorted(p.parent.name for p in PROJECT.glob("functions/*/handler.py")))
def test_a_room_is_explained(room: str) -> None:
    assert f"`{room}`" in DOCS[Path("docs/architecture.md")]


@pytest.mark.parametrize("metric", Metric)
def test_a_metric_is_explained(metric: Metric) -> None:
    assert f"`{metric}`" in DOCS[Path("docs/architecture.md")]


@pytest.mark.parametrize("page", DOCS)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", DOCS[page]):
        assert (PROJECT / page.parent / link).exists(), f"{page} links to {link}"
