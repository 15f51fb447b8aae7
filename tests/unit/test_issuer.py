"""The local issuer, served by aiohttp as the local stack serves it, and believed by `authorize`."""

import asyncio
import stat
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import ClientSession, web

from functions.authorize.jwks import IssuerKeys
from functions.authorize.tokens import Principal, RefusedError, TokenVerifier
from local.control.issuer import Issuer


async def served(directory: Path, visit: Any) -> Any:
    """Serves an issuer on a free port and gives what `visit(issuer)` returns, run in a thread."""
    issuer = Issuer(directory, "http://127.0.0.1:0/local/issuer")
    app = web.Application()
    app.add_routes(issuer.routes())
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        issuer.url = f"http://127.0.0.1:{runner.addresses[0][1]}/local/issuer"
        return await asyncio.to_thread(visit, issuer)
    finally:
        await runner.cleanup()


def verifier(issuer: Issuer) -> TokenVerifier:
    return TokenVerifier(IssuerKeys(issuer.url), "footfall")


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_authorize_believes_it_unchanged(alg: str, tmp_path: Path) -> None:
    def visit(issuer: Issuer) -> Principal:
        return verifier(issuer).verify(issuer.token("ada", "footfall:read", alg=alg))

    assert asyncio.run(served(tmp_path, visit)) == Principal("ada", "footfall:read", "user")


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("expired", {"lifetime": -60}),
        ("expired", {"now": 0}),
        ("wrong audience", {"audience": "other"}),
        ("wrong issuer", {"iss": "https://other.invalid"}),
        ("exp is missing", {"exp": None}),
    ],
)
def test_it_makes_the_tokens_that_authorize_must_refuse(
    reason: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    def visit(issuer: Issuer) -> None:
        with pytest.raises(RefusedError, match=reason):
            verifier(issuer).verify(issuer.token("ada", **changes))

    asyncio.run(served(tmp_path, visit))


def test_its_keys_survive_a_restart_and_are_its_owner_s_alone(tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "issuer"
    first = Issuer(directory, "http://127.0.0.1:8000/local/issuer")
    token = first.token("ada", alg="ES256")
    second = Issuer(directory, "http://127.0.0.1:8000/local/issuer")
    assert second.jwks() == first.jwks()
    key = jwt.PyJWKSet.from_dict(second.jwks())[jwt.get_unverified_header(token)["kid"]]
    assert jwt.decode(token, key, algorithms=["ES256"], audience="footfall")["sub"] == "ada"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    assert modes == {"rs256.pem": 0o600, "es256.pem": 0o600}


def test_it_serves_public_keys_only(tmp_path: Path) -> None:
    keys = Issuer(tmp_path, "http://127.0.0.1:8000/local/issuer").jwks()["keys"]
    assert [(key["alg"], key["kty"], key["use"]) for key in keys] == [
        ("RS256", "RSA", "sig"),
        ("ES256", "EC", "sig"),
    ]
    assert not any(private in key for key in keys for private in ("d", "p", "q"))
    assert len({key["kid"] for key in keys}) == 2


def test_two_issuers_do_not_believe_each_other(tmp_path: Path) -> None:
    other = Issuer(tmp_path / "other", "http://127.0.0.1:8000/local/issuer")

    def visit(issuer: Issuer) -> None:
        with pytest.raises(RefusedError, match="unknown key"):
            verifier(issuer).verify(other.token("ada", iss=issuer.url))

    asyncio.run(served(tmp_path / "own", visit))


def test_its_documents_are_where_discovery_says(tmp_path: Path) -> None:
    async def read(issuer: Issuer) -> tuple[Any, Any]:
        async with ClientSession() as session:
            async with session.get(f"{issuer.url}/.well-known/openid-configuration") as answer:
                discovery = await answer.json()
            async with session.get(discovery["jwks_uri"]) as answer:
                return discovery, await answer.json()

    def visit(issuer: Issuer) -> None:
        discovery, keys = asyncio.run(read(issuer))
        assert discovery["issuer"] == issuer.url
        assert keys == issuer.jwks()

    asyncio.run(served(tmp_path, visit))


def test_another_algorithm_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="alg must be RS256 or ES256, not 'HS256'"):
        Issuer(tmp_path, "http://127.0.0.1:8000/local/issuer").token("ada", alg="HS256")


def test_a_broken_key_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "rs256.pem").write_text("half a key")
    with pytest.raises(ValueError, match=r"rs256\.pem holds no private key"):
        Issuer(tmp_path, "http://127.0.0.1:8000/local/issuer")


def test_a_claim_that_is_none_is_left_out(tmp_path: Path) -> None:
    token = Issuer(tmp_path, "http://127.0.0.1:8000/local/issuer").token("ada", exp=None, team="blue")
    said = jwt.decode(token, options={"verify_signature": False})
    assert "exp" not in said
    assert said["team"] == "blue"
