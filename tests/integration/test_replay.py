"""What was refused is stored once its cause is mended, as if it had come in time; what isn't mended stays."""

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import UUID

import psycopg
import pytest

from footfall import ids
from footfall.database import Database, Row, connect
from footfall.events import pack
from footfall.months import month
from functions.ingest import handler as ingest_handler
from functions.ingest import segment
from functions.ingest.reading import Batch, read
from functions.ingest.sending import MAX_MESSAGE_BYTES
from functions.ingest.speaking import Speaker
from functions.ingest.taking import MAX_EVENT_BYTES, context_of, own_words, take
from functions.maintain.partitions import make_months
from functions.operate import handler as operate_handler
from functions.session import handler, replaying
from functions.session.origins import Origins
from functions.session.writing import QUERIES
from local.postgres.roles import let_in
from tests.integration.deliveries import BASE
from tests.integration.writing import (
    CHROME,
    SESSION,
    VISITOR,
    Writer,
    at,
    identify,
    message,
    record,
    user,
    writer_of,
)
from tests.lambdas import serving
from tests.tables import Tables, clear, dump, table_names

BROWSER, SERVER, ADA = Speaker("browser"), Speaker("server"), Speaker("user", "ada")
# In a month that is not there.
LONG_AGO = month(BASE, -20) + timedelta(days=3)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
Step = dict[str, Any]


class Context:
    """What a function asks of Lambda."""

    def get_remaining_time_in_millis(self) -> int:
        return int(handler.RESERVE_SECONDS * 1000) + 5_000


@dataclass
class Site:
    """A database, the consumer that fills it, and its owner, who may mend what was refused."""

    url: str
    owner: psycopg.Connection[Row]
    writer: Writer

    def deliver(self, *bodies: str) -> None:
        records = [{"messageId": f"message {number}", "body": body} for number, body in enumerate(bodies)]
        assert handler.lambda_handler({"Records": records}, Context()) == {"batchItemFailures": []}

    def mend(self, said: Mapping[str, Any]) -> None:
        """Puts other values into the one row that waits; one that is None is removed."""
        (raw,) = self.writer.one("SELECT raw FROM quarantine WHERE replayed_at IS NULL")
        found = {name: value for name, value in {**json.loads(raw), **said}.items() if value is not None}
        self.owner.execute("UPDATE quarantine SET raw = %s WHERE replayed_at IS NULL", [json.dumps(found)])

    def replay(self) -> tuple[int, dict[str, int]]:
        """How many were stored, and why others stayed; by `operate`, step by step."""
        replayed, stayed, after = 0, dict[str, int](), None
        while True:
            step = operate_handler.lambda_handler({"replay": "quarantine", "after": after}, None)
            replayed, after = replayed + step["replayed"], step["after"]
            stayed = {reason: stayed.get(reason, 0) + number for reason, number in step["stayed"].items()}
            if step["finished"]:
                return replayed, stayed

    def waiting(self) -> list[tuple[Any, ...]]:
        return self.writer.rows("SELECT stage, reason FROM quarantine WHERE replayed_at IS NULL")

    def dump(self) -> Tables:
        """All tables but quarantine."""
        return dump(self.owner, [name for name in table_names(self.owner) if name != "quarantine"])

    def clear(self) -> None:
        clear(self.owner, table_names(self.owner))


