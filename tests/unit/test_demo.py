"""The made-up network: the same for the same seed, taken at the door, and with something in it to learn."""

import asyncio
import itertools
import json
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from footfall import rules
from footfall.events import dumps
from functions.ingest import plain, validating
from functions.ingest.reading import Batch
from functions.ingest.speaking import Speaker
from functions.ingest.taking import take
from functions.session.devices import device_of
from local.demo import truth
from local.demo.__main__ import MOST_DAYS
from local.demo.people import Account
from local.demo.sending import Sending
from local.demo.visits import Leg
from local.demo.world import DEFAULT_SIZE, Size, World
from local.site import filling
from tests.queued import records_taken

# A Sunday, two hours after a clock went back in America.
UNTIL = datetime(2026, 11, 1, 8, tzinfo=UTC)
SMALL = Size(60, 150)


def small(seed: str = "1", until: datetime = UNTIL, days: int = 10) -> World:
    return World(seed, SMALL, until - timedelta(days=days), until)


def sent(world: World) -> dict[str, tuple[str | None, Any]]:
    """Everything, by id: who says it, and what."""
    browsers = ((leg.user_id, event) for legs in world.visits() for leg in legs for event in leg.events)
    server = (("server", event) for event in world.said_by_server())
    return {event["id"]: (who, event) for who, event in [*server, *browsers]}


def fingerprint(world: World) -> str:
    return sha256(dumps(sent(world)).encode()).hexdigest()


def is_view(event: Any) -> bool:
    return bool(event.get("interaction_type") == "view")


class Month:
    """The default one."""

    def __init__(self) -> None:
        self.world = World("1", DEFAULT_SIZE, UNTIL - timedelta(days=MOST_DAYS), UNTIL)
        self.visits: list[Sequence[Leg]] = list(self.world.visits())
        self.accounts = {account.user_id: account for account in self.world.accounts}
        self.topics = {(one.content_type, one.content_id): one.topic for one in self.world.contents}

    def by_account(self) -> Iterator[tuple[Account, list[Any]]]:
        events: dict[str | None, list[Any]] = defaultdict(list)
        for legs in self.visits:
            for leg in legs:
                events[leg.user_id] += leg.events
        return ((self.accounts[user], events[user]) for user in events if user)


@pytest.fixture(scope="module")
def month() -> Month:
    return Month()


def test_the_same_seed_makes_the_same_events() -> None:
    assert fingerprint(small()) == fingerprint(small())
    assert not sent(small()).keys() & sent(small("2")).keys()
    others = World("1", Size(61, 150), UNTIL - timedelta(days=10), UNTIL)
    assert not sent(small()).keys() & sent(others).keys()


def test_tomorrow_holds_today() -> None:
    today, tomorrow = sent(small()), sent(small(until=UNTIL + timedelta(days=1)))
    for who, event in today.values():
        stays = event["created_at"] >= (UNTIL - timedelta(days=9)).isoformat()
        if stays and who != "server":
            assert tomorrow[event["id"]] == (who, event)
    new = [event["created_at"] for event_id, (_, event) in tomorrow.items() if event_id not in today]
    assert new
    # The server's word of what was published before the window is of the window.
    assert sum(UNTIL.isoformat() <= moment for moment in new) > 0.9 * len(new)


def test_an_hour_later_nothing_is_different_but_that_hour() -> None:
    now, later = sent(small()), sent(small(until=UNTIL + timedelta(hours=1)))
    for event_id, said in now.items():
        if said[1]["created_at"] >= (UNTIL - timedelta(days=10) + timedelta(hours=1)).isoformat():
            assert later[event_id] == said


def test_the_site_begins_with_what_the_demo_sends() -> None:
    begins = filling.newest(UNTIL + timedelta(minutes=40))
    known = {event["id"]: event for event in Month().world.said_by_server()}
    assert all(known[event["id"]] == event for event in begins)
    kinds = Counter(event["content_type"] for event in begins)
    assert filling.NEWEST.items() <= kinds.items()
    people = {event["content_id"] for event in begins if event["content_type"] == "profile"}
    assert {event["author_id"] for event in begins} <= people


