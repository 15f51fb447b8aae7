"""`python -m benchmarks.trained '{…}'`: trains on so many items and interactions, and says what it took."""

import json
import resource
import sys
import time

import numpy as np

from functions.analyze.blending import Meetings
from functions.analyze.training import train

SECONDS = 90 * 86_400.0
VISITORS_EACH = 40


def made_up(items: int, interactions: int) -> Meetings:
    """Visitors with tastes of their own among items that few or many like (Zipf); three months."""
    source = np.random.default_rng(1)
    visitors = source.integers(0, interactions // VISITORS_EACH, interactions)
    popular = 1 / np.arange(1, items + 1) ** 0.8
    drawn = source.choice(items, interactions, p=popular / popular.sum())
    # Half of what is met is near to what the visitor likes.
    near = (visitors * 7919 + source.geometric(0.02, interactions)) % items
    met = np.where(source.random(interactions) < 0.5, near, drawn)
    times = np.sort(source.random(interactions)) * SECONDS
    born = np.full(items, SECONDS)
    np.minimum.at(born, met, times)
    return Meetings(visitors, met, times, source.integers(0, 4, items), born)


def main(asked: dict[str, int | str]) -> None:
    known = made_up(int(asked["items"]), int(asked["interactions"]))
    began, cpu = time.monotonic(), time.process_time()
    model = train(known, len(known.types) if asked["method"] == "ease" else 0)
    if model is None:
        raise SystemExit("was not trained")
    said = {
        "seconds": round(time.monotonic() - began, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "choices": model.choices,
        "neighbours": sum(
            matrix.nnz for matrix in (model.neighbours.next, model.neighbours.before, model.neighbours.alike)
        ),
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
