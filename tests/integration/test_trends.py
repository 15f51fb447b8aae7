"""Trends: what is engaged with lately."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from footfall.months import month
from functions.session.consuming import consume
from tests.site import Json, Site, by_a_bot, content_id, does, meets

# Whatever day it is, all of what follows lies in months that exist.
NOW = month(datetime.now(UTC), -1) + timedelta(days=14, hours=12)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
# Scores are as of the day's end.
BY_MIDNIGHT = 0.5**0.5


@pytest.fixture
def site(database_url: str) -> Iterator[Site]:
    with Site(database_url) as site:
        yield site


def trends(site: Site) -> dict[str, Json]:
    """By content id."""
    found = site.rows("SELECT * FROM content_trends WHERE half_life_hours = 24")
    return {str(row["content_id"]): row for row in found}


class TestTrends:
    def test_are_engagement_halved_every_day(self, site: Site) -> None:
        site.send(
            meets("ada", "a", NOW),
            meets("grace", "a", NOW - DAY, "like"),
            meets("grace", "a", NOW - 2 * DAY, "apply"),
            meets("ada", "b", NOW - 36 * HOUR),
            by_a_bot(meets("crawler", "a", NOW)),
            meets("ada", "to come", NOW + HOUR),
            {**meets("ada", "a", NOW), "user_id": None, "anonymous_id": "somebody"},
            at=NOW,
        )
        site.analyze(NOW)
        found = trends(site)
        assert set(found) == {content_id("a"), content_id("b")}
        assert found[content_id("a")]["score"] == pytest.approx((0.6 + 0.8 / 2 + 1 / 4 + 0.6) * BY_MIDNIGHT)
        assert found[content_id("a")]["people"] == 3
        assert found[content_id("b")]["score"] == pytest.approx(0.6 * 0.5**1.5 * BY_MIDNIGHT)
        assert found[content_id("b")]["people"] == 1

    def test_look_back_seven_days_and_forget(self, site: Site) -> None:
        site.send(meets("ada", "old", NOW - 7 * DAY), meets("ada", "a", NOW - 6 * DAY), at=NOW)
        site.analyze(NOW)
        assert set(trends(site)) == {content_id("a")}
        later = NOW + 2 * DAY
        site.send(meets("ada", "b", later), at=later)
        site.analyze(later)
        assert set(trends(site)) == {content_id("b")}
        site.analyze(later + 8 * DAY)
        assert trends(site) == {}

    def test_are_not_learned_again_where_nothing_is_new(self, site: Site) -> None:
        site.send(meets("ada", "a", NOW - HOUR), at=NOW)
        site.analyze(NOW)
        first = trends(site)
        site.send(does("ada", NOW + MINUTE), at=NOW + MINUTE)
        site.analyze(NOW + 2 * MINUTE)
        assert trends(site) == first
        site.send(meets("ada", "b", NOW + 2 * MINUTE), at=NOW + 2 * MINUTE)
        site.analyze(NOW + 3 * MINUTE)
        assert {name: row["computed_at"] for name, row in trends(site).items()} == {
            content_id("a"): NOW,
            content_id("b"): NOW + 3 * MINUTE,
        }

    def test_notice_one_that_comes_as_another_goes(self, site: Site) -> None:
        site.send(meets("ada", "old", NOW - 7 * DAY + MINUTE), at=NOW)
        site.analyze(NOW)
        later = NOW + 5 * MINUTE
        site.send(meets("ada", "new", later), at=later)
        site.analyze(later)
        assert set(trends(site)) == {content_id("new")}

    def test_notice_a_dwell_that_grew_within_the_hour(self, site: Site) -> None:
        view: Json = {**meets("ada", "a", NOW), "id": "0190163d-8694-739b-aea5-966c26f8ad91"}
        site.send(view, at=NOW)
        site.analyze(NOW)
        consume(site.writer, site.bodies({**view, "duration_seconds": 300}, at=NOW), 5)
        site.analyze(NOW + HOUR)
        assert trends(site)[content_id("a")]["score"] == pytest.approx(1.0 * BY_MIDNIGHT)

    def test_are_learned_though_there_is_no_time_for_users(self, site: Site) -> None:
        site.send(meets("ada", "a", NOW), at=NOW)
        assert not site.analyze(NOW, lambda: False).finished
        assert set(trends(site)) == {content_id("a")}