class Ingest:
    """A door behind which ingest's own code says what it takes."""

    def __init__(self) -> None:
        self.records: list[Any] = []
        self.requests: Counter[str] = Counter()
        self._received_at = UNTIL + timedelta(hours=1)

    async def send(self, events: Sequence[Any]) -> list[Any]:
        return self._take("server", events, Speaker("server"), self._received_at - timedelta(days=395))

    async def send_as_page(self, events: Sequence[Any], headers: Mapping[str, str]) -> list[Any]:
        assert headers["user-agent"]
        return self._take("page", events, Speaker("browser"), self._received_at - validating.BROWSER_PAST)

    async def send_as_user(self, events: Sequence[Any], headers: Mapping[str, str], token: str) -> list[Any]:
        speaker = Speaker("user", token.removeprefix("token of "))
        return self._take("user", events, speaker, self._received_at - validating.BROWSER_PAST)

    async def token(self, user: str) -> str:
        return f"token of {user}"

    async def waiting(self) -> int:
        return 0

    def _take(self, who: str, events: Sequence[Any], speaker: Speaker, earliest: datetime) -> list[Any]:
        self.requests[who] += 1
        # The fast way knows all but the catalogue.
        frequent = [event for event in events if event.get("type") != "content"]
        reception = validating.Reception(speaker, self._received_at, earliest)
        assert not frequent or plain.keep(frequent, reception)
        taken = take(Batch(list(events)), speaker, self._received_at, earliest)
        self.records += records_taken(taken)
        return taken.rejected


def test_every_event_is_taken_whole_and_at_its_own_time() -> None:
    world, ingest = small(), Ingest()
    sending = Sending(ingest, lambda _: None)  # type: ignore[arg-type]

    async def send() -> None:
        await sending.server(world.said_by_server())
        await sending.browsers(world.visits())

    asyncio.run(send())
    said = sent(world)
    assert not sending.refused
    assert len(sending.taken) == len(said)
    assert not said.keys() - set(sending.taken)
    assert min(ingest.requests[who] for who in ("server", "page", "user")) > 2
    for record in ingest.records:
        who, event = said[record["id"]]
        assert "client_created_at" not in record
        assert not any(key.startswith("_") for key in record.get("metadata", {}))
        named = event.get("user_id") if who == "server" else who
        assert record.get("names", {}).get("user_id") == named
    # The server says what it passes on of whose device.
    passed_on = [record for record in ingest.records if "user_agent" in record]
    assert passed_on
    assert all(record["country"] and record["city"] and record["ip"] for record in passed_on)


def test_a_month_is_more_than_100_000_events(month: Month) -> None:
    ids = [event["id"] for legs in month.visits for leg in legs for event in leg.events]
    assert 100_000 < len(ids) < 125_000
    assert len(set(ids)) == len(ids)
    days = Counter(legs[0].events[0]["created_at"][:10] for legs in month.visits)
    assert len(days) == MOST_DAYS + 1
    assert all(200 < count < 600 for day, count in sorted(days.items())[1:-1])


def test_a_visit_goes_forward(month: Month) -> None:
    for legs in month.visits:
        events = [event for leg in legs for event in leg.events]
        assert [event["sequence"] for event in events] == sorted({event["sequence"] for event in events})
        moments = [event["created_at"] for event in events]
        assert moments == sorted(moments)
        assert len({(event["session_id"], event["anonymous_id"]) for event in events}) == 1


def test_some_anonymous_visits_become_logins(month: Month) -> None:
    anonymous = [legs for legs in month.visits if legs[0].user_id is None]
    become = [legs for legs in anonymous if any(leg.user_id for leg in legs)]
    assert 0.2 < len(become) / len(anonymous) < 0.5
    for legs in become:
        first = next(leg for leg in legs if leg.user_id).events[0]
        assert first["type"] == "identify"
    # An id belongs to one, and had a life before.
    owners = defaultdict(set)
    for legs in month.visits:
        for leg in legs:
            owners[leg.events[0]["anonymous_id"]].add(leg.user_id)
    assert all(len(users - {None}) <= 1 for users in owners.values())


def test_nobody_comes_before_the_sign_up_or_after_the_farewell(month: Month) -> None:
    for account, events in month.by_account():
        moments = [datetime.fromisoformat(event["created_at"]) for event in events]
        assert min(moments) >= account.signed_up_at - timedelta(minutes=3)
        assert max(moments) < account.left_at + timedelta(hours=3)
    gone = [one for one in month.accounts.values() if one.left_at < UNTIL]
    new = [one for one in month.accounts.values() if one.signed_up_at > UNTIL - timedelta(days=30)]
    assert len(gone) > 10
    assert 80 < len(new) < 170