@pytest.fixture
def site(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    environment = {
        "DATABASE_URL": let_in(database_url, "footfall_session"),
        "RETENTION_MONTHS": "13",
        "QUEUE_URL": "http://127.0.0.1:9/000000000000/events",
        "INGEST_FUNCTION": "ingest",
        "SESSION_FUNCTION": "session",
        "INSIGHTS_FUNCTION": "insights",
        **dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"), "test"),
    }
    rooms: dict[str, Callable[[Any], Any]] = {
        "ingest": lambda event: ingest_handler.lambda_handler(event, None),
        "session": lambda event: handler.lambda_handler(event, Context()),
    }
    forget()
    with serving(rooms) as address, connect(database_url) as owner, writer_of(database_url) as writer:
        for name, value in {**environment, "AWS_ENDPOINT_URL_LAMBDA": address}.items():
            monkeypatch.setenv(name, value)
        yield Site(database_url, owner, writer)
        operate_handler._functions().close()
        handler._database().close()
    forget()


def forget() -> None:
    """As new copies of the functions know nothing yet."""
    known: list[Any] = [handler._database, handler._origins, ingest_handler._settings]
    for one in [*known, operate_handler._functions]:
        one.cache_clear()


# ── What Postgres refused ────────────────────────────────────────────────────────────────────────

POISON: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "NUL in metadata": (record(metadata={"title": "\x00"}), {"metadata": {"title": "-"}}),
    "NUL in a key": (record(metadata={"\x00": 1}), {"metadata": {"-": 1}}),
    "half a surrogate pair": (record(page_path="\ud800"), {"page_path": "/x"}),
    "no number": (record(metadata={"n": float("nan")}), {"metadata": {"n": 1}}),
    "out of range": (record("interaction", duration_seconds=2**31), {"duration_seconds": 45}),
    "no UUID as its id": (record(id="seven"), {"id": ids.to_uuid("event", "seven")}),
    "no UUID as its session": (record(session_id="mine"), {"session_id": SESSION}),
    "nobody's": (record(anonymous_id=None), {"anonymous_id": VISITOR}),
    "too long": (record(event_type="x" * 101), {"event_type": "x" * 100}),
    "no time": (record(created_at="soon"), {"created_at": at(5)}),
    "no sign-up": (identify("ada", traits={"created_at": "once"}), {"traits": {"created_at": at(-9)}}),
    "a claim": (identify("ada", session_id="mine"), {"session_id": SESSION}),
}


@pytest.mark.parametrize("name", POISON)
def test_what_is_mended_is_stored_as_if_it_had_come_in_time(site: Site, name: str) -> None:
    poison, mended = POISON[name]
    before, after = record(created_at=at(-3)), record("interaction", created_at=at(30))
    # What is verified later must not win over what was received first.
    later = message(identify("grace", id=ids.to_uuid("event", name)), received=70)

    site.deliver(message(before, poison, after), later)
    [(stage, reason)] = site.waiting()
    assert site.replay() == (0, {reason: 1})
    assert site.waiting() == [(stage, reason)] == [("session", reason)]
    site.mend(mended)
    assert site.replay() == (1, {})
    assert site.replay() == (0, {})

    assert site.writer.one("SELECT count(*) FROM quarantine") == (1,)
    found = site.dump()
    site.clear()
    site.deliver(message(before, {**poison, **mended}, after), later)
    assert site.dump() == found


def test_an_event_outside_all_months_is_stored_when_its_month_is_there(site: Site) -> None:
    early = record(created_at=LONG_AGO.isoformat())
    site.deliver(message(record(id=VISITOR), early))
    assert site.replay() == (0, {site.waiting()[0][1]: 1})
    make_months(site.owner, datetime.now(UTC), 24)
    assert site.replay() == (1, {})
    found = site.dump()
    assert site.writer.one("SELECT started_at, page_views FROM user_sessions") == (LONG_AGO.isoformat(), 2)
    site.clear()
    site.deliver(message(record(id=VISITOR), early))
    assert site.dump() == found


def test_an_event_that_is_refused_again_stays_with_the_new_reason(site: Site) -> None:
    site.deliver(message(record(session_id="mine", duration_seconds=2**31)))
    [(_, first)] = site.waiting()
    site.mend({"session_id": None} if "uuid" in first else {"duration_seconds": None})
    assert site.replay()[0] == 0
    [(_, second)] = site.waiting()
    assert ("uuid" in first, "uuid" in second) in {(True, False), (False, True)}
    assert site.writer.one("SELECT count(*) FROM quarantine") == (1,)


def test_a_dwell_that_was_refused_waits_although_its_event_is_known(site: Site) -> None:
    known = record("interaction", duration_seconds=1)
    site.deliver(message(known), message({**known, "duration_seconds": 2**31}))
    assert site.replay()[0] == 0
    site.mend({"duration_seconds": 300})
    assert site.replay() == (1, {})
    assert site.writer.one("SELECT duration_seconds FROM content_interactions") == (300,)
    assert site.writer.one("SELECT count(*) FROM user_activities") == (1,)


@pytest.mark.parametrize("body", ["hello", "[" * 5_000, '{"version": 7, "events": []}', "null", "7"])
def test_what_is_no_message_stays(site: Site, body: str) -> None:
    site.deliver(body, message(record()))
    [(_, reason)] = site.waiting()
    assert reason.startswith("not a message: ")
    assert site.replay() == (0, {reason: 1})
    assert site.waiting() == [("session", reason)]


