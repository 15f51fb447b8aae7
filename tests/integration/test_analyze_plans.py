"""How analyze finds whom to learn must not grow with everybody: each query reads along an index."""

from collections.abc import Iterator
from typing import Any

import pytest

from functions.analyze import learning
from functions.analyze.learning import END, NOBODY
from tests.integration.learning_runs import NOW
from tests.site import Json, Site

WRITE_PROFILES = b"""
INSERT INTO profiles (id, created_at, first_seen_at, last_seen_at, touched_by)
SELECT md5(n::text)::uuid, now(), now(), now(), (1000 + n)::text::xid8 FROM generate_series(1, 50000) AS n
"""
WRITE_PREFERENCES = b"""
INSERT INTO user_preferences (user_id, preference_key, preference_value, confidence_score, source, expires_at)
SELECT id, 'content_type:' || n, '{}', 0.5, 'inferred',
       %s::timestamptz + n * interval '10 days'
       - CASE WHEN touched_by::text LIKE '%%000' THEN interval '11 days' ELSE '0' END
FROM profiles, generate_series(1, 5) AS n
"""

WRITE_TASTES = b"""
INSERT INTO tastes (user_id, learned_by, learned_on, norm)
SELECT id, '1', %s::date + CASE WHEN touched_by::text LIKE '%%000' THEN -9 ELSE 0 END, 1 FROM profiles
"""


@pytest.fixture
def many(database_url: str) -> Iterator[Site]:
    """Fifty thousand users, each touched by its own transaction, with five preferences; few have expired."""
    with Site(database_url) as site:
        site.connection.execute(WRITE_PROFILES)
        site.connection.execute(WRITE_PREFERENCES, [NOW])
        site.connection.execute(WRITE_TASTES, [NOW])
        site.connection.execute("ANALYZE")
        yield site


@pytest.mark.parametrize("watermark", ["0", "50900"], ids=["a backlog", "what is new"])
def test_touched_users(many: Site, watermark: str) -> None:
    scan = {"watermark": watermark, "until": END, "after_touch": "0", "after_user": NOBODY, "limit": 2_000}
    assert ways(many, "touched_users", **scan) == {"profiles_by_touch"}
    many.connection.execute("DROP INDEX profiles_by_touch")
    assert ways(many, "touched_users", **scan) == {"Seq Scan"}, "a scan would not be noticed"


def test_expired_users(many: Site) -> None:
    asked = {"now": NOW, "day": NOW.date(), "limit": 64_000}
    indexes = {"user_preferences_by_expiry", "tastes_by_day"}
    assert indexes <= ways(many, "expired_users", **asked) <= indexes | {"Subquery Scan"}
    for index in indexes:
        with many.connection.transaction(force_rollback=True):
            many.connection.execute(f"DROP INDEX {index}".encode())
            assert "Seq Scan" in ways(many, "expired_users", **asked), "a scan would not be noticed"


def ways(site: Site, query: str, **parameters: Any) -> set[str]:
    """The indexes, or the ways without one, that a query's plan reads rows by."""
    explain = b"EXPLAIN (FORMAT JSON) " + learning.QUERIES[query].encode()
    [row] = site.connection.execute(explain, {"shard": 1, "shards": 4, **parameters}).fetchall()
    [[plan]] = row.values()
    return {str(node.get("Index Name", node["Node Type"])) for node in nodes(plan["Plan"]) if reads(node)}


def nodes(plan: Json) -> Iterator[Json]:
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes(part)


def reads(node: Json) -> bool:
    """A bitmap's heap scan follows its index scan, which counts."""
    return "Scan" in node["Node Type"] and node["Node Type"] != "Bitmap Heap Scan"