def test_days_are_as_people_live_them(month: Month) -> None:
    at_work: Counter[bool] = Counter()
    zones = set()
    for account, events in month.by_account():
        zones.add(account.person.place.time_zone)
        if account.person.role == "recruiter":
            zone = ZoneInfo(account.person.place.time_zone)
            local = [datetime.fromisoformat(event["created_at"]).astimezone(zone) for event in events]
            at_work.update(moment.weekday() < 5 and 7 <= moment.hour < 19 for moment in local)
    assert len(zones) > 5
    assert at_work[True] / at_work.total() > 0.75


def test_all_stages_are_there(month: Month) -> None:
    stages: Counter[str] = Counter()
    for account, events in month.by_account():
        completeness = [value for moment, value in account.completeness if moment < UNTIL][-1]
        stages[rules.load().stage(account.signed_up_at, len(events), completeness, UNTIL)] += 1
    assert set(stages) == {"new_user", "incomplete_profile", "low_engagement", "active_user", "power_user"}


def test_tastes_show(month: Month) -> None:
    of_type = of_topic = people = 0
    dwell: dict[bool, list[int]] = {True: [], False: []}
    for account, events in month.by_account():
        views = [event for event in events if is_view(event)]
        if len(views) < 20:
            continue
        people += 1
        tastes = account.person.tastes
        types = Counter(event["content_type"] for event in views)
        topics = Counter(topic_of(month, event) for event in views)
        of_type += types.most_common(1)[0][0] == max(tastes.types, key=tastes.types.__getitem__)
        of_topic += topics.most_common(1)[0][0] == max(tastes.topics, key=tastes.topics.__getitem__)
        for event in views:
            dwell[tastes.fit(topic_of(month, event)) > 0.5].append(event["duration_seconds"])
    assert people > 300
    # By chance a quarter, and a twelfth.
    assert of_type / people > 0.6
    assert of_topic / people > 0.6
    assert statistics.median(dwell[True]) > 1.5 * statistics.median(dwell[False])


def topic_of(month: Month, event: Any) -> str:
    return month.topics[event["content_type"], event["content_id"]]


def test_content_comes_and_ages(month: Month) -> None:
    published = {
        one.content_id: one.published_at for one in month.world.contents if one.content_type == "job"
    }
    ages: Counter[int] = Counter()
    for legs in month.visits:
        for event in (event for leg in legs for event in leg.events if is_view(event)):
            if event["content_type"] == "job":
                age = datetime.fromisoformat(event["created_at"]) - published[event["content_id"]]
                assert age > timedelta(0)
                ages[age // timedelta(days=5)] += 1
    assert ages[0] > 1.5 * ages[1] > 2 * ages[2]


def test_what_comes_next_depends_on_what_was(month: Month) -> None:
    after: dict[str, Counter[str]] = defaultdict(Counter)
    for legs in month.visits:
        done = [event for leg in legs for event in leg.events if event.get("type") == "interaction"]
        words = [f"{event['interaction_type']}_{event['content_type']}" for event in done]
        for word, following in itertools.pairwise(words):
            after[word][following] += 1
    assert after["save_job"].most_common(1)[0][0] == "apply_job"
    assert after["like_project"].most_common(1)[0][0] == "view_profile"
    assert after["view_job"]["save_job"] > 0.1 * after["view_job"].total()
    assert not after["view_profile"]["apply_job"]


def test_devices_are_known_and_a_few_are_bots(month: Month) -> None:
    devices = Counter(
        device_of(leg.device.headers["user-agent"])
        for legs in month.visits
        for leg in legs
        for _ in leg.events
    )
    kinds = Counter(device.device_type for device in devices.elements() if not device.is_bot)
    assert {"desktop", "mobile", "tablet"} == set(kinds)
    bots = sum(count for device, count in devices.items() if device.is_bot)
    assert 0.005 < bots / devices.total() < 0.05


def test_the_truth_names_everybody_and_everything_that_is_met(tmp_path: Path) -> None:
    world = small()
    truth.write(world, tmp_path / "truth.json")
    told = json.loads((tmp_path / "truth.json").read_text())
    users = {user["user_id"] for user in told["users"]}
    contents = {(content["content_type"], content["content_id"]) for content in told["contents"]}
    for who, event in sent(world).values():
        assert who in {None, "server"} | users
        assert "content_id" not in event or (event["content_type"], event["content_id"]) in contents
    assert sum(told["users"][0]["topics"].values()) == pytest.approx(1, abs=0.01)