def test_a_message_of_another_version_is_stored_by_the_code_that_can_read_it(site: Site) -> None:
    body = message(record(), record(metadata={"title": "\x00"}), record())
    site.deliver(body.replace('"version": 1', '"version": 7'))
    site.mend({"version": 1})
    assert site.replay() == (0, {"unsupported Unicode escape sequence": 1})
    assert site.writer.one("SELECT count(*), min(received_at) FROM user_activities") == (2, at(60))
    assert site.writer.one("SELECT DISTINCT browser FROM user_sessions") == ("Chrome",)
    events = json.loads(body)["events"]
    site.mend({"events": [events[0], {**events[1], "metadata": {}}, events[2]]})
    assert site.replay() == (1, {})
    assert site.writer.one("SELECT page_views FROM user_sessions") == (3,)


# ── What ingest refused ──────────────────────────────────────────────────────────────────────────


def request(*events: Any, speaker: Speaker = BROWSER, translate: Any = own_words, **said: Any) -> str:
    """What ingest queues of it."""
    received = BASE + timedelta(seconds=60)
    headers = {"user-agent": CHROME, "cloudfront-viewer-country": "DE"}
    gateway = {"headers": headers, "requestContext": {"http": {"sourceIp": "203.0.113.7"}}}
    taken = take(Batch(list(events), **said), speaker, received, LONG_AGO, translate)
    (body,) = pack(context_of(gateway, received, speaker), taken.records, MAX_MESSAGE_BYTES, taken.bundles)
    return body


VIEW = {"event_type": "page_view", "anonymous_id": VISITOR, "session_id": SESSION, "created_at": at(9)}
TOUCHED = "SELECT user_id, anonymous_id, is_linked, received_at, created_at FROM user_activities"


@pytest.mark.parametrize("speaker", [BROWSER, SERVER, ADA], ids=lambda speaker: str(speaker.kind))
def test_a_replay_believes_whom_ingest_believed(site: Site, speaker: Speaker) -> None:
    """In the middle of good ones, with all that a row has of the request."""
    good = [{**VIEW, "id": f"good {number}"} for number in range(2)]
    # A server says whose device it speaks of.
    said = {"user_agent": FIREFOX, "country": "FR"}
    bad = {**VIEW, "id": "bad", "event_type": 7, "user_id": "victim", "session_id": None, "context": said}
    site.deliver(request(good[0], bad, good[1], speaker=speaker))
    reason = "event_type: must be text, not a number"
    assert site.waiting() == [("ingest", reason)]
    assert site.replay() == (0, {reason: 1})
    site.mend({"event_type": "page_view"})
    assert site.replay() == (1, {})
    assert site.replay() == (0, {})

    spoken_for = {"server": user("victim"), "user": user("ada"), "browser": None}[speaker.kind]
    bads = f"{TOUCHED} WHERE id = '{ids.to_uuid('event', 'bad')}'"
    assert site.writer.one(bads) == (spoken_for, VISITOR, False, at(60), at(9))
    found = site.dump()
    site.clear()
    site.deliver(request(good[0], {**bad, "event_type": "page_view"}, good[1], speaker=speaker))
    assert site.dump() == found


def test_a_users_claim_holds_from_when_it_was_received(site: Site) -> None:
    claim = {"type": "identify", "anonymous_id": VISITOR, "traits": []}
    site.deliver(request({**VIEW, "id": "1"}, claim, speaker=ADA))
    site.deliver(message(identify("grace"), received=70))
    site.mend({"traits": {}})
    assert site.replay() == (1, {})
    first = "SELECT user_id, verified_at FROM identities ORDER BY verified_at"
    assert site.writer.rows(first) == [(user("ada"), at(60)), (user("grace"), at(70))]


def test_a_segment_message_is_translated_again(site: Site) -> None:
    def track(identifier: str, event: Any) -> Step:
        properties = {"content_type": "project", "interaction_type": "view", "content_id": "9"}
        return {"type": "track", "messageId": identifier, "event": event, "anonymousId": VISITOR} | {
            "properties": properties
        }

    body = json.dumps({"batch": [track("a", "Viewed"), track("b", 7)], "context": {"page": {"path": "/p"}}})
    batch = segment.read(body.encode(), "batch")
    site.deliver(request(*batch.events, translate=segment.to_events))
    site.mend({"event": "Viewed"})
    assert site.replay() == (1, {})
    rows = site.writer.rows("SELECT id, event_action, page_path, metadata FROM user_activities ORDER BY id")
    assert [row[1:] for row in rows] == [rows[0][1:]] * 2
    assert {row[0] for row in rows} == {ids.to_uuid("event", "a"), ids.to_uuid("event", "b")}
    assert site.writer.one("SELECT count(*) FROM content_interactions") == (2,)


