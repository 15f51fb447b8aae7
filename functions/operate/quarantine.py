"""Has stored what was refused.

`session` replays by itself what Postgres refused. What `ingest` refused is carried to it and back, as the two
have no way to each other: it is validated again as of the request and the time that it came in.
"""

from collections import Counter
from typing import Any

from functions.operate.functions import Functions


def replay(functions: Functions, after: str | None) -> dict[str, Any]:
    """A step behind the id `after`.

    Raises:
        UnavailableError, FunctionFailedError: the same step may be done again.
    """
    step = functions.session({"replay": "quarantine", "after": after})
    replayed, stayed = step["replayed"], Counter(step["stayed"])
    if step["refused"]:
        validated = functions.ingest({"replay": step["refused"]})
        written = functions.session({"replay": "validated", "events": validated["events"]})
        replayed += written["replayed"]
        stayed += Counter(written["stayed"])
    left, last = step["left"], step["after"]
    return {"replayed": replayed, "stayed": stayed, "left": left, "after": last, "finished": left == 0}
