"""What it costs to store events with all that hangs on them, against raw COPY of the same rows."""

import itertools
import statistics
from datetime import timedelta

from benchmarks.framework import Bench, Measured, benchmark
from benchmarks.messages import batches
from benchmarks.race import Race, ratio, requests_of, summary
from benchmarks.traffic import Traffic
from functions.session.devices import device_of

# As many as 100 messages of 20, the most that wakes `session`.
EVENTS = 2_000
ROUNDS, BATCHES, WARM_UP = 7, 8, 12
AGAINST = (
    "raw text COPY of the same rows into the same tables, a commit for the same batch = 1"
    " (CPU of COPY over CPU of the consumer, each Python and Postgres); higher is better"
)


@benchmark("consumer_vs_copy_one_session", unit="ratio", against=AGAINST)
def one_session(bench: Bench) -> Measured:
    return _measure(bench, "one_session")


@benchmark("consumer_vs_copy_mixed", unit="ratio", against=AGAINST)
def mixed(bench: Bench) -> Measured:
    return _measure(bench, "mixed")


def _measure(bench: Bench, shape: str) -> Measured:
    traffic = Traffic(bench.now - timedelta(hours=2))
    # As in a new process, whatever was measured before.
    device_of.cache_clear()
    with (
        bench.postgres.database() as ours,
        bench.postgres.database() as theirs,
        Race(ours, theirs) as race,
    ):
        race.prepare(traffic, EVENTS)
        queue = batches(requests_of(traffic, shape), EVENTS)
        for batch in itertools.islice(queue, bench.sized(WARM_UP, 7)):
            race.lap(batch)
        race.checkpoint()
        parsed = device_of.cache_info().misses
        rounds = [
            [race.lap(batch) for batch in itertools.islice(queue, bench.sized(BATCHES, 2))]
            for _ in range(bench.sized(ROUNDS, 3))
        ]
        parsed = device_of.cache_info().misses - parsed
        detail = {**summary(rounds), "user_agents_parsed": parsed, "stored": race.facts()}
    return Measured(statistics.median(ratio(laps) for laps in rounds), detail)
