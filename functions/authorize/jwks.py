"""The issuer's public keys: found by OIDC discovery, kept in the process."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

import jwt

from footfall.errors import UnavailableError

# A key that the issuer withdraws is believed for this long at most, while the issuer can be reached.
REFRESH_SECONDS = 3600
RETRY_SECONDS = 60
# Each request would wait for an issuer that doesn't answer.
FIRST_RETRY_SECONDS = 5
TIMEOUT_SECONDS = 3.0

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_MAX_BYTES = 512 * 1024


class IssuerUnavailableError(UnavailableError):
    """The issuer's keys can't be fetched."""


class IssuerKeys:
    """The signing keys of one issuer; `clock` gives seconds since 1970.

    Old keys serve on while the issuer can't be reached. A key id that nobody knows makes it ask
    the issuer again, once in 60 seconds at most, so that forged ids can't be used to hammer it.
    While no key was ever fetched, a failure holds for 5 seconds.
    """

    def __init__(
        self,
        issuer: str,
        fetch: Callable[[str], Any] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.issuer = issuer
        self._fetch = fetch or fetch_json
        self._clock = clock
        self._keys: Sequence[jwt.PyJWK] | None = None
        self._fetched_at = 0.0
        self._asked_at = 0.0
        self._failed_at = 0.0
        self._failure: str | None = None

    def find(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        """The key of that id and algorithm; without an id, the only one of that algorithm.

        Raises:
            IssuerUnavailableError: no key was ever fetched, and none can be now.
        """
        now = self._clock()
        if self._keys is None:
            self._load_first(now)
        elif now - self._fetched_at >= REFRESH_SECONDS:
            self._reload(now)
        key = self._match(kid, algorithm)
        if key is None and self._reload(now):
            key = self._match(kid, algorithm)
        return key

    def _match(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        found = [key for key in self._keys or () if key.algorithm_name == algorithm]
        if kid is None:
            return found[0] if len(found) == 1 else None
        return next((key for key in found if key.key_id == kid), None)

    def _reload(self, now: float) -> bool:
        if now - self._asked_at < RETRY_SECONDS:
            return False
        try:
            self._load(now)
        except IssuerUnavailableError as error:
            _warn(str(error))
            return False
        return True

    def _load_first(self, now: float) -> None:
        if self._failure and now - self._failed_at < FIRST_RETRY_SECONDS:
            raise IssuerUnavailableError(self._failure)
        try:
            self._load(now)
        except IssuerUnavailableError as error:
            # It may have taken longer than it is remembered.
            self._failed_at = self._clock()
            self._failure = str(error)
            raise

    def _load(self, now: float) -> None:
        self._asked_at = now
        try:
            self._keys = list(_usable(self._fetch(self._discover())))
        except (OSError, HTTPException, ValueError) as error:
            raise IssuerUnavailableError(f"the keys of {self.issuer} can't be fetched: {error}") from error
        self._fetched_at = now

    def _discover(self) -> str:
        document = self._fetch(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        if not isinstance(document, dict) or document.get("issuer") != self.issuer:
            raise ValueError("its discovery document names another issuer")
        address = document.get("jwks_uri")
        if not isinstance(address, str):
            raise ValueError("its discovery document has no jwks_uri")  # noqa: TRY004
        return address


def fetch_json(url: str, timeout: float = TIMEOUT_SECONDS) -> Any:
    """The JSON document at an https address (http on this machine alone); `timeout` in seconds.

    Raises:
        OSError, HTTPException: the server can't be reached, or doesn't answer 200.
        ValueError: the address isn't secure, or there is no JSON.
    """
    _require_secure(url)
    handlers = [_SecureRedirects(), *([ProxyHandler({})] if _is_loopback(url) else [])]
    request = Request(url, headers={"accept": "application/json", "user-agent": "footfall"})  # noqa: S310
    try:
        with build_opener(*handlers).open(request, timeout=timeout) as response:
            return json.loads(response.read(_MAX_BYTES))
    except HTTPError as error:
        with error:
            raise OSError(f"{url} answered {error.code}") from None


class _SecureRedirects(HTTPRedirectHandler):
    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        _require_secure(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _require_secure(url: str) -> None:
    scheme = urlsplit(url).scheme
    if not (scheme == "https" or (scheme == "http" and _is_loopback(url))):
        raise ValueError(f"{url} isn't https")


def _is_loopback(url: str) -> bool:
    return urlsplit(url).hostname in _LOOPBACK


def _usable(document: Any) -> Iterator[jwt.PyJWK]:
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError("its key set has no keys")  # noqa: TRY004
    for data in listed:
        key = _signing_key(data)
        if key is not None:
            yield key


def _signing_key(data: Any) -> jwt.PyJWK | None:
    if not isinstance(data, dict) or data.get("use", "sig") != "sig":
        return None
    try:
        return jwt.PyJWK(data)
    except (jwt.PyJWTError, ValueError, TypeError):
        return None  # issuers list keys of kinds that we don't know


def _warn(reason: str) -> None:
    from footfall.telemetry import logger

    logger("authorize").warning("the issuer's old keys serve on", extra={"reason": reason})
