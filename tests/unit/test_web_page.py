"""The operators' page as it is served: what may be kept, what it may load, how it says to sign in."""

import base64
import json
import re
from typing import Any

import pytest

from functions.web.handler import lambda_handler
from functions.web.page import TYPES
from tests import samples
from tests.needing import PROJECT

BUILT = PROJECT / "functions/web/static/insights"
FILES = [file.relative_to(BUILT).as_posix() for file in BUILT.rglob("*") if file.is_file()]
OWN = {
    "JWT_ISSUER": "https://issuer.example/tenant",
    "JWT_AUDIENCE": "footfall",
    "INSIGHTS_CLIENT_ID": "page",
    "INSIGHTS_SCOPE": "openid footfall:read",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in OWN.items():
        monkeypatch.setenv(name, value)


def answer(name: str) -> dict[str, Any]:
    return lambda_handler({**samples.load("web_page_view"), "pathParameters": {"proxy": name}}, None)


def body(answered: dict[str, Any]) -> bytes:
    assert answered["headers"]["content-encoding"] == "gzip"
    return base64.b64decode(answered["body"])


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_served_as_what_it_is(name: str) -> None:
    found = answer(name)
    assert found["statusCode"] == 200
    assert found["headers"]["content-type"] == TYPES["." + name.rpartition(".")[2]]
    assert found["headers"]["etag"] != answer("anything")["headers"]["etag"] or name == "index.html"


def test_what_the_build_names_by_its_content_is_kept_for_good_and_the_page_is_not() -> None:
    kept = {name: answer(name)["headers"]["cache-control"] for name in FILES}
    assert {name for name, said in kept.items() if said == "no-cache"} == {"index.html"}
    assert {said for said in kept.values() if said != "no-cache"} == {"public, max-age=31536000, immutable"}
    assert all(re.search(r"-[\w-]{8}\.\w+$", name) for name in FILES if name != "index.html")


@pytest.mark.parametrize("sample", ["web_page", "web_page_view"])
def test_every_view_is_the_page(sample: str) -> None:
    found = lambda_handler(samples.load(sample), None)
    assert (found["statusCode"], found["headers"]["content-type"]) == (200, TYPES[".html"])
    assert body(found) == body(answer("index.html"))


@pytest.mark.parametrize("name", ["assets/index-00000000.js", "assets/../../files.py", "assets/"])
def test_an_asset_of_another_version_is_not_found(name: str) -> None:
    found = answer(name)
    assert (found["statusCode"], json.loads(found["body"])["code"]) == (404, "not_found")


@pytest.mark.parametrize("name", ["../page.py", "%2e%2e/page.py", "../static/tracker.js", "people/../../x"])
def test_nothing_but_the_page_is_in_reach(name: str) -> None:
    assert body(answer(name)) == body(answer("index.html"))


def test_its_policy_lets_it_run_nothing_of_others() -> None:
    policy = answer("index.html")["headers"]["content-security-policy"]
    said = dict(part.split(" ", 1) for part in policy.split("; "))
    assert said["default-src"] == "'none'"
    assert {said[name] for name in ("script-src", "style-src", "font-src")} == {"'self'"}
    assert said["connect-src"] == "'self' https: https://issuer.example"
    assert said["frame-ancestors"] == "'none'"
    page = (BUILT / "index.html").read_text()
    assert not re.search(r"<style|<script>|style=|onload|javascript:", page)


def test_no_source_map_is_served() -> None:
    assert not [name for name in FILES if name.endswith(".map")]
    assert not [name for name in FILES if b"sourceMappingURL" in (BUILT / name).read_bytes()]


def config() -> Any:
    return json.loads(lambda_handler(samples.load("web_page_config"), None)["body"])


def test_it_says_how_to_sign_in_with_an_issuer_of_ones_own() -> None:
    assert config() == {
        "issuer": "https://issuer.example/tenant",
        "client_id": "page",
        "scope": "openid footfall:read",
        "audience": "footfall",
    }


def test_a_user_pool_names_its_client_as_audience_so_none_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("JWT_AUDIENCE", "page")
    assert "audience" not in config()


def test_where_no_client_is_known_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INSIGHTS_CLIENT_ID")
    assert config()["client_id"] == ""
