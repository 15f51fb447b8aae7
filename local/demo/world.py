"""All that is sent of the network between two moments.

The same for the same seed, size and pace, whenever and however often one asks: what was sent yesterday is
sent today with the same ids, and only what has happened since is new.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property, lru_cache
from random import Random

from local.demo.catalogue import SITE, Catalogue, Content, Shelves
from local.demo.devices import CRAWLERS, device
from local.demo.dice import dice, how_many, uuid7
from local.demo.people import BEFORE_SIGN_UP, CHURNED, EPOCH, WEEK, Account, People
from local.demo.visits import Leg, Visit
from local.feeding.door import Event

# What a walk comes to, as measured.
EVENTS_PER_VISIT = 9.7
# Of all visits; those of sign-ups come on top.
MEMBERS, STRANGERS, BOTS = 0.72, 0.20, 0.02
# Of members' visits: the browser holds a token, or it doesn't and they log in on the way, or not at all.
REMEMBERED, LOGS_IN = 0.72, 0.18
# Of members' visits that end with a closing page; of days before a sign-up, those with a visit.
LAST_BEACON, CURIOUS = 0.15, 0.12
# Who leaves has been there for 61 of 365 days on average.
ALIVE = 1 - CHURNED * (1 - 61 / 365)
DAY = timedelta(days=1)
SHELVES_LAST = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Size:
    """`people` with an account, who make about so many `events` a day."""

    people: int
    events: float


# What `make demo` makes unless told otherwise.
SEED = "1"
DEFAULT_SIZE = Size(1_500, 3_600)


class World:
    def __init__(self, seed: str, size: Size, since: datetime, until: datetime) -> None:
        self.since, self.until = since, until
        self._key = f"{seed}/{size.people}/{size.events:g}"
        self._visits_a_day = size.events / EVENTS_PER_VISIT
        self._visits_a_member = self._visits_a_day * MEMBERS / (size.people * ALIVE)
        self.people = People(self._key, size.people)
        self._catalogue = Catalogue(self._key, self.people)
        self._shelves = lru_cache(maxsize=16)(self._catalogue.shelves)

    @cached_property
    def accounts(self) -> Sequence[Account]:
        """Who is there at some time between, the eldest first."""
        everybody = self.people.between(self.since, self.until)
        return [account for account in everybody if account.signed_up_at < self.until]

    @cached_property
    def contents(self) -> Sequence[Content]:
        """What can be met between, some of it published before."""
        return list(self._catalogue.between(self.since, self.until))

    # What the product's server says ───────────────────────────────────────────────────────────────

    def said_by_server(self) -> Iterator[Event]:
        """Accounts and what became of them, then the catalogue."""
        for account in self.accounts:
            yield from self._profile(account)
        for content in self.contents:
            yield from self.description(content)

    def _profile(self, account: Account) -> Iterator[Event]:
        source = dice(self._key, "traits", account.user_id)
        whole = {
            "name": account.name,
            "skills": list(account.skills),
            "created_at": account.signed_up_at.isoformat(timespec="milliseconds"),
        }
        for moment, completeness in account.completeness:
            event = {"type": "identify", "user_id": account.user_id, **_when(moment)}
            event |= {"id": uuid7(source, moment), "traits": {**whole, "profile_completeness": completeness}}
            if moment < self.until:
                yield event

    def description(self, content: Content) -> Iterator[Event]:
        """What is said of it by now: that it is there, and that it is no longer."""
        source = dice(self._key, "described", content.content_type, content.content_id)
        described = {
            "type": "content",
            "content_type": content.content_type,
            "content_id": content.content_id,
            "title": content.title,
            "url": f"{SITE}{content.path}",
            "author_id": content.author_id,
            "attributes": dict(content.attributes),
            "published_at": content.published_at.isoformat(timespec="milliseconds"),
        }
        for moment, is_open in ((content.published_at, True), (content.closed_at, False)):
            # What isn't a job is never taken away, only forgotten.
            if moment and moment < self.until and (is_open or content.content_type == "job"):
                yield {**described, **_when(moment), "id": uuid7(source, moment), "available": is_open}

    # What browsers say ────────────────────────────────────────────────────────────────────────────

    def visits(self) -> Iterator[Sequence[Leg]]:
        """Visit by visit as they began, day by day of the visitors' own calendars."""
        day = self.since.date() - DAY
        while day <= self.until.date() + DAY:
            visits = [visit for visit in map(self._clip, self._visits_of(day)) if visit]
            yield from sorted(visits, key=lambda legs: str(legs[0].events[0]["created_at"]))
            day += DAY

    def _clip(self, visit: Visit) -> Sequence[Leg]:
        since, until = (moment.isoformat(timespec="milliseconds") for moment in (self.since, self.until))
        for leg in visit.legs:
            leg.events = [event for event in leg.events if since <= event["created_at"] < until]
        return [leg for leg in visit.legs if leg.events]

    def _visits_of(self, day: date) -> Iterator[Visit]:
        for account in self._around(day):
            yield from self._visits_of_account(account, day)
        yield from self._visits_of_strangers(day)
        yield from self._visits_of_bots(day)

    def _around(self, day: date) -> Iterator[Account]:
        earliest = datetime(day.year, day.month, day.day, tzinfo=self.since.tzinfo) - DAY
        return self.people.between(earliest, earliest + 3 * DAY)

    def _visits_of_account(self, account: Account, day: date) -> Iterator[Visit]:
        source, person = dice(self._key, "day", account.user_id, day), account.person
        zone = person.rhythm.time_zone
        joined = account.signed_up_at.astimezone(zone).date()
        if day == joined:
            visit = self._begin(source, account, account.signed_up_at - timedelta(minutes=3))
            visit.walk(visit.land(), most=source.randrange(1, 6))
            visit.sign_up(account)
            visit.walk("edit_profile")
            yield visit
        elif joined - BEFORE_SIGN_UP <= day < joined and source.random() < CURIOUS:
            visit = self._begin(source, account, person.rhythm.moment(source, day))
            visit.walk(visit.land(), most=8)
            yield visit
        mean = self._visits_a_member * account.eagerness * WEEK[person.role][day.weekday()]
        for _ in range(how_many(source, mean)):
            moment = person.rhythm.moment(source, day)
            if account.signed_up_at + timedelta(hours=1) < moment < account.left_at:
                yield self._visit_of_member(dice(self._key, account.user_id, moment), account, moment)

    def _visit_of_member(self, source: Random, account: Account, moment: datetime) -> Visit:
        visit, draw = self._begin(source, account, moment), source.random()
        state = "home" if source.random() < 0.8 else "notifications"
        if draw < REMEMBERED:
            visit.log_in(account, at_once=True)
            visit.walk(state)
        else:
            visit.walk(visit.land() if source.random() < 0.5 else "home", most=source.randrange(1, 5))
            if draw > REMEMBERED + LOGS_IN:
                return visit
            visit.log_in(account)
            visit.walk(state)
        if source.random() < LAST_BEACON:
            visit.close_page()
        return visit

    def _visits_of_strangers(self, day: date) -> Iterator[Visit]:
        source = dice(self._key, "strangers", day)
        for number in range(how_many(source, self._visits_a_day * STRANGERS)):
            person = self.people.stranger(day, number)
            moment = person.rhythm.moment(source, day)
            visit = Visit(source, person, self._shelves_at(moment), moment)
            landed = visit.land()
            # Half of them read a line and are gone.
            if source.random() < 0.5:
                visit.walk(landed, most=12)
            yield visit

    def _visits_of_bots(self, day: date) -> Iterator[Visit]:
        source = dice(self._key, "bots", day)
        for number in range(how_many(source, self._visits_a_day * BOTS)):
            person = self.people.stranger("bot", day, number)
            crawler = replace(person, devices=[device(source, CRAWLERS, person.place)])
            moment = crawler.rhythm.moment(source, day)
            visit = Visit(source, crawler, self._shelves_at(moment), moment)
            for _ in range(source.randrange(3, 15)):
                visit.land()
            yield visit

    def _begin(self, source: Random, account: Account, moment: datetime) -> Visit:
        return Visit(source, account.person, self._shelves_at(moment), moment)

    def _shelves_at(self, moment: datetime) -> Shelves:
        """As they were filled last."""
        return self._shelves(moment - (moment - EPOCH) % SHELVES_LAST)


def _when(moment: datetime) -> Event:
    return {"created_at": moment.isoformat(timespec="milliseconds")}
