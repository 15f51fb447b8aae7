"""Reads an HTTP API of the template: routes, Lambda authorizers, CORS and throttles."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from local.template.intrinsics import TemplateError
from local.template.model import Api, Authorizer, Cors, Route, Throttle

_MAX_TIMEOUT = 30.0


def read_route(function: str, properties: dict[str, Any], place: str) -> Route:
    """Of an HttpApi event; SAM makes `$default` of an event without path and method."""
    path, method = properties.get("Path"), properties.get("Method")
    if (path is None) != (method is None):
        raise TemplateError(place, "Path and Method come together or not at all")
    method = str(method or "ANY").upper()
    return Route(
        method="ANY" if method == "X-AMAZON-APIGATEWAY-ANY-METHOD" else method,
        path=str(path or "$default"),
        function=function,
        authorizer=(properties.get("Auth") or {}).get("Authorizer"),
        timeout=min(float(properties.get("TimeoutInMillis", 30_000)) / 1000, _MAX_TIMEOUT),
    )


def read_api(
    place: str, properties: dict[str, Any], routes: list[Route], functions: Mapping[str, str]
) -> Api:
    """`functions` gives logical ids by ARN."""
    auth = properties.get("Auth") or {}
    authorizers = {
        name: _authorizer(f"{place}.Auth.Authorizers.{name}", name, spec, functions)
        for name, spec in (auth.get("Authorizers") or {}).items()
    }
    default = auth.get("DefaultAuthorizer")
    complete = [_with_throttle(_with_authorizer(route, default, authorizers), properties) for route in routes]
    return Api(tuple(complete), authorizers, _cors(properties.get("CorsConfiguration")))


def _with_authorizer(route: Route, default: str | None, authorizers: Mapping[str, Authorizer]) -> Route:
    name = route.authorizer or default
    if name is None or name == "NONE":
        return replace(route, authorizer=None)
    if name not in authorizers:
        raise TemplateError(route.key, f"there is no authorizer {name!r}")
    return replace(route, authorizer=name)


def _with_throttle(route: Route, properties: dict[str, Any]) -> Route:
    shared = properties.get("DefaultRouteSettings") or {}
    own = (properties.get("RouteSettings") or {}).get(route.key) or {}
    settings = {**shared, **own}
    if "ThrottlingRateLimit" not in settings or "ThrottlingBurstLimit" not in settings:
        return route
    rate, burst = float(settings["ThrottlingRateLimit"]), float(settings["ThrottlingBurstLimit"])
    return replace(route, throttle=Throttle(rate, burst))


def _authorizer(place: str, name: str, spec: dict[str, Any], functions: Mapping[str, str]) -> Authorizer:
    if "FunctionArn" not in spec:
        raise TemplateError(place, "only Lambda authorizers (FunctionArn) are served locally")
    if (
        str(spec.get("AuthorizerPayloadFormatVersion")) != "2.0"
        or spec.get("EnableSimpleResponses") is not True
    ):
        raise TemplateError(place, "needs AuthorizerPayloadFormatVersion 2.0 and EnableSimpleResponses")
    identity = spec.get("Identity") or {}
    headers = tuple(str(header).lower() for header in identity.get("Headers") or ())
    if not headers or identity.keys() - {"Headers", "ReauthorizeEvery"}:
        raise TemplateError(f"{place}.Identity", "identifies by Headers alone locally")
    if spec["FunctionArn"] not in functions:
        raise TemplateError(place, "FunctionArn is none of the template's functions")
    ttl = float(identity.get("ReauthorizeEvery", 0))
    return Authorizer(name, functions[spec["FunctionArn"]], headers, ttl)


def _cors(spec: Any) -> Cors | None:
    if not spec:
        return None
    if spec is True:
        return Cors(origins=("*",))
    if isinstance(spec, str):
        return Cors(origins=(spec,))
    lists = {key: tuple(str(item) for item in spec.get(f"Allow{key.title()}") or ()) for key in _CORS_LISTS}
    return Cors(
        **lists,
        expose=tuple(spec.get("ExposeHeaders") or ()),
        max_age=None if spec.get("MaxAge") is None else int(spec["MaxAge"]),
        credentials=bool(spec.get("AllowCredentials")),
    )


_CORS_LISTS = ("origins", "methods", "headers")