@pytest.mark.parametrize("fields", [{}, {"type": "track", "messageId": None}], ids=["own", "segment"])
def test_an_event_without_an_id_counts_once_however_often_it_is_replayed(
    site: Site, fields: dict[str, Any]
) -> None:
    translate = segment.to_events if fields else own_words
    good = {**VIEW, "type": "page", "messageId": "good", "anonymousId": VISITOR} if fields else VIEW
    bad = {**good, "event_type": 7, "messageId": "bad", **fields, "anonymousId": VISITOR}
    site.deliver(request(good, bad if fields else {**VIEW, "event_type": 7}, translate=translate))
    site.mend({"event_type": "page_view", "event": "e", "messageId": None})
    for _ in range(2):
        assert site.replay() == (1, {})
        # As it is left by a replay that was killed before it marked anything.
        site.owner.execute("UPDATE quarantine SET replayed_at = NULL")
    assert site.writer.one("SELECT count(*) FROM user_activities") == (2,)
    assert site.writer.one("SELECT sum(events)::integer FROM live_counts") == (2,)


def test_what_holds_for_a_request_holds_for_its_replay(site: Site) -> None:
    """Its clock was an hour ahead; what it could not store stays marked; the device is its own."""
    poison = r'{"event_type": 7, "anonymous_id": "%s", "created_at": "%s", "metadata": {"t": "\u0000"}}'
    hour = timedelta(hours=1)
    body = poison % (VISITOR, (BASE + hour).isoformat())
    events = read(f"[{body}, {json.dumps(VIEW)}]".encode()).events
    site.deliver(request(*events, sent_at=(BASE + hour + timedelta(seconds=60)).isoformat(), suspect=True))
    site.mend({"event_type": "search"})
    assert site.replay() == (1, {})
    columns = "created_at, client_created_at, sent_at, browser, country, host(ip_address), metadata"
    assert site.writer.one(f"SELECT {columns} FROM user_activities WHERE event_type = 'search'") == (
        *(at(0), at(3_600), at(3_660), "Chrome", "DE", "203.0.113.0"),
        {"t": "\ufffd", "_cleaned": True},
    )


