"""An OIDC issuer for the local stack, so that `authorize` runs as it does on AWS."""

import hashlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

# Of the stack's address.
PATH = "/local/issuer"

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_MAKERS: dict[str, Callable[[], PrivateKey]] = {
    "RS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
}


class Issuer:
    """Signs tokens as `url`, with keys that are made once and kept under `directory`."""

    def __init__(self, directory: Path, url: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.url = url
        self._keys = {alg: _kept_key(directory / f"{alg.lower()}.pem", make) for alg, make in _MAKERS.items()}

    def routes(self) -> list[web.RouteDef]:
        """The discovery document and the key set, at the paths of `url`."""
        path = urlsplit(self.url).path
        return [
            web.get(f"{path}/.well-known/openid-configuration", self._serve_discovery),
            web.get(f"{path}/jwks.json", self._serve_keys),
        ]

    def token(
        self,
        sub: str,
        scope: str = "",
        *,
        audience: str = "footfall",
        alg: str = "RS256",
        lifetime: float = 3600,
        now: float | None = None,
        **claims: Any,
    ) -> str:
        """A token for `sub` that expires `lifetime` seconds after `now`; `claims` win, None omits one.

        Raises:
            ValueError: `alg` is neither RS256 nor ES256.
        """
        if alg not in self._keys:
            raise ValueError(f"alg must be RS256 or ES256, not {alg!r}")
        issued = int(time.time() if now is None else now)
        standard = {"iss": self.url, "sub": sub, "aud": audience, "scope": scope}
        times = {"iat": issued, "exp": int(issued + lifetime)}
        said = {name: value for name, value in {**standard, **times, **claims}.items() if value is not None}
        key = self._keys[alg]
        return jwt.encode(said, key, algorithm=alg, headers={"kid": _key_id(key)})

    def jwks(self) -> dict[str, Any]:
        """The public keys, as a JSON Web Key Set."""
        return {"keys": [_jwk(alg, key) for alg, key in self._keys.items()]}

    async def _serve_discovery(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/jwks.json",
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "code_challenge_methods_supported": ["S256"],
                "id_token_signing_alg_values_supported": list(self._keys),
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
            },
            headers={"access-control-allow-origin": "*"},
        )

    async def _serve_keys(self, _: web.Request) -> web.Response:
        return web.json_response(self.jwks())


def _kept_key(path: Path, make: Callable[[], PrivateKey]) -> PrivateKey:
    if not path.exists():
        _write(path, make().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except ValueError as error:
        raise ValueError(f"{path} holds no private key; without the file a new one is made") from error
    if not isinstance(key, PrivateKey):
        raise TypeError(f"{path} holds a key of another kind; without the file a new one is made")
    return key


def _write(path: Path, content: bytes) -> None:
    # A temporary file is readable by its owner alone, and a kill can't leave half a key.
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
    Path(file.name).replace(path)


def _key_id(key: PrivateKey) -> str:
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(public).hexdigest()[:16]


def _jwk(alg: str, key: PrivateKey) -> dict[str, Any]:
    if isinstance(key, rsa.RSAPrivateKey):
        public = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        public = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**public, "kid": _key_id(key), "alg": alg, "use": "sig"}
