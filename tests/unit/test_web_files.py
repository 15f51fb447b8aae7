"""The files of `web`: compressed where that is taken, and not sent twice."""

import base64
import gzip
from typing import Any

import pytest

from functions.web.handler import lambda_handler
from tests import samples
from tests.needing import PROJECT

SCRIPT = (PROJECT / "functions/web/static/tracker.js").read_bytes()


def answer(sample: str = "web_tracker", **headers: str) -> dict[str, Any]:
    asked = samples.load(sample)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda_handler({**asked, "headers": named}, None)


@pytest.mark.parametrize("sample", ["web_tracker", "web_tracker_by_any_name"])
def test_the_script_is_gzipped_for_who_takes_that(sample: str) -> None:
    found = answer(sample, accept_encoding="gzip, deflate, br")
    assert found["headers"]["content-encoding"] == "gzip"
    assert gzip.decompress(base64.b64decode(found["body"])) == SCRIPT


def test_the_script_is_plain_for_who_does_not() -> None:
    found = answer()
    assert "content-encoding" not in found["headers"]
    assert base64.b64decode(found["body"]) == SCRIPT


def test_caches_are_told_what_it_depends_on_and_that_any_page_may_have_it() -> None:
    headers = answer()["headers"]
    assert headers["vary"] == "accept-encoding"
    assert headers["cross-origin-resource-policy"] == "cross-origin"
    assert headers["content-type"] == "text/javascript; charset=utf-8"
    assert "max-age=3600" in headers["cache-control"]


def test_who_has_it_is_not_sent_it_again() -> None:
    tag = answer()["headers"]["etag"]
    again = answer(if_none_match=f'"another", {tag}', accept_encoding="gzip")
    assert (again["statusCode"], again["body"], again["headers"]["etag"]) == (304, "", tag)
    assert "content-encoding" not in again["headers"]
    assert answer(if_none_match='"another"')["statusCode"] == 200
