"""Requests that try to speak for another, through the front door: none changes or shows another's rows."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from footfall import ids
from tests.end_to_end.local_stack import LocalStack, eventually

pytestmark = pytest.mark.xdist_group("stack")

Event = dict[str, Any]
# All that is of the victim.
OF_VICTIM = (
    "SELECT * FROM user_activities WHERE user_id = %(user)s",
    "SELECT * FROM content_interactions WHERE user_id = %(user)s",
    "SELECT * FROM user_sessions WHERE user_id = %(user)s",
    "SELECT * FROM profiles WHERE id = %(user)s",
    "SELECT * FROM traits WHERE owner_is_user AND owner_id = %(user)s",
    "SELECT * FROM user_preferences WHERE user_id = %(user)s AND source = 'explicit'",
    "SELECT anonymous_id, user_id, unlinked_at FROM identities WHERE user_id = %(user)s",
)


@dataclass(frozen=True)
class Victim:
    """Somebody logged in, with an anonymous id that is tied, and one that is not yet."""

    name: str
    visitor: str
    new_visitor: str
    session: str
    view: str
    interaction: str

    @property
    def user(self) -> str:
        return ids.to_uuid("user", self.name)


@dataclass(frozen=True)
class Attack:
    """What an attacker sends beside an event of their own, and by which key."""

    name: str
    events: Callable[[Victim], list[Event]]
    by: str = "key"

    def __str__(self) -> str:
        return self.name


def view(**fields: Any) -> Event:
    return {"event_type": "page_view", "page_path": "/forged", **fields}


def stranger(**fields: Any) -> Event:
    return view(anonymous_id=str(uuid.uuid4()), **fields)


FORGED = {"plan": "forged", "profile_completeness": 1, "created_at": "2001-01-01T00:00:00Z"}
ATTACKS = (
    Attack("a user_id with the browser key", lambda of: [stranger(user_id=of.name)]),
    Attack("a user_id as UUID with the browser key", lambda of: [stranger(user_id=of.user)]),
    Attack("a user_id with another's token", lambda of: [stranger(user_id=of.name)], by="token"),
    Attack(
        "an identify with another's token",
        lambda of: [stranger(type="identify", user_id=of.name, traits=FORGED)],
        by="token",
    ),
    Attack(
        "an identify with the browser key",
        lambda of: [stranger(type="identify", user_id=of.name, traits=FORGED)],
    ),
    Attack(
        "an identify with the browser key on the victim's id",
        lambda of: [{"type": "identify", "anonymous_id": of.visitor, "user_id": of.name, "traits": FORGED}],
    ),
    Attack("the victim's session", lambda of: [stranger(session_id=of.session)]),
    Attack(
        "the victim's session, with another's token", lambda of: [stranger(session_id=of.session)], "token"
    ),
    Attack(
        "the victim's user id as anonymous id",
        lambda of: [
            view(anonymous_id=of.user, session_id=of.session),
            {"type": "identify", "anonymous_id": of.user, "traits": FORGED},
        ],
    ),
    Attack(
        "the victim's user id as anonymous id, tied to another",
        lambda of: [{"type": "identify", "anonymous_id": of.user}],
        by="token",
    ),
    Attack("the victim's anonymous id before its tie", lambda of: [view(anonymous_id=of.new_visitor)]),
    Attack(
        "the victim's anonymous id, tied to another too",
        lambda of: [{"type": "identify", "anonymous_id": of.visitor, "traits": FORGED}],
        by="token",
    ),
    Attack(
        "an event of the victim's again, as another's", lambda of: [stranger(id=of.view, page_path="/forged")]
    ),
    Attack(
        "a longer dwell of the victim's interaction",
        lambda of: [
            {
                "type": "interaction",
                "id": of.interaction,
                "anonymous_id": str(uuid.uuid4()),
                "content_type": "project",
                "content_id": "one",
                "interaction_type": "view",
                "duration_seconds": 3_000,
            }
        ],
    ),
    *(
        Attack(
            f"a server's {kind} {how}",
            lambda of, kind=kind: [  # type: ignore[misc]
                {"type": kind, "anonymous_id": of.visitor, "user_id": of.name}
            ],
            by,
        )
        for kind in ("alias", "unlink")
        for by, how in (("key", "with the browser key"), ("token", "with another's token"))
    ),
)
THEIRS = "SELECT user_id::text FROM user_activities WHERE anonymous_id = %s AND created_at <= %s"
READS = (
    ("GET", "/v1/users/{user}/insights"),
    ("GET", "/v1/users/{user}/feed"),
    ("GET", "/v1/users/{user}/preferences"),
    ("PUT", "/v1/users/{user}/preferences/theme"),
    ("DELETE", "/v1/users/{user}/preferences/theme"),
)


@pytest.fixture
def victim(stack: LocalStack, database: psycopg.Connection[Any]) -> Victim:
    one = Victim(f"victim-{uuid.uuid4()}", *(str(uuid.uuid4()) for _ in range(5)))
    token = stack.token(one.name)
    usual = {"anonymous_id": one.visitor, "session_id": one.session}
    events = [
        {"type": "identify", "traits": {"plan": "team", "profile_completeness": 80}, **usual},
        {"event_type": "page_view", "page_path": "/mine", "id": one.view, **usual},
        {
            "type": "interaction",
            "id": one.interaction,
            "content_type": "project",
            "content_id": "one",
            "interaction_type": "view",
            "duration_seconds": 3,
            **usual,
        },
    ]
    before_login = {"event_type": "page_view", "id": str(uuid.uuid4()), **usual}
    url = f"/v1/events?write_key={stack.local()['browser_key']}"
    assert stack.post(url, before_login).status == 202
    assert stack.post("/v1/me/events", {"events": events}, token).status == 202
    assert stack.request("PUT", "/v1/users/me/preferences/theme", b'"dark"', token).status == 200
    linked = "SELECT FROM user_activities WHERE id = %s AND is_linked"
    eventually(lambda: is_counted(database, one.view))
    eventually(lambda: database.execute(linked, [before_login["id"]]).rowcount == 1)
    return one


def is_counted(database: psycopg.Connection[Any], event_id: str) -> bool:
    return database.execute("SELECT FROM event_ids WHERE id = %s", [event_id]).rowcount == 1


def rows_of(victim: Victim, database: psycopg.Connection[Any]) -> list[list[str]]:
    """All but the number of the transaction, which says that analyze is to look again."""
    statement = "SELECT (to_jsonb(line) - 'touched_by' - 'engaged_by')::text FROM ({}) AS line ORDER BY 1"
    values = {"user": victim.user}
    return [
        [row[0] for row in database.execute(statement.format(query).encode(), values)] for query in OF_VICTIM
    ]


def send(stack: LocalStack, database: psycopg.Connection[Any], events: list[Event], by: str) -> None:
    """Sends the events with one that is good, and returns when that is stored: they travel together."""
    marker = str(uuid.uuid4())
    body = {"events": [*events, stranger(id=marker)]}
    if by == "token":
        sent = stack.post("/v1/me/events", body, stack.token(f"attacker-{uuid.uuid4()}"))
    else:
        sent = stack.post(f"/v1/events?write_key={stack.local()['browser_key']}", body)
    assert sent.status == 202
    eventually(lambda: is_counted(database, marker))


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_nobody_speaks_for_another(
    stack: LocalStack, database: psycopg.Connection[Any], victim: Victim, attack: Attack
) -> None:
    before = rows_of(victim, database)
    assert all(before)
    send(stack, database, attack.events(victim), attack.by)
    assert rows_of(victim, database) == before


def test_a_tied_id_adds_to_the_user_and_changes_nothing_that_was_there(
    stack: LocalStack, database: psycopg.Connection[Any], victim: Victim
) -> None:
    """Whoever knows the random id speaks with it; it is marked, and undone by an unlink."""
    activities, interactions, *_, traits, _, _ = rows_of(victim, database)
    send(stack, database, [view(anonymous_id=victim.visitor)], "key")
    after = rows_of(victim, database)
    assert set(activities) < set(after[0])
    assert (interactions, traits) == (after[1], after[4])
    whose = "SELECT user_id, is_linked FROM user_activities WHERE anonymous_id = %s AND page_path = '/forged'"
    assert database.execute(whose, [victim.visitor]).fetchall() == [(uuid.UUID(victim.user), True)]

    unlink = {"type": "unlink", "anonymous_id": victim.visitor, "user_id": victim.name}
    url = f"/v1/events?write_key={stack.local()['server_key']}"
    assert stack.post(url, unlink).body == {"accepted": 1, "rejected": []}
    eventually(lambda: database.execute(whose, [victim.visitor]).fetchall() == [(None, False)])
    assert rows_of(victim, database)[0] == [row for row in activities if '"is_linked": false' in row]


@pytest.mark.parametrize("is_tied", [True, False], ids=["after its tie", "before its tie"])
def test_anothers_token_takes_no_session_over(
    stack: LocalStack, database: psycopg.Connection[Any], victim: Victim, is_tied: bool
) -> None:
    """Who knows both random ids adds an event of their own to the visit, which stays whose it was."""
    visitor = victim.visitor if is_tied else victim.new_visitor
    visit = {"anonymous_id": visitor, "session_id": victim.session}
    send(stack, database, [view(**visit)], "key")
    earlier = datetime.now(UTC) - timedelta(days=1)
    send(stack, database, [view(created_at=earlier.isoformat(), **visit)], "token")
    if not is_tied:
        identify = {"type": "identify", "id": str(uuid.uuid4()), **visit}
        assert stack.post("/v1/me/events", identify, stack.token(victim.name)).status == 202
        eventually(lambda: is_counted(database, identify["id"]))
    whose = "SELECT user_id::text, is_linked FROM user_sessions WHERE visitor_id = %s AND id = %s"
    assert database.execute(whose, [visitor, victim.session]).fetchall() == [(victim.user, True)]
    assert victim.user not in {row[0] for row in database.execute(THEIRS, [visitor, earlier])}


@pytest.mark.parametrize(("method", "path"), READS)
def test_nobody_reads_or_sets_what_is_anothers(
    stack: LocalStack, database: psycopg.Connection[Any], victim: Victim, method: str, path: str
) -> None:
    before = rows_of(victim, database)
    url = path.format(user=victim.name)
    answer = stack.request(method, url, b'"forged"', stack.token(f"attacker-{uuid.uuid4()}"))
    assert (answer.status, set(answer.body)) == (403, {"code", "message"})
    assert stack.request(method, url, b'"forged"').status == 401
    assert rows_of(victim, database) == before
