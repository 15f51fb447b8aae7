"""Who is alike: as found beforehand, against every pair reckoned by brute force."""

import json
import math
import threading
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from footfall.database import Database
from footfall.months import month
from footfall.suggesting import array
from functions.analyze import learning, tastes
from local.postgres.roles import let_in
from tests.integration.waiting import until
from tests.site import Site, by_a_bot, meets, user_id

NOW = month(datetime.now(UTC), -1) + timedelta(days=14, hours=12)
DAY = timedelta(days=1)
SCORES = {"view": 0.6, "click": 0.7, "like": 0.8, "share": 0.9, "apply": 1.0}
# Who met which content of which type, and how.
Met = tuple[int, int, str, str]
MET = st.tuples(
    st.integers(0, 7), st.integers(0, 6), st.sampled_from(["project", "job"]), st.sampled_from(sorted(SCORES))
)


@pytest.fixture
def site(database_url: str) -> Iterator[Site]:
    with Site(database_url) as site:
        yield site


def by_brute_force(met: list[Met]) -> dict[str, list[tuple[str, float, int]]]:
    """Everybody's fifty most alike: similarity to four digits, then shared pieces, then id."""
    vectors: defaultdict[str, dict[tuple[int, str], float]] = defaultdict(dict)
    for who, what, kind, how in met:
        vector = vectors[user_id(f"user {who}")]
        vector[what, kind] = max(vector.get((what, kind), 0), SCORES[how])
    found = {}
    for one, a in vectors.items():
        alike = []
        for other, b in vectors.items():
            shared = a.keys() & b.keys()
            if one != other and shared:
                product = sum(a[key] * b[key] for key in shared)
                lengths = math.sqrt(sum(v * v for v in a.values()) * sum(v * v for v in b.values()))
                alike.append((other, round(product / lengths, 4), len(shared)))
        found[one] = sorted(alike, key=lambda row: (-row[1], -row[2], row[0]))[:50]
    return found


def known(site: Site) -> dict[str, list[tuple[str, float, int]]]:
    return {
        str(row["user_id"]): [
            (str(user), round(similarity, 4), shared)
            for user, similarity, shared in zip(row["users"], row["similarities"], row["shared"], strict=True)
        ]
        for row in site.rows("SELECT * FROM similar_users")
    }


def assert_same(found: dict[str, list[tuple[str, float, int]]], met: list[Met]) -> None:
    """Where two are alike to the last digit but one, rounding may put either first."""
    expected = by_brute_force(met)
    assert found.keys() == expected.keys()
    for user, rows in expected.items():
        assert [row[1] for row in found[user]] == pytest.approx([row[1] for row in rows], abs=1.01e-4)
        assert {row[0]: row[2] for row in found[user]} == {row[0]: row[2] for row in rows}


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(met=st.lists(MET, min_size=1, max_size=40))
def test_are_those_of_brute_force(site: Site, met: list[Met]) -> None:
    site.connection.execute(
        "TRUNCATE user_activities, content_interactions, event_ids, profiles, tastes, similar_users,"
        " analysis_state, user_preferences, content, suggestions"
    )
    site.send(*(meets(f"user {who}", f"c {what}", NOW, how, kind) for who, what, kind, how in met), at=NOW)
    # Found now, before anything was learned of anybody.
    users = array(sorted(by_brute_force(met)))
    rows = site.learner.run(lambda transaction: transaction.all("similar_users", user_ids=users, now=NOW))
    site.learner.run(
        lambda transaction: transaction.run(
            "write_similar_users", found=json.dumps(rows, default=str), now=NOW
        )
    )
    assert_same(known(site), met)
    site.connection.execute("TRUNCATE similar_users")
    # And by analyze, with what it noted.
    site.analyze(NOW)
    assert_same(known(site), met)


