"""What a caller presents, and who that makes it: a server key, or a token of the issuer."""

import math
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import jwt

from footfall import keys
from footfall.errors import FootfallError
from functions.authorize.jwks import IssuerKeys

ALGORITHMS = ("RS256", "ES256")
SERVER_SCOPE = "footfall:read footfall:admin"
MAX_AUTHORIZATION = 16 * 1024
MAX_SUBJECT = 255
# Clocks differ: a token is taken this long before its `nbf` and after its `exp`; the gateway's
# cache adds the time for which it keeps an answer.
LEEWAY_SECONDS = 30

_TIMES = ("exp", "nbf", "iat")
_REQUIRED = ["iss", "exp", "sub"]


class RefusedError(FootfallError):
    """Nobody is known by what was presented; the reason holds nothing of it."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who speaks: a user by its `sub`, or a server (whose `sub` is empty); scopes by spaces."""

    sub: str
    scope: str
    kind: Literal["user", "server"]


class TokenVerifier:
    """Verifies the tokens of one issuer for one audience; `clock` gives seconds since 1970."""

    def __init__(
        self, issuer_keys: IssuerKeys, audience: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._keys = issuer_keys
        self._audience = audience
        self._clock = clock

    def verify(self, token: str) -> Principal:
        """The user whom the issuer vouches for.

        Raises:
            RefusedError: the token isn't the issuer's, isn't for us, or isn't valid now.
            IssuerUnavailableError: no key was ever fetched, and none can be now.
        """
        claims = self._signed_claims(token)
        if self._audience not in _audiences(claims):
            raise RefusedError("wrong audience")
        _check_times(claims, self._clock())
        return Principal(_subject(claims), _scope(claims), "user")

    def _signed_claims(self, token: str) -> Mapping[str, Any]:
        try:
            key = self._key(jwt.get_unverified_header(token))
            return jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                issuer=self._keys.issuer,
                options={
                    "require": _REQUIRED,
                    "enforce_minimum_key_length": True,
                    # `verify` checks these: PyJWT reads a clock of its own, and knows no `client_id`.
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    "verify_aud": False,
                },
            )
        except jwt.PyJWTError as error:
            raise RefusedError(_reason(error)) from None

    def _key(self, header: Mapping[str, Any]) -> jwt.PyJWK:
        algorithm = header.get("alg")
        if algorithm not in ALGORITHMS:
            raise RefusedError("algorithm is neither RS256 nor ES256")
        if "crit" in header:
            raise RefusedError("critical extension")
        key = self._keys.find(header.get("kid"), algorithm)
        if key is None:
            raise RefusedError("unknown key")
        return key


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Takes an Authorization header's value: the server key or a token, as Bearer."""

    verifier: TokenVerifier
    server_key_hashes: Collection[str]

    def authenticate(self, authorization: str) -> Principal:
        """Who sent that header.

        Raises:
            RefusedError: nobody that is known.
            IssuerUnavailableError: see `TokenVerifier.verify`.
        """
        credential = _bearer(authorization)
        if keys.matches(credential, self.server_key_hashes):
            return Principal("", SERVER_SCOPE, "server")
        return self.verifier.verify(credential)


def _bearer(authorization: str) -> str:
    if len(authorization) > MAX_AUTHORIZATION:
        raise RefusedError("too long")
    scheme, _, credential = authorization.strip().partition(" ")
    credential = credential.strip()
    if scheme.lower() != "bearer" or not credential:
        raise RefusedError("no bearer token")
    if not credential.isascii() or len(credential.split()) > 1:
        raise RefusedError("malformed token")
    return credential


def _audiences(claims: Mapping[str, Any]) -> list[Any]:
    # Cognito's access tokens name their client instead of an audience.
    audience = claims["aud"] if "aud" in claims else claims.get("client_id")
    return audience if isinstance(audience, list) else [audience]


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    times = {name: claims[name] for name in _TIMES if name in claims}
    for name, value in times.items():
        if not _is_time(value):
            raise RefusedError(f"{name} is no time")
    if times.pop("exp") <= now - LEEWAY_SECONDS:
        raise RefusedError("expired")
    if any(value > now + LEEWAY_SECONDS for value in times.values()):
        raise RefusedError("not yet valid")


def _is_time(value: Any) -> bool:
    return type(value) is int or (type(value) is float and math.isfinite(value))


def _subject(claims: Mapping[str, Any]) -> str:
    subject = claims["sub"]
    # What isn't printable (NUL, lone surrogates) can't be stored either.
    if not (isinstance(subject, str) and subject.strip() and subject.isprintable()):
        raise RefusedError("sub is no name")
    if len(subject) > MAX_SUBJECT:
        raise RefusedError(f"sub is longer than {MAX_SUBJECT} characters")
    return subject


def _scope(claims: Mapping[str, Any]) -> str:
    said = claims.get("scope", claims.get("scp", ""))
    words = [*said] if isinstance(said, list) else [said]
    # Cognito gives scopes to clients; what one of its users may do, their groups say.
    groups = claims.get("cognito:groups", [])
    words += groups if isinstance(groups, list) else [groups]
    if not all(isinstance(word, str) for word in words):
        raise RefusedError("scope is no text")
    return " ".join(dict.fromkeys(" ".join(words).split()))


def _reason(error: jwt.PyJWTError) -> str:
    match error:
        case jwt.MissingRequiredClaimError():
            return f"{error.claim} is missing"
        case jwt.InvalidSignatureError():
            return "wrong signature"
        case jwt.InvalidIssuerError():
            return "wrong issuer"
        case jwt.InvalidKeyError():
            return "unusable key"
        case _:
            return "malformed token"
