"""Tokens good and forged, and an issuer on a free port that tests can break and rotate."""

import base64
import json
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

NOW = 1_800_000_000
Json = dict[str, Any]

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SHORT_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=1024)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def public_jwk(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, kid: str | None, **members: Any) -> Json:
    if isinstance(key, rsa.RSAPrivateKey):
        jwk = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        jwk = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    jwk.pop("key_ops", None)
    return {**jwk, **({"kid": kid} if kid else {}), **members}


class ServedIssuer:
    """An issuer on a free port; what it serves is said by its attributes, what was asked is counted."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.redirects: dict[str, str] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}/tenant"
        self.keys = [public_jwk(RSA_KEY, "rsa"), public_jwk(EC_KEY, "ec")]
        self.discovery: Json = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def fetches(self) -> int:
        return self.asked["/tenant/keys"]

    def fail(self) -> None:
        self.answers = dict.fromkeys(
            ("/tenant/keys", "/tenant/.well-known/openid-configuration"), (503, b"down")
        )

    def recover(self) -> None:
        self.answers = {}

    def answer(self, path: str) -> tuple[int, bytes]:
        documents: dict[str, Json] = {
            "/tenant/.well-known/openid-configuration": self.discovery,
            "/tenant/keys": {"keys": self.keys},
        }
        if path in self.answers:
            return self.answers[path]
        return (200, json.dumps(documents[path]).encode()) if path in documents else (404, b"")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked[self.path] += 1
                status, body = issuer.answer(self.path)
                if self.path in issuer.redirects:
                    status = 302
                self.send_response(status)
                if self.path in issuer.redirects:
                    self.send_header("location", issuer.redirects[self.path])
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


class Clock:
    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


RS = {"alg": "RS256", "kid": "rsa"}


def claims(issuer: ServedIssuer, **changes: Any) -> Json:
    """The claims of a good token; None omits one."""
    good = {"iss": issuer.url, "sub": "ada", "aud": "footfall", "iat": NOW - 10, "exp": NOW + 600}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def signed(said: Json, alg: str = "RS256", key: Any = None, kid: str | None = "by alg", **header: Any) -> str:
    kid = {"RS256": "rsa", "ES256": "ec"}.get(alg) if kid == "by alg" else kid
    headers = {**({"kid": kid} if kid else {}), **header}
    return jwt.encode(said, key or (EC_KEY if alg == "ES256" else RSA_KEY), alg, headers)


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forged(header: Any, said: Any, sign: Callable[[bytes], bytes] = lambda _: b"") -> str:
    """A token that no library would make."""
    body = f"{encode(json.dumps(header).encode())}.{encode(json.dumps(said).encode())}"
    return f"{body}.{encode(sign(body.encode()))}"


def public_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def rsa_signature(content: bytes) -> bytes:
    return jwt.get_algorithm_by_name("RS256").sign(content, RSA_KEY)


def with_payload(token: str, **changes: Any) -> str:
    header, payload, signature = token.split(".")
    said = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return f"{header}.{encode(json.dumps({**said, **changes}).encode())}.{signature}"


def with_flipped_signature(token: str) -> str:
    head, _, signature = token.rpartition(".")
    flipped = bytearray(base64.urlsafe_b64decode(signature + "=="))
    flipped[0] ^= 1
    return f"{head}.{encode(bytes(flipped))}"
