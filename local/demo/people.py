"""Who is in the network: each with a role, hidden tastes, a rhythm, and a time from first visit to last.

Somebody's number says all of it, so the people of tomorrow are those of today and a few more.
"""

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from local.demo.devices import APPS, DESKTOPS, HANDHELDS, PLACES, Device, Place, device
from local.demo.dice import dice, pick
from local.demo.topics import INTERESTS, TOPICS

Role = Literal["job_seeker", "recruiter", "builder", "lurker"]

# Before it there was nobody.
EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
# Who joined earlier has left: an account's own time may lie no farther back than a server may send.
STAYS = timedelta(days=365)
# From the first anonymous visit to the sign-up at most.
BEFORE_SIGN_UP = timedelta(days=10)
CHURNED = 0.2
HAVE_THE_APP = 0.65

ROLES: Mapping[Role, float] = {"job_seeker": 30, "recruiter": 12, "builder": 28, "lurker": 30}
# How much of what they look at is of which type; each person's own tastes vary it.
TYPES: Mapping[Role, Mapping[str, float]] = {
    "job_seeker": {"job": 6, "project": 2, "profile": 1, "endorsement": 0.5},
    "recruiter": {"profile": 7, "endorsement": 1.5, "project": 1.5, "job": 0.5},
    "builder": {"project": 6, "profile": 2, "endorsement": 1.5, "job": 0.7},
    "lurker": {"project": 2, "endorsement": 2, "profile": 1.5, "job": 1.5},
}
# Visits, against the average.
EAGERNESS: Mapping[Role, float] = {"job_seeker": 1.2, "recruiter": 1.4, "builder": 1.0, "lurker": 0.6}
# Monday to Sunday.
WEEK: Mapping[Role, Sequence[float]] = {
    "job_seeker": (1.2, 1.2, 1.1, 1.1, 0.9, 0.6, 0.9),
    "recruiter": (1.4, 1.4, 1.3, 1.3, 1.1, 0.2, 0.3),
    "builder": (0.9, 0.9, 0.9, 0.9, 0.9, 1.3, 1.2),
    "lurker": (1.0, 1.0, 1.0, 1.0, 1.1, 1.0, 0.9),
}
# When a day is busy: hour, how wide, how tall.
_WORK = ((10.5, 1.5, 1.0), (14.5, 1.8, 1.0))
_FREE = ((8.0, 0.9, 0.5), (12.6, 0.7, 0.7), (20.8, 1.6, 1.2))
_WEEKEND = ((11.0, 2.0, 0.8), (20.0, 2.5, 1.0))
_NIGHT = ((0.5, 1.2, 0.8), (21.5, 1.6, 1.2))
DAYS: Mapping[Role, Sequence[tuple[float, float, float]]] = {
    "job_seeker": _FREE,
    "recruiter": _WORK,
    "builder": _NIGHT,
    "lurker": _FREE,
}

_FIRST = """
Ada Amara Ana Arjun Bao Carla Chidi Dana Diego Elif Emeka Farah Grete Hana Ines Ivan Jonas Kenji Lara Lena
Liam Luca Maria Mei Milan Nadia Nils Noor Olga Omar Paula Priya Rafael Rosa Sam Sofia Tariq Uma Vera Yuki
"""
_LAST = """
Adeyemi Almeida Anand Bauer Becker Brandt Castro Chen Costa Dias Eze Fischer Garcia Haddad Ito Jansen Kaya
Keller Khan Kowalski Lima Lopez Martin Mehta Mori Nakamura Nguyen Novak Okafor Oliveira Patel Petrov Rao
Rossi Santos Sato Silva Singh Weber Young
"""


@dataclass(frozen=True, slots=True)
class Tastes:
    """Hidden: shares that sum to 1."""

    interests: Mapping[str, float]
    topics: Mapping[str, float]
    types: Mapping[str, float]

    def fit(self, topic: str) -> float:
        """From 0 to 1, the favourite's."""
        return self.topics[topic] / max(self.topics.values())


@dataclass(frozen=True, slots=True)
class Rhythm:
    """The share of each hour of the day, by the person's own clock."""

    workday: Sequence[float]
    weekend: Sequence[float]
    time_zone: ZoneInfo

    def moment(self, source: random.Random, day: date) -> datetime:
        """Some time of that local day."""
        weights = self.weekend if day.weekday() >= 5 else self.workday
        hour = source.choices(range(24), weights)[0]
        local = datetime(day.year, day.month, day.day, hour, tzinfo=self.time_zone)
        return local.astimezone(UTC) + timedelta(seconds=round(source.uniform(0, 3600), 3))


