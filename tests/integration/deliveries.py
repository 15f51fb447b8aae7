"""Random events as ingest would queue them, and random ways in which a queue may deliver them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from typing import Any, Protocol, TypeVar
from uuid import NAMESPACE_OID, uuid5

import msgspec
from hypothesis import strategies as st

from footfall import ids
from footfall.events import VERSION, Context, SpeakerKind, dumps, lines, pack
from footfall.months import month
from functions.ingest.bundling import bundle
from functions.ingest.plain import Kept
from functions.session.origins import Origins
from functions.session.preparing import prepare

T = TypeVar("T")
Record = dict[str, Any]

# The months around it exist in the tests' database, and it is the same in all runs of a month.
BASE = month(datetime.now(UTC)) + timedelta(seconds=30)
# Few values, so that events collide in every way; the first is what a failing example shrinks to.
MOMENTS = (0, 0, 5, 9.4, 9.6, 10, 59, 3_600, -60, -3_600, -40 * 86_400)
RECEIVED = (60, 61, 61, 62, 3_600, 7_200)
# What a second request may make of a time: nothing, a step of the clock's correction, another month.
CORRECTIONS = (0, 0, 300, -300, -40 * 86_400, 33 * 86_400)
TIME_ZONES = (None, None, "Europe/Berlin", "Asia/Tokyo", "Nowhere/Land")
AGENTS = (
    "",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0"
    " Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " Version/18.5 Mobile/15E148 Safari/604.1",
    "curl/8.11.0",
)
ACTIVITIES: tuple[Record, ...] = (
    {"event_type": "page_view", "page_path": "/"},
    {"event_type": "page_view", "page_path": "/a", "metadata": {"title": "Ä", "n": 1.50}},
    {"event_type": "page_view", "page_path": "/b"},
    {"event_type": "search"},
    {"event_type": "user_action", "event_category": "filter"},
)
DWELLS = (None, 0, 31, 61, 300)
STORED = ("activity", "interaction")
TRAITS: tuple[Record, ...] = (
    {"plan": "free"},
    {"plan": "team", "profile_completeness": 40},
    {"profile_completeness": 80.5, "created_at": "2020-02-02T02:02:02+00:00"},
    {"created_at": "2019-01-01T00:00:00+01:00"},
)


@dataclass(frozen=True)
class Population:
    """The ids that events speak of, as they were sent, the kinds of events, and who sends them."""

    anonymous: tuple[str, ...] = (str(uuid5(NAMESPACE_OID, "visitor")), "visitor 2", "visitor 3")
    users: tuple[str, ...] = (str(uuid5(NAMESPACE_OID, "user")), "ada", "grace")
    sessions: tuple[str | None, ...] = (None, "first", "second")
    contents: tuple[str, ...] = ("one", "two", str(uuid5(NAMESPACE_OID, "content")))
    kinds: tuple[str, ...] = (
        *["activity"] * 8,
        *["interaction"] * 4,
        *["identify"] * 4,
        "unlink",
        "content",
        "rejected",
    )
    speakers: tuple[str, ...] = ("page", "page", "server", "token")
    # Some happened when there is no month any more.
    lost: bool = True


@dataclass(frozen=True)
class Queued:
    """A record as ingest queues it, and what its request says."""

    record: Record
    received_at: datetime
    agent: str = ""

    def prepared(self) -> Record:
        return prepared(self.record, self.received_at, self.agent)


@dataclass(frozen=True)
class Delivery:
    """The records as queued, in order, and the batches in which they are delivered."""

    records: list[Record]
    batches: list[list[Record]]


class Choose(Protocol):
    """Picks one of several, by chance or as Hypothesis wants it."""

    def __call__(self, options: Sequence[T], /) -> T: ...


@st.composite
def deliveries(draw: st.DrawFn, of: Population, most: int = 14) -> Delivery:
    def choose(options: Sequence[T]) -> T:
        return draw(st.sampled_from(options))

    count = draw(st.integers(1, most))
    return _delivered(draw, [copy for number in range(count) for copy in event(choose, number, of)])


@st.composite
def repeated_requests(draw: st.DrawFn, of: Population, most: int = 8) -> Delivery:
    """Clients weren't answered and sent again: each copy was received, and perhaps corrected, anew."""

    def choose(options: Sequence[T]) -> T:
        return draw(st.sampled_from(options))

    events = [copies(choose, number, of) for number in range(draw(st.integers(1, most)))]
    sent = [copy for copies in events for copy in copies]
    # No two copies of an event are received at once, so that their rows tell which one won.
    apart = [
        replace(copy, received_at=copy.received_at + timedelta(microseconds=place))
        for place, copy in enumerate(sent)
    ]
    return _delivered(draw, [copy.prepared() for copy in apart])


