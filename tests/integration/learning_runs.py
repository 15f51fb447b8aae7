"""What the tests of analyze's runs share."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import repeat

import psycopg

from footfall.database import Database, connect
from footfall.months import month
from functions.session.consuming import consume
from functions.session.writing import QUERIES as WRITING
from local.postgres.roles import let_in
from tests.integration.waiting import until
from tests.site import Json, Site

NOW = month(datetime.now(UTC), -1) + timedelta(days=14, hours=12)
HOUR = timedelta(hours=1)
# Postgres counts its transactions up to 2^64; this many it hasn't seen yet.
FAR = str(2**62)


LEARNED = (
    *("user_preferences", "suggestions", "content_trends", "analysis_state", "tastes", "similar_users"),
    *("journey_model", "journey_contexts"),
)


def learned(site: Site) -> set[str]:
    """The ids of those of whom something was learned."""
    return {str(row["user_id"]) for row in site.rows("SELECT user_id FROM suggestions")}


def tables(site: Site) -> list[list[Json]]:
    """What analyze writes of each user by itself, and of all; what rests on others is as of its run."""
    own = "source = 'inferred' AND preference_key ~ '^(content_type:|active_hours$)'"
    return [
        site.rows(
            f"SELECT to_jsonb(line) - 'id' AS line FROM user_preferences AS line WHERE {own} ORDER BY 1"
        ),
        site.rows("SELECT * FROM suggestions ORDER BY user_id"),
        site.rows("SELECT * FROM content_trends ORDER BY content_type, content_id"),
        site.rows("SELECT user_id, learned_on, norm FROM tastes ORDER BY user_id"),
    ]


def forget(site: Site) -> None:
    for table in LEARNED:
        site.connection.execute(psycopg.sql.SQL("DELETE FROM {}").format(psycopg.sql.Identifier(table)))


def times(count: int) -> Callable[[], bool]:
    """There is time for so many chunks."""
    answers = iter([*repeat(True, count), *repeat(False, 100)])
    return lambda: next(answers)


@contextmanager
def held_up(site: Site, event: Json) -> Iterator[Callable[[], None]]:
    """The event's transaction has touched its user, and commits when it is released."""
    bodies = site.bodies(event, at=NOW)
    writer = Database(let_in(site.url, "footfall_session"), WRITING)
    consumer = threading.Thread(target=consume, args=(writer, bodies, 5.0), daemon=True)
    with connect(site.url) as blocker, connect(site.url) as observer:
        blocker.execute("BEGIN")
        # Live counts are written last, and reading them goes on.
        blocker.execute("LOCK TABLE live_counts IN EXCLUSIVE MODE")
        consumer.start()
        # In this database alone: its clones, where other tests run, have the table under the same number.
        waiting = (
            "SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database"
            " WHERE datname = current_database() AND relation = 'live_counts'::regclass AND NOT granted"
        )
        until(lambda: observer.execute(waiting).rowcount == 1)

        def release() -> None:
            blocker.execute("COMMIT")
            consumer.join(30)
            assert not consumer.is_alive()

        yield release
    writer.close()
