"""The issuer's keys: found, kept, refreshed and rotated, whatever the issuer does."""

import socket
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from footfall.keys import digest
from functions.authorize.jwks import IssuerKeys, IssuerUnavailableError, fetch_json
from functions.authorize.tokens import Authenticator, RefusedError, TokenVerifier
from tests.unit.tokens import (
    EC_KEY,
    NOW,
    OTHER_RSA_KEY,
    RSA_KEY,
    SHORT_RSA_KEY,
    Clock,
    ServedIssuer,
    claims,
    encode,
    forged,
    public_jwk,
    public_pem,
    signed,
)


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


UNUSABLE_KEYS: dict[str, Any] = {
    "for encryption": public_jwk(RSA_KEY, "rsa", use="enc"),
    "for another algorithm": public_jwk(RSA_KEY, "rsa", alg="RS512"),
    "of another type than its alg": public_jwk(EC_KEY, "rsa", alg="RS256"),
    "symmetric": {"kty": "oct", "k": encode(public_pem(RSA_KEY)), "kid": "rsa", "alg": "RS256"},
    "of a type unknown": {"kty": "AKP", "kid": "rsa", "alg": "ML-DSA-44"},
    "with an alg that is no text": public_jwk(RSA_KEY, "rsa", alg=["RS256"]),
    "broken": {"kty": "RSA", "kid": "rsa", "n": 5, "e": None},
    "no object": "rsa",
}


@pytest.mark.parametrize("name", UNUSABLE_KEYS)
def test_a_key_that_is_no_key_for_us_is_passed_over(
    name: str, issuer: ServedIssuer, authenticator: Authenticator
) -> None:
    issuer.keys = [UNUSABLE_KEYS[name], public_jwk(EC_KEY, "ec")]
    with pytest.raises(RefusedError, match="unknown key"):
        authenticator.authenticate(f"Bearer {signed(claims(issuer))}")
    assert authenticator.authenticate(f"Bearer {signed(claims(issuer), 'ES256')}").sub == "ada"


@pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")
def test_a_short_rsa_key_verifies_nothing(issuer: ServedIssuer, authenticator: Authenticator) -> None:
    issuer.keys = [public_jwk(SHORT_RSA_KEY, "rsa")]
    with pytest.raises(RefusedError, match="unusable key"):
        authenticator.authenticate(f"Bearer {signed(claims(issuer), key=SHORT_RSA_KEY)}")


def test_an_es256_key_on_another_curve_verifies_nothing(
    issuer: ServedIssuer, authenticator: Authenticator
) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    issuer.keys = [public_jwk(key, "ec", alg="ES256")]
    token = forged({"alg": "ES256", "kid": "ec"}, claims(issuer), lambda _: bytes(96))
    with pytest.raises(RefusedError, match="unusable key"):
        authenticator.authenticate(f"Bearer {token}")


def test_forged_key_ids_ask_the_issuer_once_a_minute(
    issuer: ServedIssuer, authenticator: Authenticator, clock: Clock
) -> None:
    def forge(number: int) -> None:
        with pytest.raises(RefusedError, match="unknown key"):
            authenticator.authenticate(f"Bearer {signed(claims(issuer), kid=f'forged {number}')}")

    for number in range(20):
        forge(number)
    assert issuer.fetches == 1
    clock.now += 60
    for number in range(20):
        forge(number)
    assert issuer.fetches == 2


def test_a_new_key_is_found_when_its_id_first_appears(
    issuer: ServedIssuer, authenticator: Authenticator, clock: Clock
) -> None:
    authenticator.authenticate(f"Bearer {signed(claims(issuer))}")
    issuer.keys = [public_jwk(OTHER_RSA_KEY, "next")]
    clock.now += 60
    who = authenticator.authenticate(f"Bearer {signed(claims(issuer), key=OTHER_RSA_KEY, kid='next')}")
    assert who.sub == "ada"
    with pytest.raises(RefusedError, match="unknown key"):
        authenticator.authenticate(f"Bearer {signed(claims(issuer))}")


def test_a_withdrawn_key_is_believed_for_an_hour_at_most(
    issuer: ServedIssuer, authenticator: Authenticator, clock: Clock
) -> None:
    token = signed(claims(issuer, exp=NOW + 9000))
    authenticator.authenticate(f"Bearer {token}")
    issuer.keys = [public_jwk(OTHER_RSA_KEY, "next")]
    clock.now += 3599
    assert authenticator.authenticate(f"Bearer {token}").sub == "ada"
    assert issuer.fetches == 1
    clock.now += 1
    with pytest.raises(RefusedError, match="unknown key"):
        authenticator.authenticate(f"Bearer {token}")
    assert issuer.fetches == 2


