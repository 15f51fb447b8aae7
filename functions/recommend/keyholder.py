"""Who may ask for a visitor without a login: a page with a browser key, or a server with its own."""

from footfall import keys
from footfall.errors import ForbiddenError, UnauthorizedError
from footfall.http import Request
from footfall.settings import Settings


def check(request: Request, settings: Settings) -> None:
    """Takes the key in `write_key`.

    Raises:
        UnauthorizedError: there is none, or it isn't known.
        ForbiddenError: it is a page's from which it may not be used, or a server's and in a page.
    """
    key, origin = request.query.get("write_key"), request.headers.get("origin", "").lower()
    if not key:
        raise UnauthorizedError("write_key: is missing")
    if keys.matches(key, settings.server_key_hashes):
        if origin:
            raise ForbiddenError("write_key: this is a server's key in a page, where anybody can read it")
    elif keys.matches(key, settings.browser_key_hashes):
        allowed = settings.browser_key_hashes[keys.digest(key)]
        if origin and allowed and origin not in allowed:
            raise ForbiddenError("write_key: isn't allowed from this page")
    else:
        raise UnauthorizedError("write_key: isn't known")
