"""Who is believed: by write key, wherever it stands, or by the token that the gateway verified."""

import base64
from typing import Any

import pytest

from footfall.errors import ForbiddenError, NotFoundError, UnauthorizedError
from footfall.keys import digest
from footfall.settings import Settings
from functions.ingest.speaking import Speaker, from_key, from_segment_key, from_token, known_browser_key
from tests.samples import load

SETTINGS = Settings(
    {
        "BROWSER_KEY_HASHES": f"{digest('old page')},{digest('page')}",
        "SERVER_KEY_HASHES": f"{digest('server')}, {digest('sérver').upper()}",
    }
)


def request(query: str | None = None, authorization: str | None = None) -> dict[str, Any]:
    event = load("ingest_gzip")
    event["headers"].pop("authorization")
    if query is not None:
        event["queryStringParameters"] = {"write_key": query}
    if authorization is not None:
        event["headers"]["authorization"] = authorization
    return event


def basic(text: str, scheme: str = "Basic") -> str:
    return f"{scheme} {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    ("key", "kind"),
    [("page", "browser"), ("old page", "browser"), ("server", "server"), ("sérver", "server")],
)
def test_a_key_is_found_in_query_body_and_basic(key: str, kind: str) -> None:
    for speaker in (
        from_key(request(key), None, SETTINGS),
        from_key(request(), key, SETTINGS),
        from_key(request("", basic("wrong")), key, SETTINGS),
        from_key(request("", basic(f"{key}:")), "", SETTINGS),
        from_key(request(None, basic(f"{key}:password", "bASIC")), None, SETTINGS),
        from_key(request(None, basic(key)), None, SETTINGS),
    ):
        assert (speaker.kind, speaker.user) == (kind, None)


def test_the_first_place_that_holds_a_key_decides() -> None:
    assert from_key(request("server", basic("page")), "page", SETTINGS) == Speaker("server")
    assert from_key(request(None, basic("server")), "page", SETTINGS) == Speaker("browser")
    with pytest.raises(UnauthorizedError):
        from_key(request("wrong"), "server", SETTINGS)


def test_segments_sdks_say_their_key_in_another_order() -> None:
    def asked(authorization: str | None, body: str | None, **query: str) -> str:
        event = request(None, authorization)
        event["queryStringParameters"] = query
        return from_segment_key(event, body, SETTINGS).kind

    assert asked(basic("server:"), "page", writeKey="wrong") == "server"
    assert asked(basic(":"), "page", writeKey="wrong") == "browser"
    assert asked("Bearer server", "page") == "browser"
    assert asked(None, "", writeKey="page", write_key="wrong") == "browser"
    assert asked(None, None, write_key="server") == "server"
    with pytest.raises(UnauthorizedError, match=r"^writeKey: isn't known"):
        asked(basic("wrong"), "server")
    with pytest.raises(UnauthorizedError, match=r"^writeKey: is missing"):
        asked("Bearer server", None)


@pytest.mark.parametrize(
    "key", ["wrong", "Page", "page ", " ", "\x00", "\ud800", "x" * 100_000, digest("page")]
)
def test_an_unknown_key_is_refused(key: str) -> None:
    for query, body in [(key, None), (None, key)]:
        with pytest.raises(UnauthorizedError, match=r"^write_key: isn't known$"):
            from_key(request(query), body, SETTINGS)


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Basic",
        "Basic ",
        "Basic é",
        "Basic \udce9",
        "Basic !!!!",
        "Basic cGFnZQ",
        f"Basic {base64.b64encode(bytes([255])).decode()}",
        basic(":server"),
        "Bearer server",
        basic("page", "Bearer"),
    ],
)
def test_a_missing_key_says_where_it_may_stand(authorization: str | None) -> None:
    with pytest.raises(UnauthorizedError, match=r"in the query, in the body, or as Basic user name"):
        from_key(request(None, authorization), None, SETTINGS)


def test_a_key_as_bearer_says_what_bearer_is_for() -> None:
    for scheme in ("Bearer", "bearer"):
        with pytest.raises(UnauthorizedError, match=r"Basic user name\); Bearer is for tokens"):
            from_key(request(None, f"{scheme} page"), None, SETTINGS)


# ── Origins ──────────────────────────────────────────────────────────────────────────────────────