def _delivered(draw: st.DrawFn, records: list[Record]) -> Delivery:
    again = draw(st.lists(st.sampled_from(records), max_size=6))
    order = draw(st.permutations([*records, *again]))
    cuts = sorted(draw(st.sets(st.integers(1, len(order)), max_size=7)) | {0, len(order)})
    return Delivery(records, [list(order[a:b]) for a, b in pairwise(cuts)])


def copies(choose: Choose, number: int, of: Population) -> list[Queued]:
    """What one event may be sent as: again, stamped anew; or, by a broken client, as something else."""
    first = queued(choose, number, of)[0]
    anew = [stamped_anew(choose, first) for _ in range(choose((0, 1, 1, 2)))]
    other = [queued(choose, number, of)[-1] for _ in range(choose((0, 0, 1)))]
    return [first, *anew, *other]


def stamped_anew(choose: Choose, sent: Queued) -> Queued:
    """The same event in another request: received later, its clock judged otherwise, its dwell another."""
    record = dict(sent.record)
    received_at = sent.received_at + timedelta(seconds=choose(RECEIVED))
    if (said := record.get("created_at")) is not None:
        shifted = datetime.fromisoformat(said) + timedelta(seconds=choose(CORRECTIONS))
        record |= {"created_at": shifted.isoformat(), "client_created_at": said}
    if record["kind"] in STORED:
        record["sent_at"] = (received_at - timedelta(seconds=choose(MOMENTS))).isoformat()
    if record["kind"] == "interaction" and (dwell := choose(DWELLS)) is not None:
        record["duration_seconds"] = dwell
    return Queued(record, received_at, sent.agent)


def winners(batches: Sequence[Sequence[Record]]) -> list[Record]:
    """Of each event the copy that is to be stored: the first that arrived, and of one batch's the first
    received; with the longest dwell that its own visitor said of it."""
    won: dict[str, Record] = {}
    for batch in batches:
        for record in sorted(batch, key=lambda record: str(record["received_at"])):
            won.setdefault(record["id"], record)
    return [with_dwell(record, [other for batch in batches for other in batch]) for record in won.values()]


def with_dwell(record: Record, others: Sequence[Record]) -> Record:
    """The record with the longest dwell that its own visitor said of it, in no other user's name."""
    said = [
        other["duration_seconds"]
        for other in (record, *others)
        if other["id"] == record["id"]
        and other["kind"] == record["kind"] == "interaction"
        and other.get("anonymous_id") == record.get("anonymous_id")
        and ("user_id" not in record or other.get("user_id") in {None, record["user_id"]})
        and "duration_seconds" in other
    ]
    return {**record, "duration_seconds": max(said)} if said else record


def event(choose: Choose, number: int, of: Population) -> list[Record]:
    """One event's copies, as the consumer sees them: several where a dwell grew, else one."""
    return [sent.prepared() for sent in queued(choose, number, of)]


def queued(choose: Choose, number: int, of: Population) -> list[Queued]:
    """One event's copies, as ingest queues them."""
    kind = choose(of.kinds)
    record: Record = {"kind": kind, "id": str(uuid5(NAMESPACE_OID, f"event {number}"))}
    received_at = BASE + timedelta(seconds=choose(RECEIVED))
    if kind == "rejected":
        record |= {"reason": "event_type: is required", "raw": "{}"}
    else:
        record |= _said(choose, kind, of) | _fields(choose, kind, of)
    durations = [choose(DWELLS) for _ in range(choose((1, 1, 2, 3)))] if kind == "interaction" else [None]
    agent = choose(AGENTS)
    grown = [{**record, "duration_seconds": dwell} if dwell is not None else record for dwell in durations]
    return [Queued(copy, received_at, agent) for copy in grown]


