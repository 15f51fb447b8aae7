"""What answers a user must not grow with everybody's history: each query reads through an index."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from psycopg import sql

from footfall import rules
from footfall.suggesting import array
from functions.recommend import handler
from functions.recommend.ranking import Visitor, parameters
from tests.site import Json, Site

NOW = datetime.now(UTC)
ROWS = 40_000
USERS = 1_000
# A table of so few rows is read whole, rightly.
FEW = 500
_PLACE = re.compile(r"%\((\w+)\)s")
_TYPES: dict[type, str] = {datetime: "timestamptz", int: "integer", float: "float8", bool: "boolean"}
HISTORY = """
INSERT INTO {table} ({columns})
SELECT gen_random_uuid(), md5('user ' || n %% {users})::uuid, {values},
       %s::timestamptz - n * interval '10 minutes', %s
FROM generate_series(1, {rows}) AS n
"""
CONTENT = """
INSERT INTO content (content_type, content_id, first_seen_at, attributes)
SELECT (ARRAY['project', 'job', 'profile'])[1 + n % 3], md5('content ' || n)::uuid,
       now() - n * interval '1 hour', '{"skills": ["sql"]}'
FROM generate_series(1, 20000) AS n
"""


@pytest.fixture
def site(database_url: str) -> Iterator[Site]:
    """Nine months of forty thousand activities and interactions, and twenty thousand pieces of content."""
    with Site(database_url) as site:
        activities = ("user_activities", "event_type, event_action", "'page_view', 'view'")
        kinds = "(ARRAY['project', 'job', 'profile'])[1 + n %% 3]"
        content = f"{kinds}, md5('content ' || n %% 20000)::uuid, 'view', 0.6"
        interactions = (
            "content_interactions",
            "content_type, content_id, interaction_type, engagement_score",
            content,
        )
        for table, columns, values in (activities, interactions):
            statement = HISTORY.format(
                table=table,
                columns=f"id, user_id, {columns}, created_at, received_at",
                values=values,
                users=USERS,
                rows=ROWS,
            )
            site.rows(statement + " RETURNING 1", NOW, NOW)
        site.connection.execute(CONTENT)
        site.connection.execute(
            "INSERT INTO profiles (id, created_at, first_seen_at, last_seen_at, touched_by)"
            " SELECT DISTINCT user_id, now(), now(), now(), pg_current_xact_id() FROM user_activities"
        )
        site.connection.execute(
            "INSERT INTO content_trends SELECT content_type, content_id, 24, random(), 3, now() FROM content"
        )
        site.connection.execute(
            "INSERT INTO content_items (content_type, content_id, hours_3, hours_12, hours_24, hours_168,"
            " hours_1440, people, computed_at)"
            " SELECT content_type, content_id, random(), random(), random(), random(), random(), 3, now()"
            " FROM content"
        )
        site.connection.execute(
            "INSERT INTO content_neighbours SELECT item, 'alike', ARRAY[1 + item % 20000, 1 + item % 19999],"
            " ARRAY[0.5, 0.2] FROM content_items"
        )
        site.connection.execute("ANALYZE")
        yield site


def read_whole(site: Site, query: str, given: Json) -> set[str]:
    """The tables of more than a few rows that the plan of a prepared query goes through."""
    parameters = {name: given[name] for name in dict.fromkeys(_PLACE.findall(handler.QUERIES[query]))}
    numbered = _PLACE.sub(lambda place: f"${[*parameters].index(place[1]) + 1}", handler.QUERIES[query])
    # As psycopg says them; the others' are found out by Postgres.
    types = [_TYPES.get(type(value), "unknown") for value in parameters.values()]
    prepared = f"PREPARE asked ({', '.join(types)}) AS {numbered.replace('%%', '%')}"
    site.connection.execute("DEALLOCATE ALL")
    site.connection.execute(prepared)
    values = sql.SQL(", ").join(sql.Literal(value) for value in parameters.values())
    plan = site.value(sql.SQL("EXPLAIN (FORMAT JSON) EXECUTE asked ({})").format(values))
    scanned = {node["Relation Name"] for node in nodes(plan[0]["Plan"]) if goes_through(node)}
    sizes = site.rows("SELECT relname, reltuples FROM pg_class WHERE relname = ANY (%s)", list(scanned))
    return {row["relname"] for row in sizes if row["reltuples"] > FEW}


def goes_through(node: Json) -> bool:
    """A history is gone through as well where an index gives its order and not its rows."""
    if not node.get("Relation Name", "").startswith(("user_activities", "content_interactions")):
        return bool(node["Node Type"] == "Seq Scan")
    condition = str(node.get("Index Cond", node.get("Recheck Cond", "")))
    return re.search(r"\b(user_id|anonymous_id|content_id) = ", condition) is None


def nodes(plan: Json) -> Iterator[Json]:
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes(part)


def asked(site: Site) -> dict[str, Json]:
    """Each query's parameters."""
    user = str(site.value("SELECT id FROM profiles ORDER BY id LIMIT 1"))
    counted: dict[str, Any] = {"user_ids": array([user]), "now": NOW, **rules.load().facts}
    visitor = "0190163d-8694-739b-aea5-966c26f8ad91"
    return {
        "last_activities": {"user_id": user, "limit": 20},
        "rank": parameters(Visitor(user_id=user), NOW, 20, feed_id=str(uuid4())),
        "owner": {"anonymous_id": visitor},
        "known_similar_users": {"user_id": user, "limit": 10},
        "similar_users": {"user_ids": array([user]), "now": NOW},
        "profile": {"user_id": user},
        "preferences": {"user_id": user, "key": None},
        "stage_facts": {"user_ids": array([user])},
        "own_projects": counted,
        "opportunities": counted,
        "trending": counted,
    }


def test_answers_read_through_indexes(site: Site) -> None:
    partitions = site.rows("SELECT relname FROM pg_class WHERE relname ~ '_20' AND reltuples > %s", FEW)
    assert len([row for row in partitions if row["relname"].startswith(("user_act", "content_int"))]) > 15
    queries = asked(site)
    for mode in ("force_custom_plan", "force_generic_plan"):
        site.connection.execute(sql.SQL("SET plan_cache_mode = {}").format(sql.Literal(mode)))
        found = {query: read_whole(site, query, parameters) for query, parameters in queries.items()}
        assert found == {query: set() for query in queries}, mode

    site.connection.execute("DROP INDEX user_activities_by_user")
    assert read_whole(site, "last_activities", queries["last_activities"]), "a scan would not be noticed"
