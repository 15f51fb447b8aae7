"""Promise 1 and 2 in the long run: consumers and Postgres are killed, and nothing is lost or counted twice.

HYPOTHESIS_PROFILE=thorough soaks longer; `pytest -s` shows the figures.
"""

import json
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from footfall.database import Database, connect
from footfall.events import Context, SpeakerKind
from footfall.settings import Settings
from functions.maintain.handler import maintain
from functions.session.origins import Origins
from functions.session.preparing import prepare, unbundle
from functions.session.relinking import work_off
from functions.session.writing import QUERIES
from local.postgres.roles import let_in
from local.postgres.server import PostgresServer
from tests.integration.deliveries import (
    BASE,
    RECEIVED,
    STORED,
    Record,
    bodies_of,
    queued,
    speaker_of,
    stamped_anew,
    with_dwell,
)
from tests.integration.soaking import soak
from tests.integration.test_once import CROWD, THOROUGH, Store, assert_expected, slow_down
from tests.tables import table_names

CONSUMERS = 4
EVENTS = 30_000 if THOROUGH else 1_200
KILLS = ["consumer", "postgres", "consumer", "consumer"] * 3
# Ids as clients name them too, and everything that may be undone.
POPULATION = replace(
    CROWD,
    anonymous=(*CROWD.anonymous, "visitor 2", "visitor 3"),
    users=(*CROWD.users[:3], "ada", "grace"),
    kinds=(*["activity"] * 8, *["interaction"] * 6, *["identify"] * 5, "unlink", "content"),
    speakers=("page", "page", "server", "token", "token"),
    lost=False,
)
# A killed process loses nothing that the system was given; what a power cut would is not tried here.
OPTIONS = {"fsync": "off", "autovacuum": "off"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PostgresServer]:
    opened = PostgresServer(tmp_path / "postgres", options=OPTIONS)
    opened.start()
    try:
        maintain(Settings({"DATABASE_URL": opened.url(), "RETENTION_MONTHS": "13"}), datetime.now(UTC))
        yield opened
    finally:
        opened.stop()


def test_whoever_is_killed_each_event_counts_once(server: PostgresServer, tmp_path: Path) -> None:
    seed = 1
    bodies = [*requests(random.Random(seed))]
    random.Random(seed).shuffle(bodies)
    lanes = [
        # Each message comes to all, but for some, which nobody else would make up for.
        {f"message {n}": body for n, body in enumerate(bodies) if n % 4 or n // 4 % CONSUMERS == lane}
        for lane in range(CONSUMERS)
    ]
    with opened(server) as store:
        slow_down(store)
    figures = soak(server, let_in(server.url(), "footfall_session"), lanes, KILLS, seed)
    log = (tmp_path / "postgres" / "postgres.log").read_text()
    print(json.dumps({"events": EVENTS, "messages": len(bodies), **vars(figures)}))
    assert figures.deliveries >= sum(map(len, lanes)) > 3 * len(bodies)
    assert (figures.consumers_killed, figures.postgres_killed) == (9, 3)
    assert log.count("database system was not properly shut down") == 3
    assert "ERROR:  deadlock detected" not in log
    assert "ERROR:  could not serialize" not in log
    assert figures.deadlocks == 0
    with opened(server) as store:
        assert work_off(store.database, patience=60)
        won = stored_copies(store, bodies)
        assert store.rows("SELECT reason FROM quarantine") == []
        assert_expected(store, won)
        left = store.dump()
        store.connection.execute("DROP FUNCTION observe CASCADE")
        again = [won[start : start + 1_000] for start in range(0, len(won), 1_000)]
        assert store.deliver(again, "records") == left


@contextmanager
def opened(server: PostgresServer) -> Iterator[Store]:
    database = Database(let_in(server.url(), "footfall_session"), QUERIES)
    with connect(server.url()) as connection:
        yield Store(server.url(), database, connection, table_names(connection))
    database.close()


def requests(chance: random.Random) -> Iterator[str]:
    """The bodies of the queue. Some requests were sent again, stamped anew; some dwells grew; some broken
    clients gave the id to another event."""
    first, later = [], []
    for number in range(EVENTS):
        copy, *grown = queued(chance.choice, number, POPULATION)
        other = queued(chance.choice, number, POPULATION)[0]
        first.append(copy)
        later += grown
        # Which copy of these was stored, their rows tell.
        if copy.record["kind"] in STORED:
            later += [stamped_anew(chance.choice, copy)] if chance.random() < 0.25 else []
            later += [other] if other.record["kind"] in STORED and chance.random() < 0.05 else []
    sent = [*first, *chance.sample(later, len(later))]
    place = count()
    # A request has one speaker.
    speakers: tuple[SpeakerKind, ...] = ("browser", "user", "server")
    for who in speakers:
        waiting = [one for one in sent if speaker_of(one.record) == who]
        while waiting:
            most = chance.randint(1, 8)
            request, waiting = waiting[:most], waiting[most:]
            received_at = BASE + timedelta(seconds=chance.choice(RECEIVED), microseconds=next(place))
            context: Context = {
                "received_at": received_at.isoformat(),
                "user_agent": request[0].agent,
                "speaker": who,
            }
            yield from bodies_of(context, [one.record for one in request])


def stored_copies(store: Store, bodies: Iterable[str]) -> list[Record]:
    """Of each event the copy that was stored, with the dwell that it grew to."""
    copies: dict[str, list[Record]] = defaultdict(list)
    for body in bodies:
        records, bundles = prepare(body, Origins())
        # Of a request that repeats an id, the record is written first.
        for record in [*records, *(one for ready in bundles for one in unbundle(ready, Origins()))]:
            copies[record["id"]].append(record)
    rows = store.rows("SELECT id, received_at FROM user_activities")
    received = {row["id"]: row["received_at"].isoformat() for row in rows}
    assert received.keys() == {name for name, sent in copies.items() if sent[0]["kind"] in STORED}
    won = []
    for name, sent in copies.items():
        [copy, *_] = [copy for copy in sent if copy["received_at"] == received.get(name, copy["received_at"])]
        won.append(with_dwell(copy, sent))
    return won