def test_while_the_issuer_is_down_its_old_keys_serve_on(
    issuer: ServedIssuer, authenticator: Authenticator, clock: Clock
) -> None:
    token = signed(claims(issuer, exp=NOW + 90_000))
    authenticator.authenticate(f"Bearer {token}")
    issuer.fail()
    clock.now += 7200
    for _ in range(5):
        assert authenticator.authenticate(f"Bearer {token}").sub == "ada"
    assert issuer.asked["/tenant/.well-known/openid-configuration"] == 2
    issuer.recover()
    clock.now += 60
    assert authenticator.authenticate(f"Bearer {token}").sub == "ada"
    assert issuer.fetches == 2


def test_an_issuer_that_is_gone_is_an_error(authenticator: Authenticator, issuer: ServedIssuer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    keys = IssuerKeys(f"http://127.0.0.1:{port}")
    with pytest.raises(IssuerUnavailableError, match=str(port)):
        keys.find("rsa", "RS256")


def test_a_first_failure_is_remembered_for_five_seconds(clock: Clock, issuer: ServedIssuer) -> None:
    asked: list[str] = []

    def slow(url: str) -> Any:
        asked.append(url)
        clock.now += 6
        return fetch_json(url)

    keys = IssuerKeys(issuer.url, slow, clock)

    def find() -> None:
        with pytest.raises(IssuerUnavailableError, match="503"):
            keys.find("rsa", "RS256")

    issuer.fail()
    find()
    clock.now += 4.9
    find()
    assert len(asked) == 1
    clock.now += 0.1
    find()
    assert len(asked) == 2
    issuer.recover()
    find()
    clock.now += 5
    assert keys.find("rsa", "RS256") is not None


def test_an_issuer_that_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        keys = IssuerKeys(
            f"http://127.0.0.1:{silent.getsockname()[1]}", fetch=partial(fetch_json, timeout=0.1)
        )
        with pytest.raises(IssuerUnavailableError, match="timed out"):
            keys.find("rsa", "RS256")


BROKEN_DISCOVERY: dict[str, tuple[str, Any]] = {
    "names another issuer": ("another issuer", {"issuer": "https://evil.invalid"}),
    "no key set": ("no jwks_uri", {"jwks_uri": None}),
    "key set in the clear": ("isn't https", {"jwks_uri": "http://keys.example/keys"}),
    "key set in a file": ("isn't https", {"jwks_uri": "file:///etc/hostname"}),
    "loopback only by its looks": ("isn't https", {"jwks_uri": "http://127.0.0.1.example/keys"}),
    "loopback as a user name": ("isn't https", {"jwks_uri": "http://127.0.0.1@keys.example/keys"}),
    "no address": ("isn't https", {"jwks_uri": "keys"}),
}


@pytest.mark.parametrize("name", BROKEN_DISCOVERY)
def test_a_discovery_document_that_misleads_is_not_followed(name: str, issuer: ServedIssuer) -> None:
    reason, changes = BROKEN_DISCOVERY[name]
    issuer.discovery |= changes
    with pytest.raises(IssuerUnavailableError, match=reason):
        IssuerKeys(issuer.url).find("rsa", "RS256")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"keys": {}}', b"\xff", b" " * 600_000])
def test_a_key_set_that_is_none_is_an_error(body: bytes, issuer: ServedIssuer) -> None:
    issuer.answers["/tenant/keys"] = (200, body)
    with pytest.raises(IssuerUnavailableError):
        IssuerKeys(issuer.url).find("rsa", "RS256")


def test_a_redirect_into_the_clear_is_not_followed(issuer: ServedIssuer) -> None:
    issuer.redirects["/tenant/keys"] = "http://keys.example/keys"
    with pytest.raises(IssuerUnavailableError, match="isn't https"):
        IssuerKeys(issuer.url).find("rsa", "RS256")


def test_an_issuer_in_the_clear_is_never_asked() -> None:
    with pytest.raises(IssuerUnavailableError, match="isn't https"):
        IssuerKeys("http://issuer.example").find("rsa", "RS256")


def test_an_issuer_that_ends_in_a_slash_is_found(issuer: ServedIssuer) -> None:
    issuer.discovery["issuer"] = f"{issuer.url}/"
    assert IssuerKeys(f"{issuer.url}/").find("rsa", "RS256")
