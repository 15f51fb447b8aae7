"""What each room's database role may do: all that the room's SQL does, and nothing else."""

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier
from typing import LiteralString

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege
from psycopg.sql import SQL, Identifier

from footfall.database import Row, connect
from footfall.settings import Settings
from functions.analyze import learning
from functions.insights import handler as insights
from functions.maintain.handler import maintain
from functions.maintain.migrate import MigrationError
from functions.maintain.partitions import QUERIES
from functions.recommend import handler as recommend
from functions.session import writing
from local.postgres import PostgresServer
from local.postgres.roles import RoleError, let_all_in, let_in

ROOMS = {
    "footfall_session": writing.QUERIES,
    "footfall_analyze": learning.QUERIES,
    "footfall_recommend": recommend.QUERIES,
    "footfall_insights": insights.QUERIES,
}
GRANTS = """
SELECT privilege_type AS privilege, 'TABLE ' || relation.oid::regclass AS thing
FROM pg_class AS relation CROSS JOIN aclexplode(relacl)
WHERE relnamespace = 'public'::regnamespace AND grantee = %(role)s::text::regrole
UNION ALL
SELECT format('%%s (%%I)', privilege_type, attname), 'TABLE ' || attrelid::regclass
FROM pg_attribute CROSS JOIN aclexplode(attacl)
WHERE grantee = %(role)s::text::regrole
UNION ALL
SELECT privilege_type, 'FUNCTION ' || function.oid::regprocedure
FROM pg_proc AS function CROSS JOIN aclexplode(proacl)
WHERE pronamespace = 'public'::regnamespace AND grantee = %(role)s::text::regrole
UNION ALL
SELECT privilege_type, 'DATABASE ' || quote_ident(datname)
FROM pg_database CROSS JOIN aclexplode(datacl)
WHERE datname = current_database() AND grantee = %(role)s::text::regrole AND privilege_type <> 'CONNECT'
"""
DENIED = {
    "footfall_session": [
        "DELETE FROM quarantine",
        "UPDATE quarantine SET raw = ''",
        "DELETE FROM user_activities",
        "UPDATE event_ids SET created_at = now()",
        "SELECT FROM user_preferences",
        "INSERT INTO time_zones VALUES ('Nowhere')",
    ],
    "footfall_analyze": [
        "INSERT INTO user_activities SELECT * FROM user_activities",
        "UPDATE user_activities SET user_id = NULL",
        "UPDATE profiles SET touched_by = pg_current_xact_id()",
        "SELECT FROM identities",
        "SELECT FROM external_ids",
        "SELECT FROM identity_owner(gen_random_uuid())",
        "CREATE TEMPORARY TABLE mine ()",
    ],
    "footfall_recommend": [
        "DELETE FROM user_activities",
        "DELETE FROM impressions",
        "UPDATE profiles SET profile_completeness = 100",
        "INSERT INTO profiles SELECT * FROM profiles",
        "UPDATE identities SET unlinked_at = now()",
        "DELETE FROM assignments",
        "INSERT INTO identities SELECT * FROM identities",
        "SELECT FROM quarantine",
        "CREATE TEMPORARY TABLE mine ()",
    ],
    "footfall_insights": [
        "UPDATE assignments SET arm = 'holdout'",
        "DELETE FROM impressions",
        "UPDATE quarantine SET replayed_at = now()",
        "DELETE FROM activity_counts",
        "SELECT FROM user_preferences",
        "SELECT FROM identities",
        "SELECT FROM event_ids",
        "CREATE TEMPORARY TABLE mine ()",
    ],
}
NOBODY = [
    "CREATE TABLE public.mine ()",
    "CREATE SCHEMA mine",
    "SELECT FROM schema_migrations",
    "TRUNCATE user_activities",
    "DROP TABLE user_activities",
    "CREATE ROLE another",
    "SET ROLE footfall",
]

Connection = psycopg.Connection[Row]


@pytest.fixture
def deployed_url(empty_database_url: str) -> str:
    """Of a database that was migrated itself: a clone has nothing of what is granted on a database."""
    deploy(empty_database_url)
    return empty_database_url


def deploy(url: str) -> None:
    maintain(Settings({"DATABASE_URL": url, "RETENTION_MONTHS": "1"}), datetime.now(UTC))


def refuses(connection: Connection, statement: str) -> bool:
    try:
        connection.execute(statement.encode())
    except InsufficientPrivilege:
        return True
    return False


