"""Activities counted for reports, each once, whatever comes late or meanwhile, and whoever counts at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from footfall.database import Database
from footfall.settings import Settings
from functions.analyze import counts, learning
from functions.maintain.handler import maintain
from local.postgres.roles import let_in
from tests.integration.learning_runs import held_up
from tests.site import Json, Site, does, meets

NOW = datetime.now(UTC).replace(minute=30, second=0, microsecond=0)
HOUR = timedelta(hours=1)
RAW = """
SELECT date_bin('15 minutes', created_at, '2000-01-01') AS at, event_type,
       coalesce(event_action, '') AS event_action, is_bot, count(*) AS events
FROM user_activities GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""
COUNTED = """
SELECT at, event_type, event_action, is_bot, sum(events)::bigint AS events
FROM activity_counts WHERE of_all = %s GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""


@pytest.fixture
def site(database_url: str) -> Iterator[Site]:
    with Site(database_url) as site:
        yield site


def run(site: Site, now: datetime = NOW) -> bool:
    return counts.learn(site.learner, now, lambda: True)


def are_counted(site: Site) -> bool:
    raw: list[Json] = site.rows(RAW)
    return bool(raw) and all(site.rows(COUNTED, of_all) == raw for of_all in (True, False))


def test_each_activity_is_counted_once(site: Site) -> None:
    site.send(
        *(does("ada", NOW - number * HOUR / 3) for number in range(200)), meets("ada", "a", NOW), at=NOW
    )
    assert run(site)
    assert are_counted(site)
    assert not run(site)
    # Also where two days back is in the middle of an hour.
    assert not run(site, NOW + HOUR / 3)


def test_what_comes_late_is_counted(site: Site) -> None:
    site.send(does("ada", NOW), does("ada", NOW - HOUR), at=NOW)
    run(site)
    site.send(does("bob", NOW - HOUR), does("bob", NOW - 20 * HOUR, "search"), at=NOW)
    assert not are_counted(site)
    assert run(site)
    assert are_counted(site)


def test_what_comes_very_late_is_counted_within_an_hour(site: Site) -> None:
    site.send(does("ada", NOW), at=NOW)
    run(site)
    site.send(does("bob", NOW - 300 * HOUR), at=NOW)
    assert not run(site)
    assert run(site, NOW + HOUR)
    assert are_counted(site)


def test_what_is_written_meanwhile_is_counted_by_the_next_run(site: Site) -> None:
    site.send(does("ada", NOW), at=NOW)
    with held_up(site, does("late", NOW)) as release:
        run(site)
        release()
    assert not are_counted(site)
    assert run(site, NOW + HOUR)
    assert are_counted(site)


def test_a_run_that_has_no_time_leaves_the_rest_to_the_next(site: Site) -> None:
    site.send(*(does("ada", NOW - number * HOUR) for number in range(60)), at=NOW)
    for _ in range(2):
        assert counts.learn(site.learner, NOW, lambda: False)
        assert not are_counted(site)
    assert counts.learn(site.learner, NOW, lambda: False)
    assert are_counted(site)


def test_two_runs_at_once_count_once(site: Site, database_url: str) -> None:
    site.send(*(does("ada", NOW - number * HOUR) for number in range(100)), at=NOW)

    def count(_: int) -> None:
        database = Database(let_in(database_url, "footfall_analyze"), learning.QUERIES)
        counts.learn(database, NOW, lambda: True)
        database.close()

    with ThreadPoolExecutor(4) as runs:
        list(runs.map(count, range(4)))
    assert are_counted(site)


def test_counts_of_months_that_are_gone_are_gone(site: Site) -> None:
    site.send(does("ada", NOW), does("ada", NOW - 100 * 24 * HOUR), at=NOW)
    run(site)
    maintain(Settings({"DATABASE_URL": site.url, "RETENTION_MONTHS": "1"}), NOW)
    assert site.value("SELECT count(*) FROM counted_hours") == 1
    assert site.value("SELECT sum(events) FROM activity_counts WHERE of_all") == 1
    assert are_counted(site)
