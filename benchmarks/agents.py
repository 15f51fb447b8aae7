"""User agents as browsers send them: some hundred, of which few are common."""

import random

_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64"
_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
_KHTML = "AppleWebKit/537.36 (KHTML, like Gecko)"
_WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
_FORMS = (
    f"{_WINDOWS}) {_KHTML} Chrome/{{0}}.0.0.0 Safari/537.36",
    f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_{{0}} like Mac OS X) {_WEBKIT}"
    " Version/18.{0} Mobile/15E148 Safari/604.1",
    f"Mozilla/5.0 (Linux; Android 10; K) {_KHTML} Chrome/{{0}}.0.0.0 Mobile Safari/537.36",
    f"{_MAC} {_KHTML} Chrome/{{0}}.0.0.0 Safari/537.36",
    f"{_WINDOWS}) {_KHTML} Chrome/{{0}}.0.0.0 Safari/537.36 Edg/{{0}}.0.0.0",
    f"{_WINDOWS}; rv:{{0}}.0) Gecko/20100101 Firefox/{{0}}.0",
    f"{_MAC} {_WEBKIT} Version/17.{{0}} Safari/605.1.15",
    f"Mozilla/5.0 (iPad; CPU OS 17_{{0}} like Mac OS X) {_WEBKIT} Version/17.{{0}} Mobile Safari/604.1",
)
AGENTS = tuple(form.format(version) for version in range(90, 140) for form in _FORMS)


def draw(source: random.Random) -> str:
    """One of AGENTS; the first ones often."""
    return AGENTS[int(len(AGENTS) * source.random() ** 4)]
