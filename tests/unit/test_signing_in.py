"""The local issuer's authorization code: for the stack's own page, with PKCE, once."""

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jwt
import pytest
from aiohttp import ClientSession, web

from functions.authorize.jwks import IssuerKeys
from functions.authorize.tokens import Principal, TokenVerifier
from local.control.issuer import Issuer
from local.control.signing_in import SigningIn

VERIFIER = "a-verifier-that-is-long-enough-to-be-one-0123456789"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
Json = dict[str, Any]


class Door:
    """The issuer on a free port, as a page asks it."""

    def __init__(self, url: str, session: ClientSession) -> None:
        self.url = url
        self.session = session
        self.page = f"http://localhost:{urlsplit(url).port}/insights/"
        self.asked = {
            "client_id": "insights",
            "redirect_uri": self.page,
            "scope": "openid footfall:read",
            "state": "a-state",
            "nonce": "a-nonce",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }

    async def authorize(self, **changes: str) -> tuple[int, str]:
        asked = {name: value for name, value in {**self.asked, **changes}.items() if value}
        async with self.session.get(f"{self.url}/authorize", params=asked, allow_redirects=False) as answer:
            return answer.status, answer.headers.get("location", await answer.text())

    async def code(self, **changes: str) -> Json:
        """What a page has when it is sent back."""
        status, location = await self.authorize(**changes)
        assert (status, location.startswith(self.page)) == (302, True)
        return dict(parse_qsl(urlsplit(location).query))

    async def token(self, code: str, **changes: str) -> tuple[int, Json]:
        form = {
            "code": code,
            "code_verifier": VERIFIER,
            "client_id": "insights",
            "redirect_uri": self.page,
            "grant_type": "authorization_code",
        }
        async with self.session.post(f"{self.url}/token", data={**form, **changes}) as answer:
            assert answer.headers["access-control-allow-origin"] == "*"
            return answer.status, await answer.json()


def visiting(tmp_path: Path, visit: Callable[[Door], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        issuer = Issuer(tmp_path, "http://127.0.0.1:0/local/issuer")
        app = web.Application()
        app.add_routes([*issuer.routes(), *SigningIn(issuer, issuer.token).routes()])
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            issuer.url = f"http://127.0.0.1:{runner.addresses[0][1]}/local/issuer"
            async with ClientSession() as session:
                return await visit(Door(issuer.url, session))
        finally:
            await runner.cleanup()

    return asyncio.run(run())


@pytest.mark.parametrize(("hint", "sub"), [("", "operator"), ("ann", "ann")])
def test_authorize_believes_what_a_page_gets(hint: str, sub: str, tmp_path: Path) -> None:
    async def visit(door: Door) -> None:
        said = await door.code(login_hint=hint)
        assert said["state"] == "a-state"
        status, tokens = await door.token(said["code"])
        assert (status, tokens["token_type"], tokens["scope"]) == (200, "Bearer", "openid footfall:read")
        verifier = TokenVerifier(IssuerKeys(door.url), "footfall")
        who = await asyncio.to_thread(verifier.verify, tokens["access_token"])
        assert who == Principal(sub, "openid footfall:read", "user")
        identity = jwt.decode(tokens["id_token"], options={"verify_signature": False})
        assert (identity["sub"], identity["aud"], identity["nonce"]) == (sub, "insights", "a-nonce")

    visiting(tmp_path, visit)


def test_a_code_is_good_once(tmp_path: Path) -> None:
    async def visit(door: Door) -> None:
        code = (await door.code())["code"]
        assert (await door.token(code))[0] == 200
        assert await door.token(code) == (400, {"error": "invalid_grant"})

    visiting(tmp_path, visit)


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "another"},
        {"code_verifier": ""},
        {"client_id": "another"},
        {"redirect_uri": "http://localhost/insights/"},
    ],
    ids=str,
)
def test_a_code_is_for_who_asked_for_it(changes: dict[str, str], tmp_path: Path) -> None:
    async def visit(door: Door) -> None:
        code = (await door.code())["code"]
        assert await door.token(code, **changes) == (400, {"error": "invalid_grant"})

    visiting(tmp_path, visit)


@pytest.mark.parametrize(
    "redirect",
    [
        "https://evil.example/insights/",
        "http://localhost:{port}@evil.example/insights/",
        "http://evil.example:{port}/insights/",
        "http://127.0.0.1:{port}/demo/",
        "http://127.0.0.1:1/insights/",
        "http://127.0.0.1:{port}/insights/?to=https://evil.example",
        "",
    ],
)
def test_nobody_is_sent_anywhere_else(redirect: str, tmp_path: Path) -> None:
    async def visit(door: Door) -> None:
        address = redirect.format(port=urlsplit(door.url).port)
        status, text = await door.authorize(redirect_uri=address)
        assert (status, text) == (400, "redirect_uri is /insights/ of this stack")

    visiting(tmp_path, visit)


@pytest.mark.parametrize("changes", [{"code_challenge": ""}, {"code_challenge_method": "plain"}], ids=str)
def test_without_pkce_there_is_no_code(changes: dict[str, str], tmp_path: Path) -> None:
    async def visit(door: Door) -> None:
        assert (await door.authorize(**changes))[0] == 400

    visiting(tmp_path, visit)
