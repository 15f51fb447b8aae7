"""Who gets in, by what they present; and what the gateway is answered."""

import hashlib
import hmac
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from footfall.keys import digest
from functions.authorize.handler import authorize
from functions.authorize.jwks import IssuerKeys, IssuerUnavailableError
from functions.authorize.tokens import Authenticator, RefusedError, TokenVerifier
from tests.unit.tokens import (
    NOW,
    OTHER_RSA_KEY,
    RS,
    RSA_KEY,
    Clock,
    Json,
    ServedIssuer,
    claims,
    encode,
    forged,
    public_jwk,
    public_pem,
    rsa_signature,
    signed,
    with_flipped_signature,
    with_payload,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issuer() -> Iterator[ServedIssuer]:
    served = ServedIssuer()
    yield served
    served.close()


@pytest.fixture
def authenticator(issuer: ServedIssuer, clock: Clock) -> Authenticator:
    issuer_keys = IssuerKeys(issuer.url, clock=clock)
    hashes = (digest("old server key"), digest("server-key"), digest("sample-server-key").upper())
    return Authenticator(TokenVerifier(issuer_keys, "footfall", clock), hashes)


ACCEPTED: dict[str, Callable[[ServedIssuer], str]] = {
    "RS256": lambda i: signed(claims(i)),
    "ES256": lambda i: signed(claims(i), "ES256"),
    "audience in a list": lambda i: signed(claims(i, aud=["other", "footfall"])),
    "Cognito's access token": lambda i: signed(claims(i, aud=None, client_id="footfall", token_use="access")),
    "expired within the leeway": lambda i: signed(claims(i, exp=NOW - 29)),
    "valid within the leeway": lambda i: signed(claims(i, nbf=NOW + 30, iat=NOW + 30)),
    "fractions of a second": lambda i: signed(claims(i, iat=NOW - 0.5, exp=NOW + 0.5)),
    "no issue time": lambda i: signed(claims(i, iat=None)),
    "no kid, one key of that type": lambda i: signed(claims(i), kid=None),
    "header names keys of its own, signed by ours": lambda i: signed(
        claims(i), jku="https://evil.invalid/keys", x5u="https://evil.invalid/cert"
    ),
    "sub of 255 characters": lambda i: signed(claims(i, sub="a" * 255)),
    "sub with a space and an umlaut": lambda i: signed(claims(i, sub="Ada Lövelace")),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_valid_token_makes_its_subject_a_user(
    name: str, issuer: ServedIssuer, authenticator: Authenticator
) -> None:
    token = ACCEPTED[name](issuer)
    who = authenticator.authenticate(f"Bearer {token}")
    assert (who.kind, who.scope) == ("user", "")
    assert who.sub == jwt.decode(token, options={"verify_signature": False})["sub"]


Hostile = tuple[str, Callable[[ServedIssuer], str]]
HOSTILE: dict[str, Hostile] = {
    "expired": ("expired", lambda i: signed(claims(i, exp=NOW - 30))),
    "expired long ago": ("expired", lambda i: signed(claims(i, exp=1))),
    "not yet valid": ("not yet valid", lambda i: signed(claims(i, nbf=NOW + 31))),
    "issued in the future": ("not yet valid", lambda i: signed(claims(i, iat=NOW + 31))),
    "no exp": ("exp is missing", lambda i: signed(claims(i, exp=None))),
    "exp null": ("exp is missing", lambda i: forged(RS, {**claims(i), "exp": None}, rsa_signature)),
    "exp as text": ("exp is no time", lambda i: forged(RS, claims(i, exp=str(NOW + 9)), rsa_signature)),
    "exp true": ("exp is no time", lambda i: forged(RS, claims(i, exp=True), rsa_signature)),
    "exp infinite": ("exp is no time", lambda i: forged(RS, claims(i, exp=float("inf")), rsa_signature)),
    "exp not a number": ("exp is no time", lambda i: forged(RS, claims(i, exp=float("nan")), rsa_signature)),
    "nbf as text": ("nbf is no time", lambda i: forged(RS, claims(i, nbf="now"), rsa_signature)),
    "nbf null": ("nbf is no time", lambda i: forged(RS, {**claims(i), "nbf": None}, rsa_signature)),
    "issuer of another": ("wrong issuer", lambda i: signed(claims(i, iss="https://evil.invalid"))),
    "issuer with a slash": ("wrong issuer", lambda i: signed(claims(i, iss=f"{i.url}/"))),
    "issuer in other case": ("wrong issuer", lambda i: signed(claims(i, iss=i.url.upper()))),
    "issuer in a list": ("wrong issuer", lambda i: forged(RS, claims(i, iss=[i.url]), rsa_signature)),
    "no issuer": ("iss is missing", lambda i: signed(claims(i, iss=None))),
    "audience of another": ("wrong audience", lambda i: signed(claims(i, aud="other"))),
    "audience that contains ours": ("wrong audience", lambda i: signed(claims(i, aud="footfall-admin"))),
    "audience is part of ours": ("wrong audience", lambda i: signed(claims(i, aud="foot"))),
    "audiences of others": ("wrong audience", lambda i: signed(claims(i, aud=["a", "b"]))),
    "no audience": ("wrong audience", lambda i: signed(claims(i, aud=None))),
    "audience in an object": ("wrong audience", lambda i: signed(claims(i, aud={"footfall": 1}))),
    "empty audience beside our client": (
        "wrong audience",
        lambda i: signed(claims(i, aud=[], client_id="footfall")),
    ),
    "audience of another beside our client": (
        "wrong audience",
        lambda i: signed(claims(i, aud="other", client_id="footfall")),
    ),
    "client of another": ("wrong audience", lambda i: signed(claims(i, aud=None, client_id="other"))),
    "no sub": ("sub is missing", lambda i: signed(claims(i, sub=None))),
    "empty sub": ("sub is no name", lambda i: signed(claims(i, sub=""))),
    "blank sub": ("sub is no name", lambda i: signed(claims(i, sub="  "))),
    "sub with NUL": ("sub is no name", lambda i: signed(claims(i, sub="ada\0"))),
    "sub with a lone surrogate": ("sub is no name", lambda i: signed(claims(i, sub="ada\ud800"))),
    "sub of 256 characters": ("longer than 255", lambda i: signed(claims(i, sub="a" * 256))),
    "sub a number": ("malformed", lambda i: forged(RS, claims(i, sub=7), rsa_signature)),
    "sub a list": ("malformed", lambda i: forged(RS, claims(i, sub=["ada"]), rsa_signature)),
    "scope a number": ("scope is no text", lambda i: signed(claims(i, scope=1))),
    **{
        f"alg {alg!r}": ("algorithm", lambda i, alg=alg: forged({"alg": alg, "kid": "rsa"}, claims(i)))  # type: ignore[misc]
        for alg in ("none", "None", "NONE", "nOnE", "", None, "rs256", "RS256 ", ["RS256"], {"RS256": 1}, 5)
    },
    "no alg": ("algorithm", lambda i: forged({"kid": "rsa"}, claims(i))),
    "RS256 without a signature": ("wrong signature", lambda i: forged(RS, claims(i))),
    "ES256 with a signature of zeros": (
        "wrong signature",
        lambda i: forged({"alg": "ES256", "kid": "ec"}, claims(i), lambda _: bytes(64)),
    ),
    "HS256 with the public key as its secret": (
        "algorithm",
        lambda i: forged(
            {"alg": "HS256", "kid": "rsa"},
            claims(i),
            lambda content: hmac.digest(public_pem(RSA_KEY), content, "sha256"),
        ),
    ),
    "RS512 with the right key": ("algorithm", lambda i: signed(claims(i), "RS512", kid="rsa")),
    "PS256 with the right key": ("algorithm", lambda i: signed(claims(i), "PS256", kid="rsa")),
    "ES512": ("algorithm", lambda i: signed(claims(i), "ES512", ec.generate_private_key(ec.SECP521R1()))),
    "key id unknown": ("unknown key", lambda i: signed(claims(i), key=OTHER_RSA_KEY, kid="mine")),
    "key id of the other type": ("unknown key", lambda i: signed(claims(i), kid="ec")),
    "key id of the other type, the other way": (
        "unknown key",
        lambda i: signed(claims(i), "ES256", kid="rsa"),
    ),
    "key id a number": ("malformed", lambda i: forged({"alg": "RS256", "kid": 1}, claims(i), rsa_signature)),
    "key of another": ("wrong signature", lambda i: signed(claims(i), key=OTHER_RSA_KEY)),
    "key of another without an id": (
        "wrong signature",
        lambda i: signed(claims(i), key=OTHER_RSA_KEY, kid=None),
    ),
    "key in the header": (
        "wrong signature",
        lambda i: signed(claims(i), key=OTHER_RSA_KEY, jwk=public_jwk(OTHER_RSA_KEY, "rsa")),
    ),
    "key only in the header": (
        "unknown key",
        lambda i: signed(claims(i), key=OTHER_RSA_KEY, kid="own", jwk=public_jwk(OTHER_RSA_KEY, "own")),
    ),
    "key behind an address in the header": (
        "unknown key",
        lambda i: signed(claims(i), key=OTHER_RSA_KEY, kid="own", jku=f"{i.url}/evil", x5u=f"{i.url}/evil"),
    ),
    "critical extension": (
        "critical",
        lambda i: forged({**RS, "crit": ["b64"], "b64": True}, claims(i), rsa_signature),
    ),
    "critical extension unknown": (
        "malformed",
        lambda i: forged({**RS, "crit": ["exp"], "exp": 1}, claims(i), rsa_signature),
    ),
    "payload changed": ("wrong signature", lambda i: with_payload(signed(claims(i)), sub="eve")),
    "payload changed, ES256": (
        "wrong signature",
        lambda i: with_payload(signed(claims(i), "ES256"), scope="footfall:admin"),
    ),
    "signature changed": ("wrong signature", lambda i: with_flipped_signature(signed(claims(i)))),
    "signature changed, ES256": (
        "wrong signature",
        lambda i: with_flipped_signature(signed(claims(i), "ES256")),
    ),
    "signature cut": ("wrong signature", lambda i: signed(claims(i))[:-6]),
    "payload no object": ("malformed", lambda i: forged(RS, ["ada"], rsa_signature)),
    "header no object": ("malformed", lambda i: forged([RS], claims(i), rsa_signature)),
    "header nested deeply": ("malformed", lambda _: f"{encode(b'[' * 9000)}.e30.e30"),
    "number of 5000 digits": ("malformed", lambda _: encode(b'{"alg":%s}' % (b"9" * 5000)) + ".e30.e30"),
    "five parts": ("malformed", lambda i: f"{signed(claims(i))}.e30.e30"),
    "two parts": ("malformed", lambda _: "e30.e30"),
    "no token": ("malformed", lambda _: "x"),
    "dots": ("malformed", lambda _: ".."),
    "huge": ("too long", lambda i: signed(claims(i, note="x" * 16_384))),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_token_is_refused_with_its_reason(
    name: str, issuer: ServedIssuer, authenticator: Authenticator
) -> None:
    reason, make = HOSTILE[name]
    with pytest.raises(RefusedError, match=reason):
        authenticator.authenticate(f"Bearer {make(issuer)}")
    assert set(issuer.asked) <= {"/tenant/.well-known/openid-configuration", "/tenant/keys"}


def test_a_huge_token_is_refused_before_anything_is_asked(
    issuer: ServedIssuer, authenticator: Authenticator
) -> None:
    with pytest.raises(RefusedError, match="too long"):
        authenticator.authenticate(f"Bearer {signed(claims(issuer, note='x' * 16_384))}")
    assert not issuer.asked


NO_BEARER = ["", " ", "Bearer", "Bearer ", "Basic c2VydmVyLWtleTo=", "server-key", "Bearerserver-key"]
MALFORMED = [
    "Bearer server-key, Bearer server-key",
    "Bearer server-key x",
    "Bearer schlüssel",
    "Bearer \ud800",
]
WRONG_KEY = ["Bearer server-ke", "Bearer server-keyy", "Bearer SERVER-KEY", f"Bearer {digest('server-key')}"]


@pytest.mark.parametrize("authorization", [*NO_BEARER, *MALFORMED, *WRONG_KEY])
def test_what_is_no_bearer_token_is_refused(authorization: str, authenticator: Authenticator) -> None:
    with pytest.raises(RefusedError):
        authenticator.authenticate(authorization)


HEADERS = st.dictionaries(
    st.sampled_from(["alg", "kid", "crit", "b64", "typ"]),
    st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text()),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text() | HEADERS.map(lambda header: f"Bearer {forged(header, {})}"))
def test_junk_is_refused_and_never_breaks(authorization: str) -> None:
    keys = IssuerKeys("https://issuer.invalid", fetch=lambda url: pytest.fail(f"asked for {url}"))
    with pytest.raises(RefusedError):
        Authenticator(TokenVerifier(keys, "footfall"), ()).authenticate(authorization)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "  Bearer  "])
