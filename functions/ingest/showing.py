"""What an error says of a value that was sent: its kind in JSON, or the beginning of it."""

from footfall.events import dumps

_LENGTH = 60
# The errors of a whole batch must fit into an answer, where JSON makes up to twelve bytes of a character.
_MOST_BYTES = 90
_LENGTH_OF_LONG = 12
_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (str, "text"),
    (int, "a number"),
    (float, "a number"),
    (list, "a list"),
    (dict, "an object"),
)


def kind_of(value: object) -> str:
    for kind, name in _KINDS:
        if isinstance(value, kind):
            return name
    return "null"


def shown(value: object) -> str:
    """In Python's spelling, cut to 60 characters, or to 12 where JSON makes them long."""
    if isinstance(value, (list, dict)):
        return kind_of(value)
    whole = repr(value)
    kept = whole[:_LENGTH]
    if len(dumps(kept)) > _MOST_BYTES:
        kept = whole[:_LENGTH_OF_LONG]
    return kept if kept == whole else f"{kept}…"
