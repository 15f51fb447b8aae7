"""`UserInsights` and its hooks in a product on another origin, built from the package as a product would."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.insights.conftest import Filled, answered
from tests.browser.insights.test_build import SOURCE, copy  # noqa: F401 (a fixture)
from tests.browser.shop import Shop
from tests.needing import NODE

pytestmark = pytest.mark.xdist_group("insights")

PRODUCT = Path(__file__).parent / "product.tsx"
OPTIONS = {
    "module": "esnext",
    "moduleResolution": "bundler",
    "target": "es2022",
    "lib": ["es2022", "dom", "dom.iterable"],
    "jsx": "react-jsx",
    "strict": True,
    "noEmit": True,
    "types": [],
}
BUILD = """
import { build } from "vite";
await build({ root: import.meta.dirname, configFile: false, logLevel: "warn",
  build: { lib: { entry: "product.tsx", formats: ["es"], fileName: "app", cssFileName: "app" } },
  define: { "process.env.NODE_ENV": '"production"' } });
"""


@pytest.fixture(scope="session")
def product(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """What a product's own build makes of it, with nothing but the package and React."""
    folder = tmp_path_factory.mktemp("product")
    modules = folder / "node_modules"
    (modules / "@footfall/insights").mkdir(parents=True)
    shutil.copytree(copy / "dist", modules / "@footfall/insights/dist")
    shutil.copy(copy / "package.json", modules / "@footfall/insights")
    (modules / "@types").mkdir()
    for name in (
        "react",
        "react-dom",
        "scheduler",
        "vite",
        "typescript",
        "csstype",
        "@types/react",
        "@types/react-dom",
    ):
        (modules / name).symlink_to((SOURCE / "node_modules" / name).resolve())
    shutil.copy(PRODUCT, folder)
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": OPTIONS, "files": ["product.tsx"]}))
    (folder / "build.mjs").write_text(BUILD)
    (folder / "package.json").write_text('{"type": "module"}')
    types = run(folder, SOURCE / "node_modules/typescript/bin/tsc")
    assert (types.stdout, types.returncode) == ("", 0)
    built = run(folder, folder / "build.mjs")
    assert built.returncode == 0, built.stderr
    return folder / "dist"


def run(folder: Path, *command: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([NODE, *command], cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def shown(filled: Filled, product: Path, shop: Shop) -> Shop:
    shop.has_tag = False
    shop.files["/app.js"] = (product / "app.js").read_bytes()
    style = (product / "app.css").read_text()
    settings = {
        "endpoint": filled.stack.url,
        "token": filled.stack.token(filled.person),
        "userId": filled.person,
    }
    shop.body = (
        f"<style>{style}</style><div id=root></div>"
        f"<script>window.settings = {json.dumps(settings)}</script><script type=module src=/app.js></script>"
    )
    return shop


def insights_of(filled: Filled) -> Any:
    return answered(filled.stack, f"/v1/users/{filled.person}/insights")


def test_it_shows_the_three_cards_and_the_call_to_action_does_something(
    page: Page, shown: Shop, filled: Filled
) -> None:
    insights = insights_of(filled)
    page.goto(shown.url)
    stage, preferences, intent = page.locator(".footfall-card").all()
    expect(stage.get_by_role("heading")).to_have_text("User journey stage")
    expect(stage.locator(".footfall-badge")).to_have_text(insights["stage"].replace("_", " ").capitalize())
    expect(stage).to_contain_text(insights["suggestion"]["message"])
    bars = preferences.get_by_role("progressbar")
    expect(bars).to_have_count(len(insights["preferences"]))
    for index, preference in enumerate(insights["preferences"]):
        assert float(bars.nth(index).get_attribute("value") or 0) == preference["score"]
    expect(intent).to_contain_text(insights["intent"].replace("_", " ").capitalize())
    assert page.evaluate("acted") == []
    stage.get_by_role("button", name=insights["suggestion"]["cta"]).click()
    assert page.evaluate("acted") == [insights["suggestion"]]


def test_its_hooks_answer_with_feed_and_next_action(page: Page, shown: Shop, filled: Filled) -> None:
    page.goto(shown.url)
    expect(page.locator("#feed li")).to_have_count(3)
    assert all(page.locator("#feed li").all_inner_texts())
    expect(page.locator("#next")).to_have_text(insights_of(filled)["suggestion"]["message"])
    assert page.evaluate("asked") == 3


def test_while_it_waits_it_says_so(page: Page, shown: Shop) -> None:
    held: list[Route] = []
    page.route("**/v1/users/*/insights", lambda route: held.append(route))  # noqa: PLW0108 (it marks what it is given)
    page.goto(shown.url)
    expect(page.get_by_role("status")).to_have_text("Loading insights…")
    page.wait_for_timeout(300)
    for route in held:
        route.continue_()
    expect(page.get_by_role("status")).to_have_count(0)
    expect(page.locator(".footfall-badge")).to_be_visible()


def test_what_fails_is_said_with_a_way_to_try_again(page: Page, shown: Shop) -> None:
    page.route("**/v1/users/*/insights", lambda route: route.abort())
    page.goto(shown.url)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Footfall doesn’t answer.")  # noqa: RUF001 (as people write it)
    page.unroute("**/v1/users/*/insights")
    alert.get_by_role("button", name="Try again").click()
    expect(page.locator(".footfall-badge")).to_be_visible()
    expect(alert).to_have_count(0)


def test_nobody_sees_somebody_else_by_it(page: Page, shown: Shop) -> None:
    page.goto(shown.url)
    expect(page.locator(".footfall-badge")).to_be_visible()
    page.get_by_role("button", name="Another").click()
    expect(page.get_by_role("alert")).to_contain_text("this needs the scope footfall:read")
    expect(page.locator(".footfall-badge")).to_have_count(0)


def test_its_style_leaves_the_page_around_it_alone(page: Page, shown: Shop) -> None:
    page.goto(shown.url)
    expect(page.locator(".footfall-badge")).to_be_visible()
    styled = """() => {
      const style = getComputedStyle(document.querySelector("#own"));
      return [...style].map((name) => `${name}: ${style.getPropertyValue(name)}`);
    }"""
    before = page.evaluate(styled)
    page.evaluate("document.querySelector('style').remove()")
    assert page.locator("style").count() == 0
    assert page.evaluate(styled) == before