@dataclass(frozen=True, slots=True)
class Person:
    """Whoever visits, with or without an account."""

    role: Role
    tastes: Tastes
    place: Place
    rhythm: Rhythm
    devices: Sequence[Device]

    def device_at(self, source: random.Random, moment: datetime) -> Device:
        """At work mostly the first, else mostly the app, where there is one."""
        at_work = 9 <= moment.astimezone(self.rhythm.time_zone).hour < 17
        return self.devices[0 if at_work == (source.random() < 0.8) else -1]


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who signed up, or will."""

    user_id: str
    name: str
    person: Person
    skills: Sequence[str]
    eagerness: float
    signed_up_at: datetime
    left_at: datetime
    # How complete the profile is, and since when; the first since the sign-up.
    completeness: Sequence[tuple[datetime, int]]

    @property
    def favourite(self) -> str:
        """The topic that the profile is about."""
        return max(self.person.tastes.topics, key=self.person.tastes.topics.__getitem__)

    def is_there(self, moment: datetime) -> bool:
        return self.signed_up_at <= moment < self.left_at


class People:
    """About `size` accounts at any time; somebody new comes as often as somebody of old is gone."""

    def __init__(self, world: str, size: int) -> None:
        self.size = size
        self._world = world
        self._gap = STAYS / size
        self.account = lru_cache(maxsize=4 * size)(self._account)

    def between(self, since: datetime, until: datetime) -> Iterator[Account]:
        """Whose time, visits before the sign-up included, has anything in common with that."""
        for number in range(self.newest(since - STAYS), self.newest(until + BEFORE_SIGN_UP) + 1):
            account = self.account(number)
            if account.left_at > since and account.signed_up_at < until + BEFORE_SIGN_UP:
                yield account

    def newest(self, moment: datetime) -> int:
        """The number of whoever signed up last before."""
        return (moment - EPOCH) // self._gap

    def somebody(self, source: random.Random, moment: datetime, role: Role | None = None) -> Account:
        """Of that role where one is found soon."""
        newest = self.newest(moment)
        for _ in range(30):
            account = self.account(newest - source.randrange(self.size))
            if account.is_there(moment) and role in (None, account.person.role):
                break
        return account

    def stranger(self, *names: object) -> Person:
        """Somebody of whom nothing is known, and never will be."""
        source = dice(self._world, "stranger", *names)
        return _person(source, "lurker")

    def _account(self, number: int) -> Account:
        source = dice(self._world, "account", number)
        person = _person(source, pick(source, ROLES))
        day = (EPOCH + (number + source.random()) * self._gap).date()
        signed_up_at = person.rhythm.moment(source, day)
        churns = source.random() < CHURNED
        left_at = signed_up_at + (timedelta(days=source.uniform(2, 120)) if churns else STAYS)
        name = f"{source.choice(_FIRST.split())} {source.choice(_LAST.split())}"
        topics = sorted(person.tastes.topics, key=person.tastes.topics.__getitem__, reverse=True)
        return Account(
            user_id=f"{name.lower().replace(' ', '-')}-{source.getrandbits(24):06x}",
            name=name,
            person=person,
            skills=[*source.sample(TOPICS[topics[0]], 2), source.choice(TOPICS[topics[1]])],
            # Of mean 1: most come now and then, a few all the time.
            eagerness=EAGERNESS[person.role] * source.lognormvariate(-0.5, 1.0),
            signed_up_at=signed_up_at,
            left_at=left_at,
            completeness=_completeness(source, signed_up_at),
        )


def _person(source: random.Random, role: Role) -> Person:
    place = pick(source, PLACES)
    first = HANDHELDS if source.random() < 0.25 else DESKTOPS
    devices = [device(source, first, place)]
    if source.random() < HAVE_THE_APP:
        devices.append(device(source, APPS, place))
    return Person(role, _tastes(source, role), place, _rhythm(source, role, place), devices)


def _tastes(source: random.Random, role: Role) -> Tastes:
    chosen = source.sample(list(INTERESTS), source.choice((1, 1, 2)))
    interests = _shares({name: source.uniform(0.5, 1.5) for name in chosen})
    # Nobody is interested in nothing else.
    topics = dict.fromkeys(TOPICS, 0.015)
    for name, share in interests.items():
        for topic, weight in _shares(INTERESTS[name]).items():
            topics[topic] += share * weight * source.lognormvariate(0, 0.4)
    types = {kind: weight * source.lognormvariate(0, 0.6) for kind, weight in TYPES[role].items()}
    return Tastes(interests, _shares(topics), _shares(types))


def _rhythm(source: random.Random, role: Role, place: Place) -> Rhythm:
    shift = source.gauss(0, 1.2)
    workday, weekend = (_hours(bumps, shift) for bumps in (DAYS[role], _WEEKEND))
    return Rhythm(workday, weekend, ZoneInfo(place.time_zone))


def _hours(bumps: Sequence[tuple[float, float, float]], shift: float) -> Sequence[float]:
    def busy(hour: int) -> float:
        bells = (tall * math.exp(-((_apart(hour, at + shift) / wide) ** 2)) for at, wide, tall in bumps)
        return 0.01 + sum(bells)

    return [busy(hour) for hour in range(24)]


def _apart(hour: float, other: float) -> float:
    """Around the clock."""
    return (hour - other + 12) % 24 - 12


def _completeness(source: random.Random, signed_up_at: datetime) -> Sequence[tuple[datetime, int]]:
    value, moment = source.randrange(10, 45), signed_up_at
    steps = [(moment, value)]
    if source.random() < 0.25:
        return steps
    while value < 70:
        value = min(100, value + source.randrange(15, 40))
        moment += timedelta(hours=source.uniform(1, 120))
        steps.append((moment, value))
    return steps


def _shares(weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}