SHOP, WWW, STRANGER = "https://shop.example", "https://www.shop.example:8443", "https://stranger.example"
RESTRICTED = Settings(
    {
        "BROWSER_KEY_HASHES": f"{digest('shop')}@{SHOP},{digest('shop')}@{WWW},{digest('page')},"
        f"{digest('next')}@{STRANGER}",
        "SERVER_KEY_HASHES": digest("server"),
    }
)


def from_page(origin: str | None, key: str) -> Speaker:
    event = request(key)
    event["headers"].pop("origin", None)
    if origin is not None:
        event["headers"]["origin"] = origin
    speaker = from_key(event, None, RESTRICTED)
    if speaker.kind == "browser":
        assert known_browser_key(event, key, RESTRICTED) == key
    return speaker


@pytest.mark.parametrize("origin", [SHOP, WWW, "HTTPS://shop.example"])
def test_a_key_is_good_for_its_own_origins(origin: str) -> None:
    assert from_page(origin, "shop") == Speaker("browser")


@pytest.mark.parametrize(
    "origin",
    [
        STRANGER,
        "http://shop.example",
        f"{SHOP}:8443",
        "https://www.shop.example",
        "https://a.shop.example",
        "https://shop.example.stranger.example",
        "null",
        "*",
        f"{SHOP},{STRANGER}",
        "é" * 10_000,
    ],
)
def test_a_key_is_refused_from_other_origins(origin: str) -> None:
    with pytest.raises(ForbiddenError, match=r"^write_key: isn't allowed from '") as error:
        from_page(origin, "shop")
    assert len(str(error.value)) < 120
    event = request()
    event["headers"]["origin"] = origin
    with pytest.raises(ForbiddenError):
        known_browser_key(event, "shop", RESTRICTED)
    assert from_page(origin, "page") == Speaker("browser"), "a key without origins is good for all"


def test_one_keys_origins_are_not_anothers() -> None:
    assert from_page(STRANGER, "next") == Speaker("browser")
    with pytest.raises(ForbiddenError):
        from_page(SHOP, "next")


def test_an_app_says_no_origin_and_may_speak() -> None:
    for key in ("shop", "next", "page"):
        assert from_page(None, key) == Speaker("browser")


@pytest.mark.parametrize("origin", [SHOP, STRANGER, "null"])
def test_a_servers_key_in_a_page_is_refused(origin: str) -> None:
    with pytest.raises(ForbiddenError, match=r"a server's key in a page .* replace this one$"):
        from_page(origin, "server")
    assert from_page(None, "server") == Speaker("server")


@pytest.mark.parametrize("key", ["wrong", "server", digest("page")])
def test_only_a_pages_key_has_settings(key: str) -> None:
    with pytest.raises(NotFoundError):
        known_browser_key(request(), key, RESTRICTED)


def test_a_request_without_headers_has_no_key() -> None:
    event = request()
    del event["headers"]
    with pytest.raises(UnauthorizedError):
        from_key(event, None, SETTINGS)


def test_without_configured_keys_nobody_is_let_in() -> None:
    for key in ("", "page", digest("")):
        with pytest.raises(UnauthorizedError):
            from_key(request(key), key, Settings({"BROWSER_KEY_HASHES": "", "SERVER_KEY_HASHES": " , "}))


def test_the_token_says_who_speaks() -> None:
    assert from_token(load("ingest_post_my_events")) == Speaker("user", "ada")


@pytest.mark.parametrize("sub", ["", None, "null", "undefined", "0", " "])
def test_the_server_key_and_junk_are_no_user(sub: str | None) -> None:
    event = load("ingest_post_my_events")
    event["requestContext"]["authorizer"]["lambda"]["sub"] = sub
    with pytest.raises(UnauthorizedError, match="needs a user's token"):
        from_token(event)


@pytest.mark.parametrize("authorizer", [None, {}, {"lambda": None}, {"jwt": {"claims": {"sub": "ada"}}}])
def test_what_no_authorizer_verified_is_not_believed(authorizer: Any) -> None:
    event = load("ingest_post_my_events")
    event["requestContext"].pop("authorizer")
    if authorizer is not None:
        event["requestContext"]["authorizer"] = authorizer
    with pytest.raises(UnauthorizedError):
        from_token(event)
