"""CORS as an HTTP API does it: the gateway answers the preflight and adds the headers itself."""

from collections.abc import Mapping
from fnmatch import fnmatchcase

from local.template.model import Cors

# A function's own CORS headers are dropped where the API has a CORS configuration.
RESPONSE_HEADERS = frozenset(
    f"access-control-{name}"
    for name in (
        "allow-origin",
        "allow-methods",
        "allow-headers",
        "allow-credentials",
        "expose-headers",
        "max-age",
    )
)


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    return method == "OPTIONS" and "Origin" in headers and "Access-Control-Request-Method" in headers


def preflight_headers(cors: Cors, origin: str | None) -> dict[str, str]:
    """None of them where the origin is not allowed."""
    headers = _origin_headers(cors, origin)
    if not headers:
        return {}
    if cors.methods:
        headers["access-control-allow-methods"] = ",".join(cors.methods)
    if cors.headers:
        headers["access-control-allow-headers"] = ",".join(cors.headers)
    if cors.max_age is not None:
        headers["access-control-max-age"] = str(cors.max_age)
    return headers


def response_headers(cors: Cors, origin: str | None) -> dict[str, str]:
    """For every answer but the preflight's."""
    headers = _origin_headers(cors, origin)
    if headers and cors.expose:
        headers["access-control-expose-headers"] = ",".join(cors.expose)
    return headers


def _origin_headers(cors: Cors, origin: str | None) -> dict[str, str]:
    if origin is None or not any(fnmatchcase(origin, pattern) for pattern in cors.origins):
        return {}
    if "*" in cors.origins:
        return {"access-control-allow-origin": "*"}
    headers = {"access-control-allow-origin": origin}
    if cors.credentials:
        headers["access-control-allow-credentials"] = "true"
    return headers