def denied(connection: Connection, queries: Mapping[str, str]) -> list[str]:
    """The queries of a room that the role of the connection may not run."""
    bare = {name: text.replace("%(now)s", "NULL::timestamptz") for name, text in queries.items()}
    bare = {name: re.sub(r"%\(\w+\)s", "NULL", text).replace("%%", "%") for name, text in bare.items()}
    # What the others are about must be there to explain them.
    for name in ("create_incoming", "create_changes"):
        if refuses(connection, bare.pop(name, "")):
            return [name]
    # It needs the same rights, and can be explained.
    bare = {
        name: re.sub(r"(?ms)^COPY (\w+) .* FROM STDIN;", r"INSERT INTO \1 DEFAULT VALUES", text)
        for name, text in bare.items()
    }
    return [name for name, text in bare.items() if refuses(connection, f"EXPLAIN {text}")]


@pytest.mark.parametrize("role", ROOMS)
def test_a_room_may_run_each_of_its_queries(deployed_url: str, role: str) -> None:
    with connect(let_in(deployed_url, role)) as room:
        assert denied(room, ROOMS[role]) == []


@pytest.mark.parametrize("role", ROOMS)
def test_nothing_is_granted_that_no_query_of_the_room_needs(deployed_url: str, role: str) -> None:
    url = let_in(deployed_url, role)
    with connect(deployed_url) as owner:
        grants = owner.execute(GRANTS, {"role": role}).fetchall()
        assert len(grants) >= 10
        for grant in grants:
            said = f"{grant['privilege']} ON {grant['thing']}"
            owner.execute(f"REVOKE {said} FROM {role}".encode())
            with connect(url) as room:
                assert denied(room, ROOMS[role]), f"{role} has no need of {said}"
            owner.execute(f"GRANT {said} TO {role}".encode())


@pytest.mark.parametrize("role", ROOMS)
def test_a_room_may_do_nothing_else(deployed_url: str, role: str) -> None:
    with connect(let_in(deployed_url, role)) as room:
        allowed = [text for text in [*DENIED[role], *NOBODY] if not refuses(room, text)]
    assert allowed == []


@pytest.mark.parametrize("role", ROOMS)
def test_a_month_is_reached_through_its_table_alone(database_url: str, role: str) -> None:
    table = "impressions" if role == "footfall_insights" else "user_activities"
    month = f"{table}_{datetime.now(UTC):%Y_%m}"
    with connect(let_in(database_url, role)) as room:
        assert room.execute(QUERIES["list_partitions"], {"table": table, "mark": ""}).rowcount > 1
        room.execute(f"SELECT FROM {table}".encode())
        assert refuses(room, f"SELECT FROM {month}")


def test_a_role_can_log_in_and_nothing_else(database_url: str) -> None:
    with connect(database_url) as owner:
        attributes = owner.execute(
            "SELECT rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls,"
            " EXISTS (SELECT FROM pg_auth_members WHERE member = pg_roles.oid) AS belongs"
            " FROM pg_roles WHERE rolname = ANY (%s)",
            [list(ROOMS)],
        ).fetchall()
    assert [list(row.values()) for row in attributes] == [[True, *[False] * 6]] * len(ROOMS)