@pytest.mark.parametrize("key", ["server-key", "sample-server-key"])
def test_either_server_key_reads_and_administers(
    scheme: str, key: str, issuer: ServedIssuer, authenticator: Authenticator
) -> None:
    who = authenticator.authenticate(f"{scheme} {key}")
    assert (who.sub, who.scope, who.kind) == ("", "footfall:read footfall:admin", "server")
    assert not issuer.asked


@pytest.mark.parametrize(
    ("said", "scope"),
    [
        ({"scope": "openid footfall:read"}, "openid footfall:read"),
        ({"scope": " openid  openid "}, "openid"),
        ({"scp": ["openid", "footfall:read"]}, "openid footfall:read"),
        ({"scp": "footfall:read"}, "footfall:read"),
        ({"scope": "", "scp": ["footfall:admin"]}, ""),
        # Of a Cognito user pool, whose users have groups.
        ({"scope": "openid", "cognito:groups": ["staff", "footfall:read"]}, "openid staff footfall:read"),
        ({"scp": ["openid"], "cognito:groups": []}, "openid"),
        ({}, ""),
    ],
)
def test_scopes(said: Json, scope: str, issuer: ServedIssuer, authenticator: Authenticator) -> None:
    assert authenticator.authenticate(f"Bearer {signed(claims(issuer, **said))}").scope == scope


