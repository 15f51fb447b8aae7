"""Runs of analyze are killed at any moment, with their backends, and overlap: what is learned stays the same.

HYPOTHESIS_PROFILE=thorough has more users come.
"""

import os
import random
import signal
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from footfall.settings import Settings
from functions.analyze import journeys
from functions.maintain.handler import maintain
from functions.session.consuming import consume
from local.postgres.roles import let_in
from local.postgres.server import PostgresServer
from tests.integration.learners import Learner
from tests.integration.learning_runs import NOW, forget
from tests.integration.test_once import THOROUGH
from tests.integration.waiting import until
from tests.site import Json, Site, does, meets, there_is

USERS = 2_000 if THOROUGH else 100
# While users keep coming, and again when all are there; every third ends a backend, and with it Postgres.
KILLS = 10
KINDS = ["project", "job", "article"]
OPTIONS = {"fsync": "off", "autovacuum": "off"}
# When it was learned differs, and what says up to which transaction; nothing else.
TIMES = ["id", "created_at", "updated_at", "computed_at", "learned_by", "learned_at"]
OWN = {
    "user_preferences": "source = 'inferred' AND preference_key ~ '^(content_type:|active_hours)'",
    "content_trends": "true",
}
ALL = {
    **OWN,
    **dict.fromkeys(
        [
            *("user_preferences", "suggestions", "similar_users", "tastes"),
            *("journey_model", "journey_contexts"),
        ],
        "true",
    ),
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PostgresServer]:
    opened = PostgresServer(tmp_path / "postgres", options=OPTIONS)
    opened.start()
    try:
        maintain(Settings({"DATABASE_URL": opened.url(), "RETENTION_MONTHS": "13"}), datetime.now(UTC))
        yield opened
    finally:
        opened.stop()


def test_whoever_is_killed_the_same_is_learned(server: PostgresServer) -> None:
    chance = random.Random(1)
    arrivals = [events_of(chance, number) for number in range(USERS)]
    learners = [Learner(let_in(server.url(), "footfall_analyze"), NOW) for _ in range(2)]
    for learner in learners:
        learner.runs()
    try:
        send(server, [[content_event(number) for number in range(40)]])
        for kill in range(KILLS):
            send(server, arrivals[kill::KILLS])
            strike(server, learners, chance, kill)
        with Site(server.url()) as site:
            until(lambda: is_quiet(site))
            for learner in learners:
                learner.kill()
            grown = dump(site, OWN)
            # And anew, now that nobody comes: also what rests on others is the same then.
            forget(site)
        for kill in range(KILLS):
            strike(server, learners, chance, kill)
        with Site(server.url()) as site:
            until(lambda: is_quiet(site))
    finally:
        for learner in learners:
            learner.kill()
    with Site(server.url()) as site:
        found = dump(site, ALL)
        forget(site)
        journeys.learn(site.learner, NOW)
        until(lambda: site.analyze(NOW).finished and is_quiet(site))
        clean = dump(site, ALL)
    assert len(clean["suggestions"]) == USERS
    assert clean["journey_contexts"]
    assert any(row["users"] for row in clean["similar_users"])
    assert {row["source"] for row in clean["user_preferences"]} == {"inferred", "ml_predicted"}
    assert grown == {
        table: [row for row in rows if table != "user_preferences" or is_own(row)]
        for table, rows in clean.items()
        if table in OWN
    }
    assert found == clean


def events_of(chance: random.Random, number: int) -> list[Json]:
    """What one user does, some of it on days before."""
    user = f"user {number}"
    moments = [NOW - timedelta(hours=chance.randrange(600)) for _ in range(chance.randint(1, 12))]
    return [
        meets(user, f"c {content}", at, chance.choice(["view", "like"]), KINDS[content % 3])
        if chance.random() < 0.7
        else does(user, at, session_id=f"visit of {user}", anonymous_id=f"device of {user}")
        for at in moments
        for content in [min(chance.randrange(40), chance.randrange(40))]
    ]


def content_event(number: int) -> Json:
    said = {"attributes": {"skills": [f"skill {number % 5}"]}, "author_id": f"user {number % 7}"}
    return there_is(f"c {number}", NOW - timedelta(days=20), KINDS[number % 3], **said)


def send(server: PostgresServer, arrivals: Sequence[Sequence[Json]]) -> None:
    with Site(server.url()) as site:
        for events in arrivals:
            bodies = site.bodies(*events, at=NOW)
            assert consume(site.writer, bodies, patience=60) == len(events)


def strike(server: PostgresServer, learners: list[Learner], chance: random.Random, number: int) -> None:
    """One learner's process, or a backend of one, at any moment."""
    time.sleep(chance.uniform(0, 0.3))
    if number % 3 == 2:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            found = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE usename = 'footfall_analyze'"
            ).fetchall()
        for (pid,) in found[:1]:
            os.kill(pid, signal.SIGKILL)
        until(lambda: is_up(server))
    else:
        learners[number % 2].kill()
        learners[number % 2] = Learner(let_in(server.url(), "footfall_analyze"), NOW)
        learners[number % 2].runs()


def is_up(server: PostgresServer) -> bool:
    try:
        with psycopg.connect(server.url()) as connection:
            return connection.execute("SELECT NOT pg_is_in_recovery()").fetchone() == (True,)
    except psycopg.OperationalError:
        return False


def is_quiet(site: Site) -> bool:
    """Nothing is left to learn."""
    return bool(
        site.value(
            "SELECT EXISTS (SELECT FROM analysis_state WHERE task LIKE 'users%%' AND resume IS NULL"
            " AND watermark > (SELECT max(touched_by) FROM profiles))"
            " AND NOT EXISTS (SELECT FROM tastes WHERE waits_since IS NOT NULL)"
            " AND EXISTS (SELECT FROM journey_model)"
        )
    )


def dump(site: Site, tables: dict[str, str]) -> dict[str, list[Any]]:
    return {
        table: [
            row["line"]
            for row in site.rows(
                f"SELECT to_jsonb(line) - %s::text[] AS line FROM {table} AS line"
                f" WHERE {condition} ORDER BY 1",
                TIMES,
            )
        ]
        for table, condition in tables.items()
    }


def is_own(row: Json) -> bool:
    key = row["preference_key"]
    return bool(row["source"] == "inferred" and (key == "active_hours" or key.startswith("content_type:")))
