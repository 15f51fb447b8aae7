"""The rooms' own database roles, locally.

Migrations make them without a password, as on AWS they log in by token. Here each gets one made of the
owner's: the same in every run, and for every stack of that owner.
"""

import hashlib
import hmac
from collections.abc import Iterable
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit

import psycopg
from psycopg.sql import SQL, Identifier, Literal

_SECONDS = 5


class RoleError(Exception):
    """A role can't be connected as; the message says why."""


def role_of(url: str) -> str:
    """The role that a URL names; empty where it names none."""
    return unquote(urlsplit(url).username or "")


def role_url(owner_url: str, role: str) -> str:
    """The owner's URL with that role's name and password instead of the owner's.

    Raises:
        RoleError: the owner's URL has no host, user or password.
    """
    owner = _owner(owner_url)
    key = unquote(owner.password or "").encode()
    password = hmac.digest(key, role.encode(), hashlib.sha256).hex()
    address = owner.netloc.rpartition("@")[2]
    return urlunsplit(owner._replace(netloc=f"{quote(role, safe='')}:{password}@{address}"))


def let_all_in(owner_url: str, roles: Iterable[str]) -> tuple[dict[str, str], str | None]:
    """The URLs of the roles that can be connected as, by role, and what to tell of the others."""
    urls: dict[str, str] = {}
    problems: dict[str, str] = {}
    for role in sorted({*roles} - {""}):
        try:
            urls[role] = let_in(owner_url, role)
        except RoleError as error:
            problems[role] = str(error)
    if not problems:
        return urls, None
    reasons = "; ".join(dict.fromkeys(problems.values()))
    return urls, f"{', '.join(problems)}: not used, the owner of the database is instead ({reasons})"


def let_in(owner_url: str, role: str) -> str:
    """The role's URL, once one can connect with it.

    Raises:
        RoleError: there is no such role, or it can't be given its password, or not be connected as.
    """
    url = role_url(owner_url, role)
    if role == role_of(owner_url):
        return owner_url
    problem = _problem(url)
    # Nothing but a wrong password is a reason to replace one.
    if problem and "authentication failed" in problem:
        _set_password(owner_url, role, urlsplit(url).password or "")
        problem = _problem(url)
    if problem:
        raise RoleError(problem)
    return url


def _owner(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if not (
        parts.scheme in {"postgresql", "postgres"} and parts.hostname and parts.username and parts.password
    ):
        raise RoleError("the owner's URL is not postgresql://user:password@host/…")
    return parts


def _problem(url: str) -> str | None:
    """Why one can't connect; None where one can."""
    try:
        psycopg.connect(url, connect_timeout=_SECONDS).close()
    except psycopg.Error as error:
        return _said(error)
    return None


def _set_password(owner_url: str, role: str, password: str) -> None:
    try:
        with psycopg.connect(owner_url, connect_timeout=_SECONDS, autocommit=True) as owner:
            # Encrypted here, so that no log of the server's holds it.
            secret = owner.pgconn.encrypt_password(password.encode(), role.encode()).decode()
            owner.execute(SQL("ALTER ROLE {} PASSWORD {}").format(Identifier(role), Literal(secret)))
    except psycopg.errors.InternalError_:
        # "tuple concurrently updated": another stack gives it the same password.
        pass
    except psycopg.Error as error:
        raise RoleError(_said(error)) from error


def _said(error: psycopg.Error) -> str:
    return (error.diag.message_primary or str(error)).strip().splitlines()[-1]