def test_without_a_kid_two_keys_of_the_type_are_ambiguous(
    issuer: ServedIssuer, authenticator: Authenticator
) -> None:
    issuer.keys.append(public_jwk(OTHER_RSA_KEY, "second"))
    with pytest.raises(RefusedError, match="unknown key"):
        authenticator.authenticate(f"Bearer {signed(claims(issuer), kid=None)}")
    assert authenticator.authenticate(f"Bearer {signed(claims(issuer), 'ES256', kid=None)}").sub == "ada"


def test_an_issuer_that_never_answered_is_an_error_not_a_denial(
    issuer: ServedIssuer, authenticator: Authenticator, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.fail()
    event = sample("authorize_token", signed(claims(issuer)))
    with pytest.raises(IssuerUnavailableError, match=r"can't be fetched.*503"):
        authorize(event, authenticator)
    assert any("503" in str(vars(record).get("reason")) for record in caplog.records)
    assert authenticator.authenticate("Bearer server-key").kind == "server"
    issuer.recover()
    clock.now += 5
    assert authorize(event, authenticator)["isAuthorized"]


def sample(name: str, token: str | None = None) -> Json:
    event: Json = json.loads((ROOT / "events" / f"{name}.json").read_text())
    if token:
        event["identitySource"] = [f"Bearer {token}"]
        event["headers"]["authorization"] = f"Bearer {token}"
    return event


@pytest.mark.parametrize("name", ["authorize_token", "authorize_server_key"])
def test_the_sample_events_are_as_the_gateway_sends_them(name: str) -> None:
    event = sample(name)
    assert (event["version"], event["type"]) == ("2.0", "REQUEST")
    assert event["identitySource"] == [event["headers"]["authorization"]]
    assert event["routeArn"].endswith(f"{event['requestContext']['http']['method']}{event['rawPath']}")
    assert "body" not in event


def test_the_answer_says_who_and_with_which_scopes(
    issuer: ServedIssuer, authenticator: Authenticator
) -> None:
    event = sample("authorize_token", signed(claims(issuer, scope="openid footfall:read")))
    assert authorize(event, authenticator) == {
        "isAuthorized": True,
        "context": {"sub": "ada", "scope": "openid footfall:read", "kind": "user"},
    }
    assert authorize(sample("authorize_server_key"), authenticator) == {
        "isAuthorized": True,
        "context": {"sub": "", "scope": "footfall:read footfall:admin", "kind": "server"},
    }


@pytest.mark.parametrize("sources", [[], None, ["Basic eDp5"], ["Bearer x"], [None]])
def test_a_denial_says_nothing_to_the_caller(sources: Any, authenticator: Authenticator) -> None:
    event = {**sample("authorize_server_key"), "identitySource": sources}
    assert authorize(event, authenticator) == {"isAuthorized": False}


INVOKE = """
import json, sys, types
from functions.authorize.handler import lambda_handler
context = types.SimpleNamespace(aws_request_id="request-1")
answers = [lambda_handler(event, context) for event in json.load(sys.stdin)]
print(json.dumps(answers), file=sys.stderr)
"""


def test_deployed_it_reads_its_environment_and_logs_a_denial_in_one_line_without_the_token(
    issuer: ServedIssuer,
) -> None:
    refused = signed(claims(issuer, exp=5, sub="mallory"))
    valid = signed(claims(issuer, exp=4_000_000_000, iat=5))
    events = [
        sample("authorize_token", refused),
        sample("authorize_token", valid),
        sample("authorize_server_key"),
    ]
    environ = {
        "JWT_ISSUER": issuer.url,
        "JWT_AUDIENCE": "footfall",
        "SERVER_KEY_HASHES": f"{hashlib.sha256(b'sample-server-key').hexdigest()},{digest('other')}",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'layers/common'}",
    }
    done = subprocess.run(
        [sys.executable, "-c", INVOKE],
        input=json.dumps(events),
        env=environ,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    answers = json.loads(done.stderr)
    assert [answer["isAuthorized"] for answer in answers] == [False, True, True]
    (line,) = done.stdout.splitlines()
    entry = json.loads(line)
    assert (entry["level"], entry["reason"], entry["request_id"]) == ("INFO", "expired", "request-1")
    assert not any(part in line for part in (*refused.split("."), "mallory"))