class Prepared(Record):
    """A record after it travelled in a message of its own, and what that was."""

    sent: Record
    context: Context


def prepared(record: Record, received_at: datetime, agent: str = "") -> Prepared:
    context: Context = {"received_at": received_at.isoformat(), "user_agent": agent, "ip": "203.0.113.7"}
    context["speaker"] = speaker_of(record)
    ([found], _) = prepare(dumps({"version": VERSION, **context, "events": [record]}), Origins())
    result = Prepared(found)
    result.sent, result.context = record, context
    return result


def messages(records: Sequence[Record]) -> dict[str, str]:
    """The same as ingest queues them, bundled: what follows each other in one context goes in one message."""
    found: list[str] = []
    for _, group in groupby(records, key=lambda record: record.context):  # type: ignore[attr-defined]
        together = list(group)
        sent = [record.sent for record in together]  # type: ignore[attr-defined]
        found += bodies_of(together[0].context, sent)  # type: ignore[attr-defined]
    return {f"message {number}": body for number, body in enumerate(found)}


def bodies_of(context: Context, sent: Sequence[Record]) -> Iterator[str]:
    """The messages of one request, bundled where it can be."""
    usual = {one["id"]: one for one in sent if _is_usual(one)}
    bundles, _ = bundle(msgspec.convert(list(usual.values()), list[Kept]))
    other = [dumps(one) for one in sent if usual.get(one["id"]) is not one]
    return pack(context, other, 2**20, lines(bundles))


def _is_usual(record: Record) -> bool:
    return record["kind"] in {"activity", "interaction"} and "session_id" in record


def speaker_of(record: Record) -> SpeakerKind:
    """Who alone can have sent it."""
    if record.get("verified"):
        return "user"
    return "server" if "user_id" in record else "browser"


def _fields(choose: Choose, kind: str, of: Population) -> Record:
    created = BASE + timedelta(seconds=choose(MOMENTS))
    if kind == "activity" and of.lost and choose(range(20)) == 19:
        created = datetime(1999, 1, 1, tzinfo=UTC)
    zone = choose(TIME_ZONES)
    fields: Record = {"created_at": created.isoformat()} | ({"time_zone": zone} if zone else {})
    if kind == "activity":
        fields |= choose(ACTIVITIES)
    elif kind == "interaction":
        fields |= {"event_type": "content_interaction", "interaction_type": choose(("view", "like"))}
    elif kind == "unlink":
        pass
    elif kind == "identify":
        fields["traits"] = choose(TRAITS)
    else:
        fields |= {"title": choose(("old", "new")), "available": choose((True, False))}
    return fields


def _said(choose: Choose, kind: str, of: Population) -> Record:
    """The ids of an event: a page's visitor, a user with a token, or whom a server names."""
    speaker = "server" if kind in {"content", "unlink"} else choose(of.speakers)
    said: dict[str, tuple[ids.Kind, str | None]] = {"session_id": ("session", choose(of.sessions))}
    if speaker != "page":
        said["user_id"] = "user", choose(of.users)
    if speaker == "page" or kind == "unlink" or choose((True, True, False)):
        said["anonymous_id"] = "anonymous", choose(of.anonymous)
    if kind in {"interaction", "content"}:
        said["content_id"] = "content", choose(of.contents)
    record: Record = {field: ids.to_uuid(its, value) for field, (its, value) in said.items() if value}
    names = {field: value for field, (_, value) in said.items() if value and not ids.is_uuid(value)}
    record |= {"names": names} if names else {}
    record |= {"content_type": choose(("project", "job"))} if "content_id" in record else {}
    return record | ({"verified": True} if speaker == "token" else {})
