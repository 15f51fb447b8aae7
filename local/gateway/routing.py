"""Finds the route of a request as an HTTP API does: the most specific one wins."""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from local.template.model import Route


@dataclass(frozen=True)
class Match:
    """`parameters` are decoded."""

    route: Route
    parameters: dict[str, str]


class Router:
    """A path without {name+} beats one with, a literal beats {name}, a method beats ANY; $default is last."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = [(route, tuple(route.path.split("/"))) for route in sorted(routes, key=_rank)]

    def find(self, method: str, path: str) -> Match | None:
        """`path` is still encoded, so that a %2F stays inside its segment."""
        segments = path.split("/")
        for route, pattern in self._routes:
            if route.method in {method, "ANY"}:
                parameters = _parameters(pattern, segments)
                if parameters is not None:
                    return Match(route, parameters)
        return None


def _rank(route: Route) -> tuple[int, list[int], bool]:
    segments = [_segment_rank(segment) for segment in route.path.split("/")]
    last = 2 if route.path == "$default" else int(2 in segments)
    return (last, segments, route.method == "ANY")


def _segment_rank(segment: str) -> int:
    if not segment.startswith("{"):
        return 0
    return 2 if segment.endswith("+}") else 1


def _parameters(pattern: tuple[str, ...], segments: list[str]) -> dict[str, str] | None:
    if pattern == ("$default",):
        return {}
    greedy = pattern[-1].endswith("+}")
    if len(segments) < len(pattern) or (len(segments) > len(pattern) and not greedy):
        return None
    parameters: dict[str, str] = {}
    for index, name in enumerate(pattern):
        value = "/".join(segments[index:]) if name.endswith("+}") else segments[index]
        if name.startswith("{") and value:
            parameters[name.strip("{+}")] = unquote(value)
        elif name != unquote(value):
            return None
    return parameters