def test_are_not_the_busiest(site: Site) -> None:
    """More candidates than are kept: whoever meets everything has the largest product with all of them."""
    mine = [meets("ada", f"c {n}", NOW) for n in range(5)]
    twins = [meets(f"twin {n}", f"c {m}", NOW) for n in range(60) for m in range(3)]
    busy = [meets(f"busy {n}", f"c {m}", NOW, "apply") for n in range(60) for m in range(40)]
    site.send(*mine, *twins, at=NOW)
    for start in range(0, len(busy), 500):
        site.send(*busy[start : start + 500], at=NOW)
    until(lambda: site.analyze(NOW).finished and user_id("ada") in known(site))
    alike = {user for user, _, _ in known(site)[user_id("ada")]}
    assert alike <= {user_id(f"twin {n}") for n in range(60)}
    assert len(alike) == 50


def test_are_found_again_when_something_is_new(site: Site) -> None:
    site.send(meets("ada", "a", NOW), meets("grace", "b", NOW), at=NOW)
    site.analyze(NOW)
    assert known(site)[user_id("ada")] == []
    site.send(meets("ada", "b", NOW), at=NOW)
    site.analyze(NOW)
    assert [row[0] for row in known(site)[user_id("ada")]] == [user_id("grace")]


def test_are_found_for_so_many_in_a_run_who_waited_longest(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tastes, "MOST", 2)
    for number in range(5):
        site.send(meets(f"user {number}", "a", NOW), at=NOW)
    # Learned one after the other, so that they wait for so long; each run has room for two.
    for number in range(5):
        at, users = NOW + timedelta(seconds=number), [user_id(f"user {number}")]
        site.learner.run(partial(learning.learn, user_ids=users, now=at))
    later = NOW + timedelta(minutes=1)
    site.connection.execute(
        "INSERT INTO analysis_state (task, watermark) VALUES ('users 0/1', pg_current_xact_id())"
    )
    for found in ([0, 1], [2, 3], [4]):
        before = known(site).keys()
        site.analyze(later)
        assert known(site).keys() - before == {user_id(f"user {number}") for number in found}


def test_look_back_thirty_days(site: Site) -> None:
    site.send(meets("ada", "a", NOW), meets("grace", "a", NOW - 31 * DAY), meets("grace", "b", NOW), at=NOW)
    site.analyze(NOW)
    assert known(site)[user_id("ada")] == []


def test_who_engages_while_tastes_are_learned_waits_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.send(meets("ada", "a", NOW), at=NOW)
    site.learner.run(partial(learning.learn, user_ids=[user_id("ada")], now=NOW))
    beside = Database(let_in(site.url, "footfall_analyze"), learning.QUERIES)
    learner = threading.Thread(
        target=beside.run, args=[partial(learning.learn, user_ids=[user_id("ada")], now=NOW)]
    )
    waits = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )

    def meanwhile(now: datetime) -> dict[str, Any]:
        if learner.ident is None:
            site.send(meets("ada", "b", NOW), at=NOW)
            learner.start()
            until(lambda: not learner.is_alive() or site.value(waits) > 0)
        return learning.basis(now)

    monkeypatch.setattr(tastes, "basis", meanwhile)
    assert tastes.learn(site.learner, NOW, lambda: True).users == 1
    learner.join()
    beside.close()
    assert site.value("SELECT count(*) FROM tastes WHERE waits_since IS NOT NULL") == 1


def test_leave_bots_out(site: Site) -> None:
    site.send(
        meets("ada", "a", NOW),
        meets("grace", "a", NOW),
        by_a_bot(meets("crawler", "a", NOW)),
        by_a_bot(meets("ada", "b", NOW)),
        meets("linus", "b", NOW),
        at=NOW,
    )
    site.analyze(NOW)
    assert known(site)[user_id("ada")] == [(user_id("grace"), 1.0, 1)]


def test_go_though_the_user_said_all_that_is_liked(site: Site) -> None:
    site.send(meets("ada", "a", NOW), meets("grace", "a", NOW), at=NOW)
    site.rows(
        "INSERT INTO user_preferences (user_id, preference_key, preference_value, confidence_score, source)"
        " VALUES (%s, 'content_type:project', %s, 1, 'explicit') RETURNING 1",
        user_id("ada"),
        '{"type": "project", "score": 1}',
    )
    site.analyze(NOW)
    assert known(site)[user_id("ada")] != []
    for days in range(1, 40, 3):
        site.analyze(NOW + days * DAY)
    assert known(site)[user_id("ada")] == []
    assert site.value("SELECT max(norm) FROM tastes") == 0