class TestOnAServerOfItsOwn:
    """Roles belong to the whole server."""

    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[PostgresServer]:
        started = PostgresServer(tmp_path / "postgres", options={"fsync": "off"})
        started.start()
        yield started
        started.stop()

    @staticmethod
    def execute(url: str, *statements: LiteralString) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def test_databases_that_are_migrated_at_once_make_the_roles_once(self, server: PostgresServer) -> None:
        names = [f"footfall_{number}" for number in range(6)]
        with psycopg.connect(server.url(), autocommit=True) as owner:
            for name in names:
                owner.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        together = Barrier(len(names))

        def migrate(name: str) -> None:
            together.wait()
            deploy(server.url(name))

        with ThreadPoolExecutor(len(names)) as deploys:
            list(deploys.map(migrate, names))
        for name in names:
            for role, queries in ROOMS.items():
                with connect(let_in(server.url(name), role)) as room:
                    assert denied(room, queries) == []

    def test_no_role_has_a_password_until_it_is_let_in(self, server: PostgresServer) -> None:
        deploy(server.url())
        for role in ROOMS:
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                connect(server.url().replace("//footfall:", f"//{role}:"))
            url = let_in(server.url(), role)
            connect(url).close()
            assert let_in(server.url(), role) == url

    def test_stacks_that_start_at_once_let_the_same_roles_in(self, server: PostgresServer) -> None:
        deploy(server.url())
        with ThreadPoolExecutor(6) as stacks:
            found = list(stacks.map(lambda _: let_all_in(server.url(), ROOMS), range(6)))
        assert {complaint for _, complaint in found} == {None}
        assert all(urls == found[0][0] and urls.keys() == ROOMS.keys() for urls, _ in found)

    def test_a_new_password_of_the_owner_brings_new_ones(self, server: PostgresServer) -> None:
        deploy(server.url())
        before = let_in(server.url(), "footfall_session")
        self.execute(server.url(), "ALTER ROLE footfall PASSWORD 'n/ew'")
        renewed = re.sub("footfall:[^@]+@", "footfall:n%2Few@", server.url())
        after = let_in(renewed, "footfall_session")
        assert after != before
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            connect(before)

    def test_an_owner_who_may_not_make_roles_does_without(self, server: PostgresServer) -> None:
        self.execute(
            server.url(),
            "CREATE ROLE plain LOGIN PASSWORD 'word'",
            "CREATE DATABASE theirs",
            "GRANT plain TO footfall",
        )
        self.execute(server.url("theirs"), "ALTER DATABASE theirs OWNER TO plain")
        url = re.sub("footfall:[^@]+@", "plain:word@", server.url("theirs"))
        deploy(url)
        urls, complaint = let_all_in(url, ROOMS)
        assert urls == {}
        assert complaint == (
            "footfall_analyze, footfall_insights, footfall_recommend, footfall_session: not used, the owner"
            ' of the database is instead (role "footfall_analyze" does not exist; role "footfall_insights"'
            ' does not exist; role "footfall_recommend" does not exist; role "footfall_session" does not'
            " exist)"
        )
        deploy(server.url())
        assert let_all_in(server.url(), ROOMS)[1] is None
        with pytest.raises(RoleError, match="permission denied"):
            let_in(url, "footfall_session")

    def test_roles_that_are_there_already_are_granted_what_they_need(self, server: PostgresServer) -> None:
        self.execute(
            server.url(),
            *("CREATE ROLE footfall_session LOGIN", "CREATE ROLE footfall_analyze LOGIN"),
            *("CREATE ROLE footfall_recommend LOGIN", "CREATE ROLE footfall_insights LOGIN"),
            "CREATE ROLE plain LOGIN PASSWORD 'word'",
            *("GRANT plain TO footfall", "CREATE DATABASE theirs OWNER plain"),
        )
        deploy(re.sub("footfall:[^@]+@", "plain:word@", server.url("theirs")))
        for role, queries in ROOMS.items():
            with connect(let_in(server.url("theirs"), role)) as room:
                assert denied(room, queries) == []

    def test_rooms_log_in_by_token_only_where_the_owner_does(self, server: PostgresServer) -> None:
        """On RDS: the owner made the rooms' roles and is in them, so in all that they are in."""
        count = "SELECT count(*) AS rooms FROM pg_auth_members WHERE roleid = 'rds_iam'::regrole AND %s"
        rooms = (count % "member::regrole::text LIKE 'footfall!_%' ESCAPE '!'").encode()
        self.execute(server.url(), "CREATE ROLE rds_iam", "CREATE DATABASE second")
        deploy(server.url())
        with connect(server.url()) as owner:
            assert owner.execute(rooms).fetchone() == {"rooms": 0}
        self.let_in_without_password(server)
        deploy(server.url("second"))
        with connect(server.url()) as owner:
            assert owner.execute(rooms).fetchone() == {"rooms": len(ROOMS)}

    def test_a_deploy_fails_where_no_room_could_log_in(self, server: PostgresServer) -> None:
        self.execute(
            server.url(),
            *("CREATE ROLE rds_iam", "CREATE ROLE plain LOGIN", "GRANT plain TO footfall"),
            "CREATE DATABASE theirs OWNER plain",
        )
        self.let_in_without_password(server)
        with pytest.raises(MigrationError, match="0004_roles: permission denied to create role"):
            deploy(re.sub("footfall:[^@]+@", "plain@", server.url("theirs")))

    @staticmethod
    def let_in_without_password(server: PostgresServer) -> None:
        with connect(server.url()) as owner:
            folder = owner.execute("SHOW data_directory").fetchone()
        assert folder
        server.stop()
        Path(folder["data_directory"], "pg_hba.conf").write_text("host all all 127.0.0.1/32 trust\n")
        server.start()


def test_the_owner_stays_the_owner(database_url: str) -> None:
    assert let_in(database_url, "footfall") == database_url
