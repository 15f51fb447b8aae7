"""What somebody does in one visit: a walk from state to state, each state an event or two.

What comes next depends on what was just done, on the role, and on how much the thing at hand is liked: that
is what can be learned from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from local.demo.catalogue import SITE, Content, Shelves
from local.demo.devices import Device
from local.demo.dice import pick, uuid4, uuid7
from local.demo.people import Account, Person, Role
from local.demo.topics import FASHION, TOPICS
from local.feeding.door import Event

END = "end"
# Of a visit, whatever may come: nobody clicks for ever.
MOST_STEPS = 40

# What may come after what; `browse` looks at something by taste, `next` at another result of the same search.
WALK: Mapping[str, Mapping[str, float]] = {
    "home": {"browse": 4, "search": 3, "notifications": 1, "edit_profile": 0.4, "create": 0.3, END: 0.8},
    "notifications": {"browse": 4, "search": 1, END: 1.5},
    "search": {"results": 6, "search": 3, END: 0.3},
    "results": {"next": 7, "search": 2, END: 0.7},
    "view_job": {"next": 2.5, "save_job": 2, "browse": 1, "search": 1.5, "share_job": 0.2, END: 0.7},
    "save_job": {"apply_job": 4, "next": 2, "search": 1, END: 1},
    "apply_job": {"author": 1, "search": 2, "browse": 2, END: 1.5},
    "share_job": {"browse": 2, END: 1},
    "view_project": {
        "browse": 3,
        "like_project": 2.5,
        "author": 0.8,
        "save_project": 0.6,
        "search": 0.5,
        END: 1,
    },
    "like_project": {"author": 2.5, "browse": 3, "share_project": 1, END: 1},
    "save_project": {"browse": 2, END: 1},
    "share_project": {"browse": 2, END: 1},
    "view_profile": {
        "next": 2,
        "browse": 1.5,
        "endorse_profile": 1,
        "message": 1,
        "save_profile": 1,
        END: 0.7,
    },
    "endorse_profile": {"request_endorsement": 1, "browse": 3, END: 1},
    "save_profile": {"message": 3, "next": 3, END: 1},
    "message": {"next": 3, "search": 2, END: 1},
    "view_endorsement": {"author": 1.5, "browse": 2, "like_endorsement": 1.5, END: 0.9},
    "like_endorsement": {"author": 1, "browse": 2, END: 1},
    "edit_profile": {"request_endorsement": 1, "browse": 2, "edit_profile": 1, END: 1},
    "request_endorsement": {"browse": 2, END: 1},
    "create": {"browse": 2, "edit_profile": 1, END: 1},
}
# How a role differs: these are so much more likely, whatever was before.
LEANING: Mapping[Role, Mapping[str, float]] = {
    "job_seeker": {"search": 2.5, "save_job": 1.3, "apply_job": 1.5, "message": 0.4, "create": 0.1},
    "recruiter": {"search": 0.9, "message": 2.5, "save_profile": 2.5, "apply_job": 0.05, "create": 3},
    "builder": {"search": 0.5, "author": 0.6, "like_project": 1.4, "endorse_profile": 2.5, "create": 3},
    "lurker": {"search": 0.4, "message": 0.1, "save_profile": 0.3, "apply_job": 0.2, "create": 0.1, END: 1.2},
}
# Done with what one likes, and hardly with anything else.
EAGER = {
    *("save_job", "apply_job", "share_job", "like_project", "save_project", "share_project", "author"),
    *("endorse_profile", "save_profile", "message", "like_endorsement", "next"),
}
CREATES: Mapping[Role, str] = {
    "job_seeker": "click_create_project",
    "recruiter": "click_post_job",
    "builder": "click_create_project",
    "lurker": "click_create_project",
}
# (page_path, action, category); of what is no content.
_ACTIONS: Mapping[str, tuple[str, str]] = {
    "edit_profile": ("/me/edit", "edit_profile"),
    "request_endorsement": ("/me/endorsements", "request_endorsement"),
    "message": ("/messages", "send_message"),
}
_PAGES: Mapping[str, tuple[str, str]] = {
    "home": ("/", "Home"),
    "notifications": ("/notifications", "Notifications"),
    "results": ("/search", "Search"),
}


@dataclass(slots=True)
class Leg:
    """Events that go out together: as a page's, or as a user's who is logged in."""

    device: Device
    user_id: str | None = None
    events: list[Event] = field(default_factory=list)


class Visit:
    """One visit being made, from its first event on."""

    def __init__(self, source: Random, person: Person, shelves: Shelves, begins_at: datetime) -> None:
        self.now = begins_at
        self.device = person.device_at(source, begins_at)
        self.legs = [Leg(self.device)]
        self._source = source
        self._person = person
        self._shelves = shelves
        self._session_id = uuid4(source)
        self._sequence = 0
        self._me: str | None = None
        # What is looked at, and what was searched for.
        self._at: Content | None = None
        self._wanted: tuple[str, str] | None = None

    def log_in(self, account: Account, *, at_once: bool = False) -> None:
        """From here on it is known who this is; `at_once` where the browser still held a token."""
        self._me = account.user_id
        if at_once:
            self.legs[-1].user_id = account.user_id
            return
        self.legs.append(Leg(self.device, account.user_id))
        self._say({"type": "identify"})

    def close_page(self) -> None:
        """A last beacon, which needs no token: the browser's id speaks for the user."""
        self.legs.append(Leg(self.device))
        self._say({"event_type": "user_action", "event_category": "navigation", "event_action": "leave"})

    def sign_up(self, account: Account) -> None:
        self._page("/signup", "Join")
        self._pass(20, 90)
        self.log_in(account)
        self._action("sign_up", "engagement", "/signup", {"method": self._source.choice(("email", "oauth"))})

    def land(self) -> str:
        """Begins at something that a search engine found; says where that led."""
        topic = pick(self._source, self._person.tastes.topics)
        kind = pick(self._source, {"project": 4, "job": 3, "profile": 3})
        self._at = self._shelves.draw(self._source, kind, topic)
        if self._at is None:
            return "home"
        self._page(self._at.path, self._at.title, referrer="https://search.example/")
        return f"view_{kind}"

    def walk(self, state: str, most: int = MOST_STEPS) -> None:
        """Goes on from a state until there is nothing more to do."""
        for _ in range(most):
            if state == END:
                return
            state = self._do(state)

    # One step ─────────────────────────────────────────────────────────────────────────────────────

    def _do(self, state: str) -> str:
        """Does it, and says what comes next."""
        if state in ("browse", "next", "author"):
            state = self._look_for(state)
        if state == "search":
            self._search()
        elif state in _PAGES:
            self._page(*_PAGES[state])
            self._pass(2, 12)
        elif state in _ACTIONS:
            path, action = _ACTIONS[state]
            self._action(action, "engagement", path, self._about())
            self._pass(10, 90)
        elif state == "create":
            self._action(CREATES[self._person.role], "engagement", "/", {"button_location": "dashboard"})
            self._pass(60, 300)
        elif state != END:
            self._meet(state)
        return END if state == END else self._after(state)

    def _after(self, state: str) -> str:
        leaning, eager = LEANING[self._person.role], 0.3 + 1.7 * self._liking()
        return pick(
            self._source,
            {
                step: weight * leaning.get(step, 1) * (eager if step in EAGER else 1)
                for step, weight in WALK[state].items()
            },
        )

    def _look_for(self, how: str) -> str:
        """What is looked at next, and the state that it leads to."""
        source, tastes = self._source, self._person.tastes
        if how == "author" and self._at is not None:
            found = self._shelves.profile(self._at.author_id)
        elif how == "next" and self._wanted:
            found = self._shelves.draw(source, *self._wanted)
        else:
            self._wanted = None
            # Now and then one follows the crowd.
            topics = tastes.topics if source.random() < 0.88 else FASHION
            found = self._shelves.draw(source, pick(source, tastes.types), pick(source, topics))
        if found is None or found.author_id == self._me or found == self._at:
            return "home"
        self._at = found
        if source.random() < 0.4:
            self._page(found.path, found.title)
        return f"view_{found.content_type}"

    def _liking(self) -> float:
        """How well what is looked at suits the visitor's taste, 0 to 1."""
        if self._at is None:
            return 0.5
        types = self._person.tastes.types
        return 0.7 * self._person.tastes.fit(self._at.topic) + 0.3 * types[self._at.content_type] / max(
            types.values()
        )

    # What is said ─────────────────────────────────────────────────────────────────────────────────

    def _meet(self, state: str) -> None:
        """An interaction with what is looked at; looking takes as long as it is liked."""
        verb, at = state.partition("_")[0], self._at
        assert at is not None
        said: Event = {
            "type": "interaction",
            "content_type": at.content_type,
            "content_id": at.content_id,
            "interaction_type": verb,
            "page_path": at.path,
        }
        if verb == "view":
            # Dwell is known when one goes on, but belongs to when one came.
            seconds = (4 + 75 * self._liking()) * self._source.lognormvariate(-0.2, 0.7)
            self._say(said | {"duration_seconds": round(min(seconds, 900))})
            self.now += timedelta(seconds=round(min(seconds, 900), 3))
        else:
            self._say(said)
            self._pass(1, 40 if verb == "apply" else 8)

    def _search(self) -> None:
        source, tastes = self._source, self._person.tastes
        self._wanted = (pick(source, tastes.types), pick(source, tastes.topics))
        kind, topic = self._wanted
        query = source.choice(TOPICS[topic]) if source.random() < 0.7 else topic
        self._action(
            "search",
            "content_discovery",
            "/search",
            {"query": query, "scope": f"{kind}s", "results_count": source.randrange(3, 200)},
        )
        self._pass(1, 6)

    def _about(self) -> dict[str, Any]:
        about = {"viewport": self.device.context["viewport"]}
        return about | ({"about": self._at.topic} if self._at else {})

    def _page(self, path: str, title: str, **more: str) -> None:
        self._say(
            {
                "event_type": "page_view",
                "event_category": "navigation",
                "event_action": "view",
                "page_path": path,
                "metadata": {"title": title, "url": f"https://network.example{SITE}{path}"},
                **more,
            }
        )
        self._pass(1, 4)

    def _action(self, action: str, category: str, path: str, metadata: dict[str, Any]) -> None:
        self._say(
            {
                "event_type": "user_action",
                "event_category": category,
                "event_action": action,
                "page_path": path,
                "metadata": metadata,
            }
        )

    def _say(self, event: Event) -> None:
        self.legs[-1].events.append(
            {
                "id": uuid7(self._source, self.now),
                "created_at": self.now.isoformat(timespec="milliseconds"),
                "anonymous_id": self.device.anonymous_id,
                "session_id": self._session_id,
                "sequence": self._sequence,
                "time_zone": self._person.place.time_zone,
                "context": dict(self.device.context),
                **event,
                **({"page_path": SITE + event["page_path"]} if "page_path" in event else {}),
            }
        )
        self._sequence += 1

    def _pass(self, least: float, most: float) -> None:
        self.now += timedelta(seconds=round(self._source.uniform(least, most), 3))
