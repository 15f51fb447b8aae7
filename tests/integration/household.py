"""People who share devices, and a plain reckoning of whom each event belongs to in the end.

The reckoning follows the promise word by word, in the order of the server's clock, and knows no SQL.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from footfall import ids
from tests.integration.deliveries import BASE, Choose, Record, prepared
from tests.integration.sessionizing import sessions_of

PEOPLE = tuple(ids.to_uuid("user", name) for name in ("ada", "grace", "mary"))
DEVICES = ("laptop", "tablet")
# What a household does next; the first is what a failing example shrinks to.
ACTS = ("visit",) * 6 + ("login",) * 3 + ("logout", "unlink", "unlink", "name", "speak", "claim")
# How long before it was received an event happened: some are late.
DELAYS = (1, 1, 1, 30, 30, 1_700, 3_500, 4_000, 90_000)
ZONES = (None, "Europe/Berlin", "Asia/Tokyo")


@dataclass
class Ties:
    """Who was ever verified on an anonymous id, in that order and since when; and who was unlinked since."""

    since: dict[str, int] = field(default_factory=dict)
    undone: set[str] = field(default_factory=set)

    def verify(self, user: str, moment: int) -> None:
        self.since.setdefault(user, moment)
        self.undone.discard(user)

    def owner(self, moment: int) -> str | None:
        """Of what comes without a token."""
        if not self.since:
            return None
        first, *others = self.since
        shared = any(self.since[other] <= moment for other in others if other not in self.undone)
        return None if shared or first in self.undone else first


@dataclass(frozen=True)
class Row:
    """An event as it should be stored."""

    record: Record
    user: str | None
    is_linked: bool


class Household:
    """Lives through acts, each a second after the one before; keeps what was sent."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.ties: dict[str, Ties] = defaultdict(Ties)
        self._moments: dict[str, int] = {}
        self._clock = count(1)
        self._resets = dict.fromkeys(DEVICES, 0)
        self._users: dict[str, str] = {}

    def act(self, choose: Choose) -> None:
        """One thing that somebody does, on a device or from a server."""
        device, user = choose(DEVICES), choose(PEOPLE)
        match choose(ACTS):
            case "visit":
                self._visit(choose, device)
            case "speak":
                # With the token of whoever is logged in, so that it is theirs whatever the device's id is.
                self._visit(choose, device, user_id=self._users.get(device), verified=True)
            case "name":
                self._visit(choose, device, user_id=user)
            case "login":
                self._users[device] = user
                self.tie(self.visitor(device), user)
            case "logout":
                self._users.pop(device, None)
                self._resets[device] += choose((1, 1, 0))
            case "unlink":
                # Also of an id that the device has left.
                self.unlink(self._named(device, choose(range(self._resets[device] + 1))), user)
            case "claim":
                # A page says who it is, or a server who somebody is: without a token of theirs.
                said: dict[str, Any] = {"user_id": choose((None, user)), "traits": {"name": user}}
                self._send("identify", anonymous_id=self.visitor(device), **said)

    def visitor(self, device: str) -> str:
        return self._named(device, self._resets[device])

    def tie(self, visitor: str, user: str) -> None:
        fields: dict[str, Any] = {"user_id": user, "verified": True, "traits": {}}
        self.ties[visitor].verify(user, self._send("identify", anonymous_id=visitor, **fields))

    def unlink(self, visitor: str, user: str) -> None:
        self._send("unlink", anonymous_id=visitor, user_id=user)
        self.ties[visitor].undone.add(user)

    def rows(self) -> list[Row]:
        """The activities, each once."""
        found = {record["id"]: record for record in self.records if "event_type" in record}
        return [self._owned(record) for record in found.values()]

    def _owned(self, record: Record) -> Row:
        if "user_id" in record:
            return Row(record, record["user_id"], is_linked=False)
        owner = self.ties[record["anonymous_id"]].owner(self._moments[record["id"]])
        return Row(record, owner, is_linked=owner is not None)

    def _visit(self, choose: Choose, device: str, **who: Any) -> None:
        fields: dict[str, Any] = who if who.get("user_id") else {}
        fields |= {"anonymous_id": self.visitor(device), "time_zone": choose(ZONES), "delay": choose(DELAYS)}
        session = choose(("morning", "evening", None, None))
        fields["session_id"] = session and ids.to_uuid("session", session)
        if choose((True, False)):
            self._send("activity", event_type="page_view", page_path="/", **fields)
        else:
            fields |= {"content_type": "project", "content_id": ids.to_uuid("content", "one")}
            self._send("interaction", event_type="content_interaction", interaction_type="view", **fields)
        if choose((False, False, True)):
            # The client wasn't answered and sends the same again.
            self.records.append(self.records[-1])

    def _send(self, kind: str, *, delay: int = 1, **fields: Any) -> int:
        moment = next(self._clock)
        received_at = BASE + timedelta(seconds=moment)
        record = {
            "kind": kind,
            "id": str(uuid5(NAMESPACE_OID, f"act {moment}")),
            "created_at": (received_at - timedelta(seconds=delay)).isoformat(),
            **{name: value for name, value in fields.items() if value is not None},
        }
        self._moments[record["id"]] = moment
        self.records.append(prepared(record, received_at))
        return moment

    @staticmethod
    def _named(device: str, resets: int) -> str:
        return str(uuid5(NAMESPACE_OID, f"{device} {resets}"))


def activities(rows: Iterable[Row]) -> dict[str, tuple[str | None, bool]]:
    return {row.record["id"]: (row.user, row.is_linked) for row in rows}


def interactions(rows: Iterable[Row]) -> dict[str, tuple[str | None, bool]]:
    return activities(row for row in rows if row.record["kind"] == "interaction")


def sessions(rows: Iterable[Row]) -> dict[tuple[str, str], tuple[str | None, bool]]:
    """Whose the event is that was received first of those that are somebody's."""
    ordered = sorted(rows, key=lambda row: row.record["received_at"])
    sessions = sessions_of(row.record for row in ordered)
    visits: dict[tuple[str, str], tuple[str | None, bool]] = {}
    for row in ordered:
        session = sessions[row.record["id"]]
        key = (row.record["anonymous_id"], session or "")
        if session and visits.get(key, (None,))[0] is None:
            visits[key] = (row.user, row.is_linked)
    return visits


def profiles(household: Household) -> dict[str, tuple[int, str, str, str | None]]:
    """By user: how many activities, the first and the last sight, and the time zone."""
    seen: dict[str, list[Record]] = defaultdict(list)
    for row in household.rows():
        if row.user:
            seen[row.user].append(row.record)
    for record in household.records:
        if record["kind"] == "identify" and "user_id" in record:
            seen[record["user_id"]].append(record)
    return {user: _profile(theirs) for user, theirs in seen.items()}


def _profile(theirs: Sequence[Record]) -> tuple[int, str, str, str | None]:
    times = [record["created_at"] for record in theirs]
    zones = [
        (record["created_at"], record["id"], zone) for record in theirs if (zone := record.get("time_zone"))
    ]
    did = sum("event_type" in record for record in theirs)
    return did, min(times), max(times), max(zones)[2] if zones else None
