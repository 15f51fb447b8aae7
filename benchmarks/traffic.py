"""Made-up visitors of a professional network, and the requests that they send: the same for the same seed.

Only the ids of the events, which carry their time, differ from run to run.
"""

import itertools
import json
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from benchmarks import agents
from footfall import ids
from functions.ingest.speaking import Speaker

Event = dict[str, Any]

TIED_SHARE = 0.30
# Sessions in which somebody logs in: an identify with a token, on an anonymous id that nobody had.
LOGIN_SHARE = 0.02
REPEATED_SHARE = 0.01
USERS = 1_200
CONTENTS = 5_000
KINDS = ("project", "job", "article", "profile")
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "America/Sao_Paulo", "Asia/Tokyo")
VERBS = ("view", "view", "view", "click", "click", "like", "save", "share", "apply", "endorse")
ACTIONS = ("view_profile", "view_project", "open_menu", "filter", "download_cv", "search", "contact")
READING = {"scroll_depth": 0.62, "images_seen": 3, "from": "feed"}
TOPICS = ("graph-database", "design-system", "payments", "telemetry", "onboarding", "vision-model")


@dataclass(frozen=True, slots=True)
class Visitor:
    anonymous_id: str
    user_agent: str
    ip: str
    time_zone: str
    # The user who is verified on the anonymous id; not necessarily said by the events.
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """One request: what arrives at ingest, and when."""

    speaker: Speaker
    body: bytes
    events: int
    received_at: datetime
    user_agent: str
    ip: str


