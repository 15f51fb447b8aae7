"""Signing in with the local issuer: OIDC's authorization code with PKCE, without a question."""

import base64
import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from aiohttp import web

from local.control.issuer import Issuer

# Everybody on this machine is its operator; a `login_hint` says somebody else.
OPERATOR = "operator"
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
LIFETIME_SECONDS = 60.0
# A page at localhost is another origin than the issuer's 127.0.0.1.
FOR_ANY_PAGE = {"access-control-allow-origin": "*", "cache-control": "no-store"}


@dataclass(frozen=True, slots=True)
class Grant:
    """What a code stands for."""

    sub: str
    scope: str
    client_id: str
    redirect_uri: str
    nonce: str
    challenge: str
    until: float


class SigningIn:
    """`make_token(sub, scope)` signs what the API believes; codes are good once, for a minute."""

    def __init__(self, issuer: Issuer, make_token: Callable[[str, str], str]) -> None:
        self._issuer = issuer
        self._make_token = make_token
        self._grants: dict[str, Grant] = {}

    def routes(self) -> list[web.RouteDef]:
        url = urlsplit(self._issuer.url)
        return [web.get(f"{url.path}/authorize", self._authorize), web.post(f"{url.path}/token", self._token)]

    async def _authorize(self, request: web.Request) -> web.Response:
        asked = request.query
        redirect = asked.get("redirect_uri", "")
        if not self._is_own_page(redirect):
            raise web.HTTPBadRequest(text="redirect_uri is /insights/ of this stack")
        if asked.get("code_challenge_method") != "S256" or not asked.get("code_challenge"):
            raise web.HTTPBadRequest(text="code_challenge is needed, by S256")
        code = secrets.token_urlsafe()
        self._grants[code] = Grant(
            sub=asked.get("login_hint") or OPERATOR,
            scope=asked.get("scope", ""),
            client_id=asked.get("client_id", ""),
            redirect_uri=redirect,
            nonce=asked.get("nonce", ""),
            challenge=asked["code_challenge"],
            until=time.monotonic() + LIFETIME_SECONDS,
        )
        said = urlencode({"code": code, "state": asked.get("state", "")})
        raise web.HTTPFound(f"{redirect}?{said}")

    async def _token(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        grant = self._grants.pop(form.get("code", ""), None)
        if grant is None or not _keeps(grant, form):
            return web.json_response({"error": "invalid_grant"}, status=400, headers=FOR_ANY_PAGE)
        who = self._issuer.token(grant.sub, audience=grant.client_id, nonce=grant.nonce or None)
        return web.json_response(
            {
                "access_token": self._make_token(grant.sub, grant.scope),
                "id_token": who,
                "token_type": "Bearer",
                "expires_in": 3600,
                "scope": grant.scope,
            },
            headers=FOR_ANY_PAGE,
        )

    def _is_own_page(self, address: str) -> bool:
        asked = urlsplit(address)
        own = asked.hostname in LOOPBACK and asked.port == urlsplit(self._issuer.url).port
        return own and (asked.scheme, asked.path, asked.query) == ("http", "/insights/", "")


def _keeps(grant: Grant, form: Mapping[str, str]) -> bool:
    digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return (
        time.monotonic() < grant.until
        and secrets.compare_digest(challenge, grant.challenge)
        and form.get("redirect_uri") == grant.redirect_uri
        and form.get("client_id") == grant.client_id
    )
