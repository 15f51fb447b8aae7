"""analyze as Lambda runs it, in processes that may be killed.

`python -m tests.integration.learners DATABASE_URL NOW` is one: it learns, again and again, in small steps.
"""

import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

from footfall.database import Database
from footfall.errors import DatabaseUnavailableError
from functions.analyze import journeys, learning, tastes, trends
from functions.analyze.shards import all_shards

ROOT = Path(__file__).parents[2]


class Learner:
    """One process."""

    def __init__(self, url: str, now: datetime) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.learners", url, now.isoformat()],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )

    def runs(self) -> None:
        """Waits for the first run to begin."""
        assert self._process.stdout is not None
        assert self._process.stdout.readline()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def main(url: str, now: datetime) -> None:
    learning.CHUNK, tastes.LOT = 5, 3
    database = Database(url, learning.QUERIES)
    print("learning", flush=True)
    while True:
        try:
            trends.learn(database, now, patience=30)
            learning.analyze(database, all_shards(1), now, lambda: True, patience=30)
            tastes.learn(database, now, lambda: True, patience=30)
            journeys.learn(database, now, patience=30)
        except DatabaseUnavailableError:
            database.close()


if __name__ == "__main__":
    main(sys.argv[1], datetime.fromisoformat(sys.argv[2]))
