"""The operators' page: the files that its build made, and one page for every address that is none of them."""

from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from footfall.errors import NotFoundError
from footfall.http import Request
from footfall.settings import Settings
from functions.web.files import File, FileAnswer

FOLDER = Path(__file__).parent / "static/insights"
PAGE = "index.html"
# Its names hold a digest of what is in them, so that what has a name stays as it is.
ASSETS = "assets/"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}


def page_file(request: Request, name: str, issuer: str) -> FileAnswer:
    """The file of that name; any other address is a view, which the page's script reads off it.

    Raises:
        NotFoundError: an asset of another version, of which a browser has the page.
    """
    if name in _names():
        found = name
    elif name.startswith(ASSETS):
        raise NotFoundError(f"there is no {name[:80]!r} in this version; load the page again")
    else:
        found = PAGE
    kept = "public, max-age=31536000, immutable" if found.startswith(ASSETS) else "no-cache"
    headers = {"cache-control": kept}
    if found == PAGE:
        headers |= {"content-security-policy": policy(issuer), "referrer-policy": "no-referrer"}
    return FileAnswer.to(request, _file(found), headers)


def sign_in(settings: Settings) -> dict[str, str]:
    """What the page asks the issuer with; `audience` only where tokens name another than the client."""
    said = {
        "issuer": settings.jwt_issuer,
        "client_id": settings.insights_client_id,
        "scope": settings.insights_scope,
    }
    if settings.jwt_audience != settings.insights_client_id:
        said["audience"] = settings.jwt_audience
    return said


def policy(issuer: str) -> str:
    """What the page may load: its own files, and answers of the API and of the issuer.

    The issuer's document names hosts of its own for tokens (Cognito's does), so that any by https is let be.
    """
    where = urlsplit(issuer)
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "font-src 'self'",
            "img-src 'self' data:",
            f"connect-src 'self' https: {where.scheme}://{where.netloc}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


@cache
def _names() -> frozenset[str]:
    """Listed once: what isn't in the folder has no name here."""
    files = (file for file in FOLDER.rglob("*") if file.suffix in TYPES)
    return frozenset(file.relative_to(FOLDER).as_posix() for file in files)


@cache
def _file(name: str) -> File:
    path = FOLDER / name
    return File.read(path, TYPES[path.suffix])
