"""What is learned of users, from events that came the way that events come."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from footfall.months import month
from functions.analyze.learning import Run, learn
from tests.integration.waiting import until
from tests.site import Json, Site, by_a_bot, does, is_told, meets, user_id

# Whatever day it is, all of what follows lies in months that exist.
NOW = month(datetime.now(UTC), -1) + timedelta(days=14, hours=12)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def site(database_url: str) -> Iterator[Site]:
    with Site(database_url) as site:
        yield site


def visits(user: str, hours: Sequence[datetime], **more: Any) -> list[Json]:
    return [does(user, at, **more) for at in hours]


class TestPreferences:
    def test_are_shares_of_engagement_halved_every_ten_days(self, site: Site) -> None:
        site.send(
            meets("ada", "a", NOW),
            meets("ada", "b", NOW - 20 * DAY, "like"),
            meets("ada", "c", NOW - 10 * DAY, "apply", "job"),
            at=NOW,
        )
        site.analyze(NOW)
        project, job = 0.6 + 0.8 / 4, 1.0 / 2
        assert site.shares("ada") == {
            "project": pytest.approx(project / (project + job), abs=1e-4),
            "job": pytest.approx(job / (project + job), abs=1e-4),
        }
        learned = site.preferences("ada")["content_type:project"]
        assert learned["source"] == "inferred"
        assert learned["metadata"] == {"interactions": 2, "days": 30}
        assert learned["updated_at"] == NOW

    def test_look_back_thirty_days(self, site: Site) -> None:
        just_out, just_in = NOW - 30 * DAY, NOW - 30 * DAY + timedelta(milliseconds=1)
        site.send(meets("ada", "a", just_out, kind="job"), meets("ada", "b", just_in), at=NOW)
        site.analyze(NOW)
        assert site.shares("ada") == {"project": 1.0}

    def test_are_surer_with_more_evidence_and_never_sure(self, site: Site) -> None:
        counts = (1, 2, 3, 5, 10, 50, 500)
        events = [meets(f"user {count}", f"c {n}", NOW) for count in counts for n in range(count)]
        site.send(*events, at=NOW)
        site.analyze(NOW)
        sure = [
            site.preferences(f"user {count}")["content_type:project"]["confidence_score"] for count in counts
        ]
        assert sure == sorted(set(sure))
        assert float(sure[0]) <= 0.5
        assert sure[-1] < 1

    def test_are_not_learned_from_bots(self, site: Site) -> None:
        site.send(
            meets("ada", "a", NOW), by_a_bot(meets("ada", "b", NOW, "apply", "job")),
            by_a_bot(meets("crawled", "b", NOW)),
            at=NOW,
        )  # fmt: skip
        site.analyze(NOW)
        assert site.shares("ada") == {"project": 1.0}
        assert site.preferences("crawled") == {}

    def test_forget_what_is_no_longer_engaged_with(self, site: Site) -> None:
        site.send(meets("ada", "a", NOW - 29 * DAY, kind="job"), meets("ada", "b", NOW), at=NOW)
        site.analyze(NOW)
        assert set(site.shares("ada")) == {"project", "job"}
        later = NOW + 2 * DAY
        site.send(does("ada", later), at=later)
        site.analyze(later)
        assert set(site.shares("ada")) == {"project"}

    def test_of_who_fell_silent_are_forgotten(self, site: Site) -> None:
        site.send(meets("ada", "a", NOW, "like"), at=NOW)
        site.analyze(NOW)
        assert site.preferences("ada").keys() == {"content_type:project", "active_hours"}
        site.analyze(NOW + 60 * DAY)
        assert site.preferences("ada") == {}

    def test_expire_after_the_day_on_which_their_oldest_event_does(self, site: Site) -> None:
        oldest = NOW - 6 * DAY
        site.send(
            meets("ada", "a", oldest), meets("ada", "b", NOW), meets("ada", "c", NOW, kind="job"), at=NOW
        )
        site.analyze(NOW)
        midnight = NOW.replace(hour=0)
        expires = {key: row["expires_at"] - midnight for key, row in site.preferences("ada").items()}
        assert expires == {
            "content_type:project": 25 * DAY,
            "content_type:job": 31 * DAY,
            "active_hours": 2 * DAY,
        }
        # From now on ada is learned for no other reason.
        until(lambda: site.analyze(NOW) == Run(0, finished=True))
        before = site.preferences("ada")
        site.analyze(midnight + 2 * DAY - MINUTE)
        assert site.preferences("ada") == before
        site.analyze(midnight + 2 * DAY)
        assert site.preferences("ada")["active_hours"]["expires_at"] == midnight + 8 * DAY

    def test_that_stay_the_same_are_not_written_again(self, site: Site) -> None:
        site.send(meets("ada", "a", NOW), meets("ada", "b", NOW, "like", "job"), at=NOW)

        def run(at: datetime) -> list[Json]:
            site.learner.run(lambda transaction: learn(transaction, [user_id("ada")], at))
            return site.rows("SELECT preference_key, xmin::text, updated_at FROM user_preferences ORDER BY 1")

        first = run(NOW)
        assert [row["preference_key"] for row in first] == [
            "active_hours",
            "content_type:job",
            "content_type:project",
        ]
        assert run(NOW) == first
        # The day is the same, and all weights decayed alike.
        assert run(NOW + 6 * HOUR) == first
        site.send(meets("ada", "c", NOW, "like", "job"), at=NOW)
        changed = run(NOW)
        assert all(old["xmin"] != new["xmin"] for old, new in zip(first, changed, strict=True))


class Interaction(NamedTuple):
    kind: str
    how: str
    duration: int | None
    age: float
    is_bot: bool


INTERACTIONS = st.builds(
    Interaction,
    st.sampled_from(["project", "job", "profile", "endorsement"]),
    st.sampled_from(["view", "click", "like", "share", "save", "apply", "endorse", "comment"]),
    st.none() | st.sampled_from([0, 30, 31, 60, 61, 120, 121, 10**6]),
    st.floats(-0.9, 40),
    st.sampled_from([False, False, False, True]),
)
# As the original says it.
WEIGHTS = {
    "view": 0.1,
    "click": 0.2,
    "like": 0.3,
    "share": 0.4,
    "save": 0.4,
    "apply": 0.5,
    "endorse": 0.5,
}


def engagement(how: str, duration: int | None) -> float:
    steps = sum(gain for limit, gain in ((30, 0.2), (60, 0.2), (120, 0.1)) if (duration or 0) > limit)
    return min(0.5 + steps + WEIGHTS.get(how, 0), 1.0)


def expected_evidence(history: Sequence[Interaction]) -> dict[str, float]:
    """As of the end of the day."""
    weights: defaultdict[str, float] = defaultdict(float)
    for one in history:
        if one.age < 30 and not one.is_bot:
            weights[one.kind] += engagement(one.how, one.duration) * math.exp2(-(one.age + 0.5) / 10)
    return weights


def expected_shares(history: Sequence[Interaction]) -> dict[str, float]:
    weights = expected_evidence(history)
    return {kind: weight / sum(weights.values()) for kind, weight in weights.items()}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(INTERACTIONS, min_size=1, max_size=20))
def test_preferences_are_what_another_computation_finds(site: Site, history: list[Interaction]) -> None:
    user = str(uuid4())
    for one in history:
        event = meets(
            user, str(uuid4()), NOW - one.age * DAY, one.how, one.kind, duration_seconds=one.duration
        )
        site.send(by_a_bot(event) if one.is_bot else event, at=NOW)
    site.analyze(NOW)

    scores = site.shares(user)
    assert scores == pytest.approx(expected_shares(history), abs=1.001e-4)
    assert all(0 <= score <= 1 for score in scores.values())
    if scores:
        assert sum(scores.values()) == pytest.approx(1, abs=1e-4 * len(scores))
    preferences = site.preferences(user)
    for kind, evidence in expected_evidence(history).items():
        confidence = preferences[f"content_type:{kind}"]["confidence_score"]
        assert float(confidence) == pytest.approx(evidence / (evidence + 1.2), abs=0.00501)


class TestActiveHours:
    @pytest.mark.parametrize(
        ("time_zone", "offset", "said"),
        [
            ("Asia/Kathmandu", timedelta(hours=5, minutes=45), "Asia/Kathmandu"),
            ("America/Phoenix", timedelta(hours=-7), "America/Phoenix"),
            ("Nowhere/Land", timedelta(), "UTC"),
            (None, timedelta(), "UTC"),
        ],
    )
    def test_are_the_three_busiest_where_the_user_is(
        self, site: Site, time_zone: str | None, offset: timedelta, said: str
    ) -> None:
        midnight = NOW.replace(hour=0) - offset
        often = {9: 4, 20: 3, 7: 2, 22: 2, 3: 1}
        hours = [
            midnight - day * DAY + hour * HOUR + 10 * MINUTE
            for hour, times in often.items()
            for day in range(1, times + 1)
        ]
        site.send(*visits("ada", hours, **({"time_zone": time_zone} if time_zone else {})), at=NOW)
        site.analyze(NOW)
        learned = site.preferences("ada")["active_hours"]
        # Of two as busy, the earlier.
        assert learned["preference_value"] == {"hours": [9, 20, 7], "time_zone": said}
        assert learned["confidence_score"] == Decimal("0.40"), "12 of 12 + 20, in steps of .05"
        assert learned["source"] == "inferred"
        assert 0 < learned["confidence_score"] < 1

    def test_stay_the_same_when_the_clocks_change(self, site: Site) -> None:
        berlin = ZoneInfo("Europe/Berlin")
        days = [datetime.now(berlin).replace(hour=9, minute=30) - n * DAY for n in range(1, 300)]
        change = next(
            day for day in days if day.utcoffset() != (day - DAY).utcoffset()
        )  # the first day of the new time
        mornings = [(change + n * DAY).astimezone(UTC) for n in (-2, -1, 0, 1)]
        assert len({at.hour for at in mornings}) == 2
        now = mornings[-1] + HOUR
        site.send(*visits("ada", mornings, time_zone="Europe/Berlin"), at=now)
        site.analyze(now)
        hours = site.preferences("ada")["active_hours"]["preference_value"]
        assert hours == {"hours": [9], "time_zone": "Europe/Berlin"}

    def test_follow_a_user_who_travels(self, site: Site) -> None:
        site.send(
            does("ada", NOW - DAY, time_zone="Europe/Berlin"),
            does("ada", NOW, time_zone="Asia/Tokyo"),
            does("ada", NOW - 2 * DAY, time_zone="America/Lima"),
            at=NOW,
        )
        site.analyze(NOW)
        hours = site.preferences("ada")["active_hours"]["preference_value"]
        assert hours == {"hours": [21], "time_zone": "Asia/Tokyo"}

    def test_look_back_seven_days_and_past_bots(self, site: Site) -> None:
        site.send(does("ada", NOW - 7 * DAY), by_a_bot(does("ada", NOW - HOUR)), does("ada", NOW), at=NOW)
        site.analyze(NOW)
        assert site.preferences("ada")["active_hours"]["preference_value"]["hours"] == [12]
        later = NOW + 8 * DAY
        site.send(is_told("ada", later, plan="team"), at=later)
        site.analyze(later)
        assert site.preferences("ada") == {}
