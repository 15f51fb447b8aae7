"""Migrations and months, on a real Postgres."""

import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from footfall.database import Row, connect
from footfall.months import month
from footfall.settings import Settings
from functions.maintain import handler, partitions
from functions.maintain.handler import maintain
from functions.maintain.migrate import FOLDER, BusyTableError, MigrationError, ahead, migrate, migrations
from functions.maintain.partitions import MONTHS_AHEAD, TABLES, make_months, upkeep
from local.postgres import PostgresServer, installed_versions
from tests.integration.writing import message, record, writer_of
from tests.samples import load

NOW = datetime(2031, 5, 20, 12, tzinfo=UTC)
NAMES = [migration.name for migration in migrations()]
CATALOG = """
SELECT 'column' AS kind, attrelid::regclass || '.' || attname AS name,
       concat_ws(' ', format_type(atttypid, atttypmod), attnotnull, attgenerated,
                 pg_get_expr(adbin, adrelid), col_description(attrelid, attnum)) AS definition
FROM pg_attribute
JOIN pg_class ON pg_class.oid = attrelid AND relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attnum > 0
UNION ALL
SELECT 'relation', oid::regclass::text,
       concat_ws(' ', relkind, relispartition, pg_get_expr(relpartbound, oid),
                 obj_description(oid, 'pg_class'))
FROM pg_class WHERE relnamespace = 'public'::regnamespace
UNION ALL
SELECT 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL
SELECT 'index', indexrelid::regclass::text, pg_get_indexdef(indexrelid) || ' valid ' || indisvalid
FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid AND relnamespace = 'public'::regnamespace
UNION ALL
SELECT 'function', oid::regprocedure::text,
       pg_get_functiondef(oid) || coalesce(obj_description(oid, 'pg_proc'), '')
FROM pg_proc WHERE pronamespace = 'public'::regnamespace
ORDER BY 1, 2
"""

Connection = psycopg.Connection[Row]


@pytest.fixture
def empty(empty_database_url: str) -> Iterator[Connection]:
    with connect(empty_database_url) as connection:
        yield connection


@pytest.fixture
def migrations_folder(tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(FOLDER, tmp_path / "migrations"))


def catalog(connection: Connection) -> list[tuple[Any, ...]]:
    """Columns, types, constraints, indexes, comments, partitions and functions."""
    return [tuple(row.values()) for row in connection.execute(CATALOG.encode())]


def one(connection: Connection, query: str) -> Any:
    [row] = connection.execute(query.encode()).fetchall()
    [value] = row.values()
    return value


def test_an_empty_database_is_migrated_once(empty: Connection) -> None:
    assert catalog(empty) == []
    assert migrate(empty, NOW) == NAMES
    schema = catalog(empty)
    assert {name for kind, name, _ in schema if kind == "relation"} >= {
        "user_activities",
        "profiles",
        "suggestions",
    }
    assert migrate(empty, NOW) == []
    assert catalog(empty) == schema
    assert one(empty, "SELECT count(*) FROM schema_migrations") == len(NAMES)


def test_deploys_at_once_take_turns(empty_database_url: str) -> None:
    settings = Settings({"DATABASE_URL": empty_database_url, "RETENTION_MONTHS": "2"})
    with ThreadPoolExecutor(3) as deploys:
        done = list(deploys.map(lambda _: maintain(settings, NOW), range(3)))
    assert sorted(one["migrated"] for one in done) == [[], [], NAMES]
    assert sorted(len(one["made"]) for one in done) == [0, 0, len(TABLES) * (2 + 2 + MONTHS_AHEAD)]


def test_a_migration_that_was_changed_after_it_was_applied_is_refused(
    empty: Connection, migrations_folder: Path
) -> None:
    migrate(empty, NOW, migrations_folder)
    schema = catalog(empty)
    changed = migrations_folder / f"{NAMES[0]}.sql"
    changed.write_text(changed.read_text() + "\nCREATE TABLE smuggled ();\n")
    (migrations_folder / "9999_next.sql").write_text("CREATE TABLE next ();")
    with pytest.raises(MigrationError, match=f"{NAMES[0]} was changed after it was applied"):
        migrate(empty, NOW, migrations_folder)
    assert catalog(empty) == schema


def test_a_database_that_is_ahead_of_its_code_is_left_alone(
    empty: Connection, migrations_folder: Path
) -> None:
    (migrations_folder / "9999_next.sql").write_text("CREATE TABLE next ();")
    migrate(empty, NOW, migrations_folder)
    schema = catalog(empty)
    assert migrate(empty, NOW) == []
    assert (ahead(empty), ahead(empty, migrations_folder)) == (["9999_next"], [])
    assert catalog(empty) == schema


