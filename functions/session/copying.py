"""Writes bundles by COPY: what is new, usual and of one session goes into the tables as ingest wrote it.

A bundle is taken whole or not at all. One of which all is stored already says nothing, as after a redelivery;
one of which a part is, or a dwell would grow, or that names a time zone that Postgres doesn't know, is left
to `writing`, which looks at each event; so are all, where Postgres refuses anything.
"""

import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import chain

from footfall.bundles import dwells_of
from footfall.database import Database, Transaction
from footfall.errors import BadDataError, ConflictError, TooSlowError
from functions.session.changes import Changes, Owner, Ready
from functions.session.relinking import LOCK_SPACE

# Of copies of one event in a batch, and of meeting somebody who stores the same.
ROUNDS = 3
_ZONE = re.compile(r"[A-Za-z0-9_+/-]+", re.ASCII)


def copy(database: Database, bundles: Sequence[Ready], patience: float) -> tuple[int, list[Ready]]:
    """How many events were new, and the bundles that have to go the other way.

    Raises:
        DatabaseUnavailableError: nothing, or a part, was stored; the same call may be made again.
    """
    deadline = time.monotonic() + patience
    new = 0
    rest: list[Ready] = []
    for _ in range(ROUNDS):
        once, again = _apart(bundles)
        if not once:
            break
        try:
            usual, unusual = database.run(partial(_copy, bundles=once), patience=deadline - time.monotonic())
        except ConflictError:
            # Somebody else stored an event meanwhile: now it is seen.
            continue
        except (BadDataError, TooSlowError):
            break
        new += sum(len(ready.moments) for ready in usual)
        rest += unusual
        bundles = again
    return new, [*rest, *bundles]


def _apart(bundles: Iterable[Ready]) -> tuple[list[Ready], list[Ready]]:
    """Those of which no event stands in one before, and the others."""
    seen: set[str] = set()
    once: list[Ready] = []
    again: list[Ready] = []
    for ready in bundles:
        if seen.isdisjoint(ready.ids):
            seen.update(ready.ids)
            once.append(ready)
        else:
            again.append(ready)
    return once, again


def _copy(transaction: Transaction, bundles: Sequence[Ready]) -> tuple[Sequence[Ready], list[Ready]]:
    """The bundles that were written, and those that may not be."""
    transaction.once("create_changes")
    visitors = _array({ready.bundle.anonymous_id for ready in bundles if ready.bundle.anonymous_id})
    transaction.run("lock_bundled", lock_space=LOCK_SPACE, anonymous_ids=visitors)
    zones = {zone for ready in bundles for zone in ready.bundle.time_zones}
    found = transaction.all(
        "look_up",
        ids=_array(chain.from_iterable(ready.ids for ready in bundles)),
        anonymous_ids=visitors,
        time_zones=_array(filter(_ZONE.fullmatch, zones)),
    )
    stored = {row["key"]: row["duration_seconds"] for row in found if row["what"] == "event"}
    unknown = zones.difference(row["key"] for row in found if row["what"] == "zone")
    owners = {row["key"]: (row["user_id"], row["shared_at"]) for row in found if row["what"] == "owner"}
    usual: Sequence[Ready] = bundles
    unusual: list[Ready] = []
    if stored or unknown:
        usual, unusual = _usual(bundles, stored, unknown)
    if usual:
        _write(transaction, usual, owners)
    return usual, unusual


def _usual(
    bundles: Iterable[Ready], stored: Mapping[str, int | None], unknown: set[str]
) -> tuple[list[Ready], list[Ready]]:
    """Without those that say nothing new."""
    usual: list[Ready] = []
    unusual: list[Ready] = []
    for ready in bundles:
        if stored.keys().isdisjoint(ready.ids) and unknown.isdisjoint(ready.bundle.time_zones):
            usual.append(ready)
        elif not (stored.keys() >= set(ready.ids) and _longest_known(ready, stored)):
            unusual.append(ready)
    return usual, unusual


def _longest_known(ready: Ready, stored: Mapping[str, int | None]) -> bool:
    """Whether no dwell would grow."""
    return all(
        dwell is None or (known is not None and dwell <= known)
        for dwell, known in ((dwell, stored[event]) for event, dwell in dwells_of(ready.bundle))
    )


def _write(transaction: Transaction, bundles: Iterable[Ready], owners: Mapping[str, Owner]) -> None:
    """In the order in which all consumers lock tables, and in each the order of its keys."""
    changes = Changes(owners)
    for ready in bundles:
        changes.add(ready)
    transaction.copy("copy_event_ids", changes.event_ids)
    if names := changes.names:
        transaction.run("name_bundled", names=json.dumps(names))
    if interactions := changes.interactions:
        transaction.copy("copy_interactions", interactions)
        transaction.run("note_bundled_content")
        transaction.run("write_bundled_interactions")
    transaction.copy("copy_activities", changes.activities)
    transaction.copy("copy_session_changes", changes.sessions)
    transaction.run("write_sessions")
    if people := changes.people:
        seen = json.dumps(people)
        transaction.run("make_bundled_profiles", people=seen)
        new = [row["id"] for row in transaction.all("write_bundled_profiles", people=seen)]
        if new:
            transaction.run("describe_profiles", user_ids=new)
    transaction.run("count_bundled", counts=json.dumps(changes.counts))


def _array(values: Iterable[str]) -> str:
    """The literal of an array; as a list the driver would look at each value."""
    return f"{{{','.join(values)}}}"
