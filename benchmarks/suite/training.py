"""Training of the content model: seconds and memory, in a process of its own as Lambda has it."""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from functools import partial

from benchmarks.framework import Bench, BenchmarkError, Measured, benchmark

AGAINST = "seconds that a function may take = 900; lower is better"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """How many are made up, and by which method they are trained."""

    items: int
    interactions: int
    method: str


CATALOGUES = {
    "training_3k_items": Catalogue(3_000, 300_000, "ease"),
    "training_20k_items": Catalogue(20_000, 1_000_000, "rp3beta"),
    "training_20k_items_ease": Catalogue(20_000, 1_000_000, "ease"),
    "training_100k_items": Catalogue(100_000, 2_000_000, "rp3beta"),
}


def _measure(bench: Bench, catalogue: Catalogue) -> Measured:
    sized = Catalogue(
        bench.sized(catalogue.items, 100), bench.sized(catalogue.interactions, 5_000), catalogue.method
    )
    command = [sys.executable, "-m", "benchmarks.trained", json.dumps(asdict(sized))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"the training failed: {done.stderr.strip()[-500:]}")
    said = json.loads(done.stdout)
    return Measured(said["seconds"], {**asdict(sized), **said})


for _name, _catalogue in CATALOGUES.items():
    benchmark(_name, unit="seconds", against=AGAINST)(partial(_measure, catalogue=_catalogue))
