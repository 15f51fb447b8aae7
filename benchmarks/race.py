"""Consumer and raw COPY side by side: a batch is consumed, and its rows copied into a second database."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import psycopg

from benchmarks.clocks import Cost, total
from benchmarks.framework import BenchmarkError, spread
from benchmarks.messages import Batch, batches, ids_of
from benchmarks.sides import TABLES, Consumer, Copier, rows_of
from benchmarks.traffic import Sent, Traffic


@dataclass(frozen=True, slots=True)
class Lap:
    """One batch."""

    events: int
    new: int
    consumer: Cost
    copy: Cost


class Race:
    """Two migrated databases of one server, who writes into each, and the events written so far."""

    def __init__(self, consumer_url: str, copy_url: str) -> None:
        self.consumer, self._copier = Consumer(consumer_url), Copier(copy_url)
        self._reader = psycopg.connect(consumer_url, autocommit=True)
        self._copies = psycopg.connect(copy_url, autocommit=True)
        self._seen: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for side in (self.consumer, self._copier, self._reader, self._copies):
            side.close()

    def prepare(self, traffic: Traffic, events: int) -> None:
        """Ties the visitors of the traffic to their users."""
        for batch in batches(traffic.ties(), events):
            self.lap(batch)

    def lap(self, batch: Batch) -> Lap:
        new, consumer = self.consumer.consume(batch)
        fresh = ids_of(batch) - self._seen
        self._seen |= fresh
        if new != len(fresh):
            raise BenchmarkError(f"of {len(fresh)} new events the consumer stored {new}")
        return Lap(batch.events, new, consumer, self._copier.copy(rows_of(self._reader, fresh)))

    def checkpoint(self) -> None:
        self._reader.execute("CHECKPOINT")

    def facts(self) -> dict[str, Any]:
        """What was written, after a check that both sides hold the same.

        Raises:
            BenchmarkError: they don't, so the figure would say nothing.
        """
        counts = {table: (_count(self._reader, table), _count(self._copies, table)) for table in TABLES}
        if any(ours != theirs for ours, theirs in counts.values()) or _count(self._reader, "quarantine"):
            raise BenchmarkError(f"the two sides did not write the same: {counts}")
        linked = self._reader.execute(
            "SELECT avg(is_linked::integer)::float8 FROM user_activities"
        ).fetchone()
        return {
            "activities": counts["user_activities"][0],
            "interactions": counts["content_interactions"][0],
            "sessions": _count(self._reader, "user_sessions"),
            "identities": _count(self._reader, "identities"),
            "of_tied_anonymous_ids": round(linked[0], 3) if linked else None,
        }


def requests_of(traffic: Traffic, shape: str) -> Iterator[Sent]:
    """Endless: `one_session` of 20 events a message, or `mixed` ones of 2.3 events."""
    return traffic.sessions(20) if shape == "one_session" else traffic.mixed(20)


def ratio(laps: list[Lap], clock: str = "cpu") -> float:
    """COPY over consumer, so 1 would be as cheap as COPY."""
    copy, consumer = total(lap.copy for lap in laps), total(lap.consumer for lap in laps)
    return float(getattr(copy, clock) / getattr(consumer, clock))


def summary(rounds: list[list[Lap]]) -> dict[str, Any]:
    """The middle of the rounds, in microseconds per new event."""
    return {
        "ratio": spread([ratio(laps) for laps in rounds]),
        "wall_ratio": spread([ratio(laps, "wall") for laps in rounds]),
        "consumer_us_per_event": _middle([_per_event(laps, "consumer") for laps in rounds]),
        "copy_us_per_event": _middle([_per_event(laps, "copy") for laps in rounds]),
        "rounds": len(rounds),
        "batches_per_round": len(rounds[0]),
        "events_per_batch": round(statistics.mean(lap.events for laps in rounds for lap in laps)),
        "repeated": round(1 - _share_new(rounds), 4),
    }


def _per_event(laps: list[Lap], side: str) -> dict[str, float]:
    costs: Iterator[Cost] = (getattr(lap, side) for lap in laps)
    return total(costs).per_event(sum(lap.new for lap in laps))


def _middle(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {clock: round(statistics.median(one[clock] for one in rounds), 2) for clock in rounds[0]}


def _share_new(rounds: list[list[Lap]]) -> float:
    laps = [lap for one in rounds for lap in one]
    return sum(lap.new for lap in laps) / sum(lap.events for lap in laps)


def _count(connection: psycopg.Connection, table: str) -> int:
    statement = psycopg.sql.SQL("SELECT count(*) FROM {}").format(psycopg.sql.Identifier(table))
    row = connection.execute(statement).fetchone()
    return int(row[0]) if row else 0