def test_the_longest_event_that_may_be_mended_is_kept_whole(site: Site) -> None:
    quotes = {**VIEW, "id": "1", "event_type": 7, "metadata": {"t": '"' * (MAX_EVENT_BYTES // 2 - 500)}}
    site.deliver(request({**VIEW, "id": "2"}, quotes))
    site.mend({"event_type": "search"})
    assert site.replay() == (1, {})
    longer = {**quotes, "metadata": {"t": '"' * MAX_EVENT_BYTES}}
    site.deliver(request({**VIEW, "id": "2"}, longer))
    assert site.replay()[0] == 0
    [(_, reason)] = site.waiting()
    assert reason.startswith("the body isn't JSON")


def test_two_who_send_the_same_that_is_refused_are_two(site: Site) -> None:
    bad = {"event_type": 7, "created_at": at()}
    for speaker in (ADA, Speaker("user", "grace"), ADA):
        site.deliver(request({**bad, "event_type": "search"}, bad, speaker=speaker))
    site.owner.execute("UPDATE quarantine SET raw = replace(raw, '7', '\"search\"')")
    assert site.replay() == (2, {})
    spoken = "SELECT user_id, count(*) FROM user_activities GROUP BY 1 ORDER BY 2"
    assert site.writer.rows(spoken) == [(user("grace"), 2), (user("ada"), 3)]


def test_what_was_refused_before_a_request_was_kept_stays(site: Site) -> None:
    site.deliver(request(VIEW, {**VIEW, "event_type": 7}))
    site.owner.execute("UPDATE quarantine SET request = NULL")
    site.mend({"event_type": "page_view"})
    assert site.replay() == (0, {"event_type: must be text, not a number": 1})


# ── Steps ────────────────────────────────────────────────────────────────────────────────────────


def poisoned(number: int) -> list[dict[str, Any]]:
    """Whose cause is that the month isn't there."""
    return [record(created_at=LONG_AGO.isoformat(), session_id=user(f"{n}")) for n in range(number)]


def test_a_step_is_bounded_and_the_next_goes_on_behind_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replaying, "MOST_ROWS", 3)
    site.deliver(message(*poisoned(7)), request(VIEW, *[{**VIEW, "event_type": n} for n in range(4)]))
    event: Step = {"replay": "quarantine"}
    lefts, stayed = [], 0
    for _ in range(4):
        step = operate_handler.lambda_handler(event, None)
        event["after"] = step["after"]
        lefts.append((step["left"], step["finished"]))
        stayed += sum(step["stayed"].values())
    assert lefts == [(8, False), (5, False), (2, False), (0, True)]
    assert stayed == 11
    make_months(site.owner, datetime.now(UTC), 24)
    assert site.replay()[0] == 7
    assert operate_handler.lambda_handler({"replay": "quarantine"}, None)["left"] == 1


def test_a_step_holds_no_more_than_a_mebibyte_or_one_event(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.deliver(message(*poisoned(5)))
    monkeypatch.setattr(replaying, "MOST_BYTES", 1)
    step = operate_handler.lambda_handler({"replay": "quarantine"}, None)
    assert (sum(step["stayed"].values()), step["left"]) == (1, 4)


def test_replays_at_once_store_and_count_everything_once(site: Site) -> None:
    events = poisoned(60)
    site.deliver(message(*events))
    make_months(site.owner, datetime.now(UTC), 24)
    together = Barrier(4)

    def replay_all(_: int) -> int:
        database = Database(let_in(site.url, "footfall_session"), QUERIES)
        together.wait()
        step = replaying.replay(database, Origins(), replaying.BEGINNING, datetime.now(UTC), 30)
        database.close()
        return int(step["replayed"])

    with ThreadPoolExecutor(4) as replays:
        assert sum(replays.map(replay_all, range(4))) == 60
    found = site.dump()
    site.clear()
    site.deliver(message(*events))
    assert site.dump() == found


@contextmanager
def slow(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever is of the user `slow` takes longer than a statement may, as somebody holds that profile."""
    monkeypatch.setattr(handler, "STATEMENT_SECONDS", 1)
    site.deliver(message(record(anonymous_id=None, user_id=user("slow"))))
    with connect(site.url) as holder, holder.transaction():
        holder.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        holder.execute("SELECT FROM profiles FOR UPDATE")
        yield


def slow_event(**fields: Any) -> dict[str, Any]:
    return record(anonymous_id=None, user_id=user("slow"), created_at=LONG_AGO.isoformat(), **fields)


def test_what_is_always_too_slow_keeps_nothing_out_that_is_behind_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with slow(site, monkeypatch):
        site.deliver(message(slow_event(id=str(UUID(int=1))), *poisoned(104)))
        make_months(site.owner, datetime.now(UTC), 24)
        assert site.replay() == (104, {})
        assert site.waiting() == [("session", replaying.TOO_SLOW)]
        assert site.replay() == (0, {replaying.TOO_SLOW: 1})
    assert site.replay() == (1, {})
    assert site.writer.one("SELECT count(*) FROM user_activities") == (106,)


def test_a_step_without_time_ends_where_it_is_and_the_next_goes_on(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what is slow in both ways to be stored again."""
    # Nothing is begun after the first that was slow.
    monkeypatch.setattr(replaying, "LAST_BEGINS_SECONDS", 3.5)
    users = ("fast", "slow", "fast", "slow", "fast")
    bad = [{**VIEW, "user_id": who, "event_type": number} for number, who in enumerate(users)]
    with slow(site, monkeypatch):
        site.deliver(request(VIEW, *bad, speaker=SERVER))
        site.deliver(message(*(slow_event() for _ in range(2)), *poisoned(3)))
        mended = """(raw::jsonb || '{"event_type": "search"}')::text"""
        site.owner.execute(f"UPDATE quarantine SET raw = {mended} WHERE stage = 'ingest'".encode())
        make_months(site.owner, datetime.now(UTC), 24)
        event: Step = {"replay": "quarantine"}
        replayed, steps, step = 0, 0, {"finished": False}
        while not step["finished"]:
            step = operate_handler.lambda_handler(event, None)
            replayed, steps, event["after"] = replayed + step["replayed"], steps + 1, step["after"]
        assert (replayed, steps > 1) == (6, True)
        assert {(stage, reason) for stage, reason in site.waiting()} == {
            ("session", replaying.TOO_SLOW),
            ("ingest", replaying.TOO_SLOW),
        }
    assert site.replay()[0] == 4
    assert site.waiting() == []


def test_nothing_is_marked_while_the_database_is_away(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.deliver(message(*poisoned(1)))
    handler._database().close()
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/nothing")
    handler._database.cache_clear()
    answer = operate_handler.lambda_handler({"replay": "quarantine"}, None)
    assert answer.keys() == {"unavailable"}
    assert answer["unavailable"].startswith("session: ")
    assert len(site.waiting()) == 1
