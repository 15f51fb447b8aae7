"""Has stored what was refused.

`session` replays by itself what Postgres refused. What `ingest` refused is carried to it and back, as the two
have no way to each other: it is validated again as of the request and the time that it came in.
"""

from collections import Counter
from typing import Any

from footfall.errors import UnavailableError
from functions.operate.functions import Functions


def replay(functions: Functions, after: str | None) -> dict[str, Any]:
    """A step behind the id `after`.

    What was marked is told, also where the rest of the step can't be done now: then `after` stays as it was.

    Raises:
        UnavailableError, FunctionFailedError: the same step may be done again.
    """
    step = functions.session({"replay": "quarantine", "after": after})
    replayed, stayed = step["replayed"], Counter(step["stayed"])
    left, last = step["left"], step["after"]
    if step["refused"]:
        try:
            written = _validate_and_write(functions, step["refused"])
        except UnavailableError:
            if not replayed:
                raise
            # What stayed comes up again, and is counted then.
            left += len(step["refused"]) + stayed.total()
            return {"replayed": replayed, "stayed": {}, "left": left, "after": after, "finished": False}
        replayed += written["replayed"]
        stayed += Counter(written["stayed"])
        if written["left"]:
            left, last = left + written["left"], written["after"]
    return {"replayed": replayed, "stayed": stayed, "left": left, "after": last, "finished": left == 0}


def _validate_and_write(functions: Functions, refused: list[dict[str, Any]]) -> dict[str, Any]:
    validated = functions.ingest({"replay": refused})
    return functions.session({"replay": "validated", "events": validated["events"]})