class Traffic:
    """Requests in the order in which they arrive; the clock goes on by 20 ms an event, from `start`."""

    def __init__(self, start: datetime, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self._now = start
        self._tied = [self._visitor(f"member-{number}") for number in range(USERS)]
        self._contents = [self._uuid() for _ in range(CONTENTS)]
        self._newcomers = itertools.count()

    def ties(self) -> Iterator[Sent]:
        """The logins from before: after these, the anonymous ids of USERS visitors are theirs."""
        for visitor in self._tied:
            yield self._request([self._identify(visitor)], visitor, Speaker("user", visitor.user))

    def sessions(self, length: int = 20) -> Iterator[Sent]:
        """One session a request, as the tracker sends it."""
        return self._repeating(self._session(length) for _ in itertools.count())

    def mixed(self, per_request: int = 20) -> Iterator[Sent]:
        """Sessions of 2.3 events on average, fifty at a time, forwarded by a server as they happen."""
        return self._repeating(self._forwarded(per_request))

    def _session(self, length: int) -> Sent:
        visitor, logs_in = self._who()
        first = [self._identify(visitor)] if logs_in else []
        session_id = self._uuid()
        started, self._now = self._now, self._now + timedelta(milliseconds=20 * length)
        # Its events happened over some minutes, so sessions overlap.
        gaps = [self._random.uniform(1, 20) for _ in range(length - len(first))]
        at = started - timedelta(seconds=sum(gaps))
        events = []
        for sequence, gap in enumerate(gaps):
            at += timedelta(seconds=gap)
            events.append(self._event(visitor, session_id, sequence, at))
        return self._request([*first, *events], visitor, _speaker(visitor, logs_in))

    def _forwarded(self, per_request: int) -> Iterator[Sent]:
        visits: list[Iterator[Event]] = []
        waiting: list[Event] = []
        while True:
            while len(visits) < 50:
                visitor, logs_in = self._who()
                if logs_in:
                    yield self._request([self._identify(visitor)], visitor, _speaker(visitor, logs_in))
                visits.append(self._visit(visitor))
            visit = self._random.choice(visits)
            event = next(visit, None)
            if event is None:
                visits.remove(visit)
                continue
            waiting.append(event)
            if len(waiting) == per_request:
                yield self._request(waiting, self._tied[0], Speaker("server"))
                waiting = []

    def _visit(self, visitor: Visitor) -> Iterator[Event]:
        session_id = self._uuid()
        for sequence in itertools.count():
            self._now += timedelta(milliseconds=20)
            event = self._event(visitor, session_id, sequence, self._now)
            device = {"user_agent": visitor.user_agent, "ip": visitor.ip}
            yield event | {"context": {**event.get("context", {}), **device}}
            # Geometric: 2.3 events on average.
            if self._random.random() < 1 / 2.3:
                return

    def _repeating(self, requests: Iterator[Sent]) -> Iterator[Sent]:
        """Sends one in a hundred again, up to 60 requests later, as an impatient client does."""
        again: list[tuple[int, Sent]] = []
        for place, request in enumerate(requests):
            yield request
            if self._random.random() < REPEATED_SHARE:
                again.append((place + self._random.randrange(60), request))
            yield from (repeated for due, repeated in again if due <= place)
            again = [one for one in again if one[0] > place]

    def _who(self) -> tuple[Visitor, bool]:
        draw = self._random.random()
        if draw < TIED_SHARE:
            return self._random.choice(self._tied), False
        if draw < TIED_SHARE + LOGIN_SHARE:
            newcomer = f"newcomer-{next(self._newcomers)}"
            user = self._random.choice((newcomer, self._random.choice(self._tied).user))
            return self._visitor(user), True
        return self._visitor(None), False

    def _visitor(self, user: str | None) -> Visitor:
        draw = self._random
        address = ".".join(str(draw.randrange(1, 255)) for _ in range(4))
        return Visitor(self._uuid(), agents.draw(draw), address, draw.choice(ZONES), user)

    def _request(self, events: list[Event], visitor: Visitor, speaker: Speaker) -> Sent:
        body = json.dumps({"events": events}, separators=(",", ":"), ensure_ascii=False).encode()
        return Sent(speaker, body, len(events), self._now, visitor.user_agent, visitor.ip)

    def _identify(self, visitor: Visitor) -> Event:
        traits = {"profile_completeness": self._random.randrange(101), "plan": "free"}
        return {
            "id": ids.uuid7(_milliseconds(self._now)),
            "type": "identify",
            "created_at": _stamp(self._now),
            "anonymous_id": visitor.anonymous_id,
            "traits": traits,
        }

    def _event(self, visitor: Visitor, session_id: str, sequence: int, at: datetime) -> Event:
        topic, number = self._random.choice(TOPICS), self._random.randrange(10_000)
        event: Event = {
            "id": ids.uuid7(_milliseconds(at)),
            "created_at": _stamp(at),
            "anonymous_id": visitor.anonymous_id,
            "session_id": session_id,
            "sequence": sequence,
        }
        # The landing page is a page view.
        draw = 0.0 if sequence == 0 else self._random.random()
        if draw < 0.40:
            return event | self._page_view(visitor, f"/{topic}/{number}", sequence == 0)
        if draw < 0.65:
            return event | self._action(f"/{topic}/{number}", topic)
        if draw < 0.75:
            return event | self._search(topic, number)
        return event | self._interaction(topic)

    def _page_view(self, visitor: Visitor, path: str, is_landing: bool) -> Event:
        title = f"{path[1:].replace('-', ' ').title()} | The network of people who build things"
        return {
            "event_type": "page_view",
            "event_category": "navigation",
            "event_action": "view",
            "page_path": path,
            "time_zone": visitor.time_zone,
            "metadata": {"title": title, "url": f"https://network.example{path}?from=feed"},
            **({"referrer": "https://search.example/"} if is_landing else {}),
        }

    def _action(self, path: str, topic: str) -> Event:
        metadata = {"element": "button.primary#contact", "label": f"Ask about {topic} in a message", "x": 914}
        return {
            "event_type": "user_action",
            "event_category": "engagement",
            "event_action": self._random.choice(ACTIONS),
            "page_path": path,
            "metadata": metadata | {"y": 388, "viewport": "1440x900", "experiment": "none"},
        }

    def _search(self, topic: str, number: int) -> Event:
        filters = {"location": "remote", "level": "senior", "posted": "week"}
        return {
            "event_type": "search",
            "event_category": "discovery",
            "event_action": "search",
            "page_path": "/search",
            "metadata": {
                "query": f"{topic} engineer {number}",
                "results": number,
                "filters": filters,
                "page": 1,
            },
        }

    def _interaction(self, topic: str) -> Event:
        # Few of the contents get most of the attention.
        place = int(CONTENTS * self._random.random() ** 3)
        return {
            "type": "interaction",
            "content_type": KINDS[place % len(KINDS)],
            "content_id": self._contents[place],
            "interaction_type": self._random.choice(VERBS),
            "duration_seconds": self._random.randrange(180),
            "metadata": {
                "topic": topic,
                "section": "recommended for you",
                "scroll_depth": 0.62,
                "images_seen": 3,
            },
        }

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))


def _speaker(visitor: Visitor, logs_in: bool) -> Speaker:
    return Speaker("user", visitor.user) if logs_in else Speaker("browser")


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _stamp(moment: datetime) -> str:
    """As JavaScript writes it."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"
