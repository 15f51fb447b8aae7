"""What there is to look at: it comes, is popular for a while, and ages.

Nothing depends on when one begins to look: the catalogue of tomorrow is that of today, a day older.
"""

import itertools
import math
from bisect import bisect
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from typing import Any

from local.demo.dice import dice, pick, uuid4
from local.demo.people import EPOCH, Account, People, Role
from local.demo.topics import FASHION, TOPICS

# Where the local stack shows the network.
SITE = "/demo"


@dataclass(frozen=True, slots=True)
class Kind:
    """How much of a type there is: one a day for so many people, and at least some."""

    people_a_day: float
    least_a_day: float
    author: Role | None
    # Days until half of the interest is gone, and until all of it is.
    half_life: float
    lasts: float


KINDS: Mapping[str, Kind] = {
    "project": Kind(75, 3, "builder", 9, 45),
    "job": Kind(90, 3, "recruiter", 5, 21),
    "endorsement": Kind(75, 3, None, 3, 20),
}
# Profiles stay interesting; those who just came are more so.
PROFILE_BASE, PROFILE_NEWS, PROFILE_HALF_LIFE = 0.4, 1.5, 6.0

_SENIORITY = ("Junior", "Senior", "Lead", "Principal", "Freelance")
_PROJECTS = (
    "Open-source {}",
    "A field guide to {}",
    "{} from scratch",
    "{} at scale",
    "What we learned from {}",
)


@dataclass(frozen=True, slots=True)
class Content:
    content_type: str
    content_id: str
    topic: str
    title: str
    author_id: str
    attributes: Mapping[str, Any]
    published_at: datetime
    closed_at: datetime | None
    # How much it is liked at its best; few things are liked by many.
    quality: float

    @property
    def path(self) -> str:
        return f"/{self.content_type}s/{self.content_id}"

    def is_open(self, moment: datetime) -> bool:
        return self.published_at <= moment < (self.closed_at or datetime.max.replace(tzinfo=UTC))

    def interest(self, moment: datetime) -> float:
        """What of its quality is left."""
        if not self.is_open(moment):
            return 0.0
        days = (moment - self.published_at) / timedelta(days=1)
        if self.content_type == "profile":
            return self.quality * (PROFILE_BASE + PROFILE_NEWS * math.pow(0.5, days / PROFILE_HALF_LIFE))
        return self.quality * math.pow(0.5, days / KINDS[self.content_type].half_life)


class Shelf:
    """Things of one type and topic on one day, by interest."""

    def __init__(self, contents: Sequence[Content], moment: datetime) -> None:
        self._contents = contents
        self._sums = list(itertools.accumulate(content.interest(moment) for content in contents))

    def draw(self, source: Random) -> Content | None:
        if not self._sums or not self._sums[-1]:
            return None
        return self._contents[bisect(self._sums, source.random() * self._sums[-1])]


class Catalogue:
    def __init__(self, world: str, people: People) -> None:
        self._world = world
        self._people = people
        self._profiles: dict[str, Content] = {}
        self._made = cache(self._make)

    def between(self, since: datetime, until: datetime) -> Iterator[Content]:
        """Everything that is there at some time of that: profiles, then the rest as it was published."""
        for account in self._people.between(since, until):
            if account.signed_up_at < until:
                yield self.profile(account)
        made = (content for kind in KINDS for content in self._published(kind, since, until))
        yield from sorted(made, key=lambda content: content.published_at)

    def shelves(self, moment: datetime) -> "Shelves":
        """What there is at that moment."""
        by_topic: dict[tuple[str, str], list[Content]] = defaultdict(list)
        for content in self.between(moment, moment + timedelta(microseconds=1)):
            by_topic[content.content_type, content.topic].append(content)
            by_topic[content.content_type, ""].append(content)
        shelves = {key: Shelf(contents, moment) for key, contents in by_topic.items()}
        return Shelves(shelves, {profile.author_id: profile for profile in by_topic["profile", ""]})

    def _published(self, name: str, since: datetime, until: datetime) -> Iterator[Content]:
        kind = KINDS[name]
        gap = timedelta(days=1) / max(self._people.size / kind.people_a_day, kind.least_a_day)
        first = (since - timedelta(days=kind.lasts) - EPOCH) // gap
        for number in range(first, (until - EPOCH) // gap + 1):
            content = self._made(name, number, gap)
            if content.published_at < until and (content.closed_at or until) > since:
                yield content

    def _make(self, name: str, number: int, gap: timedelta) -> Content:
        source, kind = dice(self._world, name, number), KINDS[name]
        published_at = EPOCH + (number + source.random()) * gap
        author = self._people.somebody(source, published_at, kind.author)
        # People write of what they know, and companies of what is in fashion.
        topics = FASHION if name == "job" else author.person.tastes.topics
        topic = pick(source, topics)
        skills = source.sample(TOPICS[topic], 3)
        attributes: dict[str, Any] = {"topic": topic, "skills": skills}
        if name == "endorsement":
            attributes["endorsed"] = self._people.somebody(source, published_at).user_id
        if name == "job":
            attributes["location"] = source.choice((author.person.place.city, "remote"))
        return Content(
            content_type=name,
            content_id=uuid4(source),
            topic=topic,
            title=_title(source, name, topic, skills, author),
            author_id=author.user_id,
            attributes=attributes,
            published_at=published_at,
            closed_at=published_at + timedelta(days=kind.lasts * source.uniform(0.5, 1)),
            quality=source.lognormvariate(0, 1.2),
        )

    def profile(self, account: Account) -> Content:
        known = self._profiles.get(account.user_id)
        return known or self._profiles.setdefault(account.user_id, self._profile(account))

    def _profile(self, account: Account) -> Content:
        source = dice(self._world, "profile", account.user_id)
        return Content(
            content_type="profile",
            content_id=account.user_id,
            topic=account.favourite,
            title=f"{account.name}, {account.favourite}",
            author_id=account.user_id,
            attributes={"topic": account.favourite, "skills": list(account.skills)},
            published_at=account.signed_up_at,
            closed_at=None,
            quality=source.lognormvariate(0, 0.9),
        )


class Shelves:
    def __init__(self, shelves: Mapping[tuple[str, str], Shelf], profiles: Mapping[str, Content]) -> None:
        self._shelves = shelves
        self._profiles = profiles

    def profile(self, user_id: str) -> Content | None:
        """None where somebody has left."""
        return self._profiles.get(user_id)

    def draw(self, source: Random, content_type: str, topic: str) -> Content | None:
        """Something of that type and topic, or of any topic where there is none."""
        for key in ((content_type, topic), (content_type, "")):
            if (shelf := self._shelves.get(key)) and (content := shelf.draw(source)):
                return content
        return None


def _title(source: Random, name: str, topic: str, skills: Sequence[str], author: Account) -> str:
    if name == "job":
        return f"{source.choice(_SENIORITY)} {topic} engineer: {skills[0]} and {skills[1]}"
    if name == "endorsement":
        return f"{author.name} on a colleague's {skills[0]}"
    title = source.choice(_PROJECTS).format(skills[0])
    return title[0].upper() + title[1:]