def test_a_migration_that_fails_leaves_nothing(empty: Connection, migrations_folder: Path) -> None:
    migrate(empty, NOW, migrations_folder)
    schema = catalog(empty)
    bad = migrations_folder / "9998_bad.sql"
    bad.write_text("CREATE TABLE half ();\nALTER TABLE user_activities ADD COLUMN half text;\nSELECT 1 / 0;")
    (migrations_folder / "9999_next.sql").write_text("CREATE TABLE next ();")
    with pytest.raises(MigrationError, match=r"^9998_bad: division by zero$"):
        migrate(empty, NOW, migrations_folder)
    assert catalog(empty) == schema
    bad.write_text("CREATE TABLE whole ();")
    assert migrate(empty, NOW, migrations_folder) == ["9998_bad", "9999_next"]


def test_the_handler_does_all_of_it(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch, empty: Connection
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    monkeypatch.setenv("RETENTION_MONTHS", "1")
    done = handler.lambda_handler(load("maintain_schedule"), None)
    assert (done["migrated"], len(done["made"]), done["dropped"]) == (NAMES, 6 * len(TABLES), [])
    assert one(empty, "SELECT count(*) FROM time_zones WHERE name IN ('Europe/Berlin', 'UTC')") == 2
    assert one(empty, "SELECT count(*) FROM time_zones WHERE name LIKE 'posix%' OR name = 'Factory'") == 0
    assert handler.lambda_handler(load("maintain_schedule"), None) == {
        "migrated": [],
        "made": [],
        "dropped": [],
    }


def test_months_are_made_ahead_and_behind_once(empty: Connection) -> None:
    migrate(empty, NOW)
    made = upkeep(empty, NOW, retention_months=2).made
    months = ["2031_02", "2031_03", "2031_04", "2031_05", "2031_06", "2031_07", "2031_08"]
    assert made == [f"{table}_{name}" for table in TABLES for name in months]
    schema = catalog(empty)
    again = upkeep(empty, NOW, retention_months=2)
    assert (again.made, again.dropped) == ([], [])
    assert catalog(empty) == schema


def test_a_month_has_what_its_table_has(empty: Connection) -> None:
    migrate(empty, NOW)
    upkeep(empty, NOW, retention_months=1)
    for table in TABLES:
        parts = "SELECT count(*) FROM pg_index WHERE indrelid = '{}'::regclass AND indisvalid"
        assert one(empty, parts.format(f"{table}_2031_05")) == one(empty, parts.format(table))


def test_old_months_are_dropped_and_what_belongs_to_them(empty_database_url: str, empty: Connection) -> None:
    migrate(empty, NOW)
    upkeep(empty, NOW, retention_months=1)
    old = record(created_at="2031-04-30T23:59:59+00:00")
    new = record(created_at="2031-05-01T00:00:00+00:00", session_id=old["anonymous_id"])
    with writer_of(empty_database_url) as writer:
        assert writer.write(message(old, new)) == 2
    later = month(NOW, 2)
    done = upkeep(empty, later, retention_months=1)
    assert done.made == [f"{table}_2031_{number}" for table in TABLES for number in ("09", "10")]
    assert done.dropped == [f"{table}_2031_{number}" for table in TABLES for number in ("03", "04")]
    for query in (
        "SELECT id FROM user_activities",
        "SELECT id FROM event_ids",
        "SELECT first_event_id FROM user_sessions",
    ):
        assert str(one(empty, query)) == new["id"]
    assert one(empty, "SELECT minute FROM live_counts") == datetime(2031, 5, 1, tzinfo=UTC)


def test_pruning_that_was_cut_short_is_finished_by_the_next_run(
    empty: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.maintain.partitions.BLOCKS_AT_ONCE", 1)
    migrate(empty, NOW)
    upkeep(empty, NOW, retention_months=1)
    empty.execute(
        "INSERT INTO event_ids SELECT gen_random_uuid(), '2031-01-01'::timestamptz + hour * interval '1 hour'"
        " FROM generate_series(1, 2999) AS hour"
    )
    empty.execute("INSERT INTO live_counts VALUES ('2031-01-01', 'page_view', false, 1)")
    assert upkeep(empty, NOW, retention_months=1).dropped == []
    assert one(empty, "SELECT count(*) FROM event_ids WHERE created_at < '2031-03-01'") == 0
    assert one(empty, "SELECT count(*) FROM event_ids") == 2999 - 59 * 24 + 1
    assert one(empty, "SELECT count(*) FROM live_counts") == 0


WAITING = """
SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE datname = current_database() AND NOT granted
"""
SESSION = (
    "INSERT INTO user_sessions (visitor_id, visitor_is_user, id, started_at, ended_at, first_event_id,"
    " created_at, updated_at)"
    " VALUES (%(visitor)s, false, %(visitor)s, %(at)s, %(at)s, %(visitor)s, %(at)s, %(at)s)"
)


def test_sessions_are_pruned_in_the_order_in_which_consumers_lock_them(
    empty_database_url: str, empty: Connection
) -> None:
    migrate(empty, NOW)
    # Those with smaller keys began later.
    visitors = [str(UUID(int=number)) for number in range(30)]
    for day, visitor in enumerate(reversed(visitors), start=1):
        empty.execute(SESSION, {"visitor": visitor, "at": datetime(2031, 1, day, tzinfo=UTC)})
    empty.execute("INSERT INTO live_counts VALUES ('2031-01-01', 'page_view', false, 1)")
    pruning = threading.Thread(target=lambda: upkeep(empty, NOW, retention_months=1), daemon=True)
    lock = "SELECT FROM user_sessions WHERE visitor_id = %s FOR UPDATE"
    with connect(empty_database_url) as other, connect(empty_database_url) as writer:
        with writer.transaction():
            writer.execute("SET lock_timeout = '5s'")
            writer.execute(lock, [visitors[0]])
            pruning.start()
            while not one(other, WAITING):
                assert pruning.is_alive()
            for visitor in visitors[1:]:
                writer.execute(lock, [visitor])
        pruning.join()
        assert one(other, "SELECT count(*) FROM user_sessions") == 0


INSERT = (
    "INSERT INTO user_activities (id, created_at, anonymous_id, event_type, received_at)"
    " VALUES (%s, %s, %s, 'search', %s)"
)
VALUES = (record()["id"], NOW, record()["anonymous_id"], NOW)


def test_months_are_made_beside_a_writer_with_an_open_transaction(
    empty_database_url: str, empty: Connection
) -> None:
    migrate(empty, NOW)
    upkeep(empty, NOW, retention_months=1)
    with connect(empty_database_url) as writer, writer.transaction():
        writer.execute(INSERT, VALUES)
        assert len(upkeep(empty, month(NOW, 1), retention_months=2).made) == len(TABLES)
    assert one(empty, "SELECT count(*) FROM user_activities") == 1


GOING = [f"{table}_2031_03" for table in TABLES]
LATE = (record()["id"], datetime(2031, 3, 31, tzinfo=UTC), *VALUES[2:])


def test_dropping_waits_for_whoever_uses_the_month_and_nobody_waits_for_it(
    empty_database_url: str, empty: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.maintain.partitions.ATTEMPTS", 1_000)
    migrate(empty, NOW)
    upkeep(empty, NOW, retention_months=1)
    dropped: list[str] = []
    run = threading.Thread(
        target=lambda: dropped.extend(upkeep(empty, month(NOW, 1), retention_months=1).dropped), daemon=True
    )
    with connect(empty_database_url) as other, connect(empty_database_url) as writer:
        with writer.transaction():
            writer.execute(INSERT, LATE)
            run.start()
            while not one(other, WAITING):
                assert run.is_alive()
            # Whoever would queue behind the upkeep's lock, were it for a moment, is refused.
            other.execute("SET lock_timeout = '1ms'")
            until = time.monotonic() + 1
            while time.monotonic() < until:
                other.execute(INSERT, (record()["id"], *VALUES[1:]))
                one(other, "SELECT count(*) FROM user_activities")
            assert dropped == []
        run.join()
        assert one(other, "SELECT count(*) FROM user_activities WHERE created_at < '2031-04-01'") == 0
    assert dropped == GOING


def test_what_stays_busy_is_left_for_the_next_run_and_months_are_made_all_the_same(
    empty_database_url: str, empty: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.maintain.partitions.ATTEMPTS", 2)
    migrate(empty, NOW)
    upkeep(empty, NOW, retention_months=1)
    empty.execute("INSERT INTO live_counts VALUES ('2031-01-01', 'page_view', false, 1)")
    with connect(empty_database_url) as writer, writer.transaction():
        writer.execute(INSERT, LATE)
        with pytest.raises(psycopg.errors.LockNotAvailable):
            upkeep(empty, month(NOW, 1), retention_months=1)
    assert one(empty, "SELECT to_regclass('impressions_2031_09') IS NOT NULL")
    # The other tables' months are gone, and what belongs to them is pruned.
    assert one(empty, "SELECT to_regclass('impressions_2031_03') IS NULL")
    assert one(empty, "SELECT count(*) FROM live_counts") == 0
    done = upkeep(empty, month(NOW, 1), retention_months=1)
    assert (done.made, done.dropped) == ([], GOING[:1])


PENDING = "SELECT count(*) FROM pg_inherits WHERE inhdetachpending"


@contextmanager
def detaching(empty: Connection, url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A detach was given up, since somebody uses the month until the end."""
    with connect(url) as writer, writer.transaction(), monkeypatch.context() as patch:
        patch.setattr("functions.maintain.partitions.ATTEMPTS", 1)
        migrate(empty, NOW)
        upkeep(empty, NOW, retention_months=1)
        writer.execute(INSERT, LATE)
        with pytest.raises(psycopg.errors.LockNotAvailable):
            upkeep(empty, month(NOW, 1), retention_months=1)
        assert one(empty, PENDING) == 1
        yield


def test_a_detach_that_was_given_up_is_ended_before_a_migration(
    empty_database_url: str, empty: Connection, migrations_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.maintain.migrate.LOCK_SECONDS", 0.1)
    (migrations_folder / "9999_next.sql").write_text("ALTER TABLE user_activities ADD COLUMN next text;")
    with detaching(empty, empty_database_url, monkeypatch):
        assert migrate(empty, NOW) == [], "without a migration nobody is waited for"
        with pytest.raises(BusyTableError, match=r"^detaching user_activities_2031_03: .*lock timeout"):
            migrate(empty, NOW, migrations_folder)
    assert migrate(empty, NOW, migrations_folder) == ["9999_next"]
    assert one(empty, PENDING) == 0
    assert upkeep(empty, month(NOW, 1), retention_months=1).dropped == GOING[:1]


def test_a_month_that_a_migration_missed_is_dropped_and_keeps_no_other_migration(
    empty_database_url: str, empty: Connection, migrations_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (migrations_folder / "9999_next.sql").write_text("ALTER TABLE user_activities ADD COLUMN next text;")
    with detaching(empty, empty_database_url, monkeypatch):
        pass
    empty.execute("ALTER TABLE user_activities ADD COLUMN missed text")
    assert migrate(empty, NOW, migrations_folder) == ["9999_next"]
    assert upkeep(empty, month(NOW, 1), retention_months=1).dropped == GOING[:1]
    assert one(empty, "SELECT to_regclass('user_activities_2031_03') IS NULL")


def test_a_detach_that_was_given_up_is_ended_before_older_months(
    empty_database_url: str, empty: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with detaching(empty, empty_database_url, monkeypatch):
        # More is kept for a while, as by a deploy.
        made = make_months(empty, month(NOW, 1), retention_months=2)
        made += make_months(empty, month(NOW, 1), retention_months=3)
    assert "user_activities_2031_02" in made
    dropped = upkeep(empty, month(NOW, 1), retention_months=1).dropped
    assert dropped[0] == GOING[0]
    assert sorted(dropped) == sorted({*GOING, *made})


def test_a_month_that_was_detached_when_the_upkeep_ended_is_dropped_by_the_next(
    empty: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(empty, NOW)
    upkeep(empty, NOW, retention_months=1)
    with monkeypatch.context() as patch:
        patch.setattr(partitions, "_drop", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            upkeep(empty, month(NOW, 1), retention_months=1)
    assert (
        one(empty, "SELECT relispartition FROM pg_class WHERE relname = 'user_activities_2031_03'") is False
    )
    # More is kept from now on: what is left of the month goes all the same, and it is made anew.
    assert upkeep(empty, month(NOW, 1), retention_months=2).dropped == GOING[:1]
    assert upkeep(empty, month(NOW, 1), retention_months=2).made == GOING[:1]


def test_a_month_that_somebody_detached_to_keep_it_stays(empty: Connection) -> None:
    migrate(empty, NOW)
    upkeep(empty, NOW, retention_months=1)
    empty.execute("ALTER TABLE user_activities DETACH PARTITION user_activities_2031_03")
    assert upkeep(empty, month(NOW, 1), retention_months=1).dropped == GOING[1:]
    assert one(empty, "SELECT to_regclass('user_activities_2031_03') IS NOT NULL")


@pytest.mark.parametrize("version", [15, 16, 17, 18])
def test_every_supported_postgres_takes_the_schema_and_events(version: int, tmp_path: Path) -> None:
    binaries = installed_versions().get(version)
    if binaries is None:
        pytest.skip(f"PostgreSQL {version} isn't installed")
    server = PostgresServer(tmp_path / "postgres", binaries=binaries, options={"fsync": "off"})
    server.start()
    try:
        url = server.url()
        settings = Settings({"DATABASE_URL": url, "RETENTION_MONTHS": "1"})
        assert maintain(settings, datetime.now(UTC))["migrated"] == NAMES
        assert maintain(settings, datetime.now(UTC)) == {"migrated": [], "made": [], "dropped": []}
        with writer_of(url) as writer:
            assert writer.one("SHOW server_version_num")[0].startswith(str(version))
            batch = message(record(), record("interaction"), record("identify", traits={"a": 1}))
            assert (writer.write(batch), writer.write(batch)) == (3, 0)
            assert writer.one("SELECT page_views, actions_count FROM user_sessions") == (1, 1)
            assert writer.rows("SELECT reason FROM quarantine") == []
        assert len(maintain(settings, month(datetime.now(UTC), 1))["dropped"]) == len(TABLES)
    finally:
        server.stop()
