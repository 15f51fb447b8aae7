"""Makes sessions for the devices that send none.

Events of a device that are less than 30 minutes apart are of one visit. One that would last 24 hours is
cut at each midnight (UTC), so that what comes late never moves more than the events of two days. A visit's
id is made of the device and of its earliest event. So visits depend on nothing but the set of events: not on
their order, nor on how they are delivered.

A late event may make two visits one, or let a visit begin earlier, which gives it another id. The stored
events of these visits move, and what is said of them is reckoned anew from their activities. Mostly nothing
moves: new events are of the visit that goes on, and merge into it as into a session of the device's own.

The device is the anonymous id, or the user where there is none, and never the user whom an anonymous id
belongs to. Until it commits, a batch has its devices for itself: what two did beside each other, neither
would see.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from footfall.database import Transaction

# Keep these advisory locks apart from others'.
LOCK_SPACE, LOCK_SPACE_OF_ALL = 7_302, 7_303
# Locked each for itself; more of them would fill the server's table of locks.
MOST_DEVICES = 500


def devices_of(records: Iterable[Mapping[str, Any]]) -> set[str]:
    """Those whose visits the records may change."""
    wanting = (record for record in records if record.get("wants_session"))
    found = (record.get("anonymous_id") or record.get("user_id") for record in wanting)
    return {device for device in found if device}


def lock(transaction: Transaction, devices: Iterable[str]) -> None:
    """Lets nobody else touch their visits; before anything of them is read or locked."""
    found = list(devices)
    if not found:
        return
    are_many = len(found) > MOST_DEVICES
    transaction.all("lock_all_devices" if are_many else "lock_some_devices", lock_space=LOCK_SPACE_OF_ALL)
    if not are_many:
        transaction.all("lock_devices", lock_space=LOCK_SPACE, devices=found)


def place(transaction: Transaction) -> None:
    """Gives the new events that want a session theirs, and moves stored ones that are now of another."""
    parts = transaction.all("place_visits")
    if not parts:
        return
    columns = ("visitor_id", "visitor_is_user", "session_id", "since", "until", "visit_id")
    changed = {f"{column}s": [part[column] for part in parts] for column in columns}
    transaction.run("move_activities", **changed)
    transaction.run("forget_visits", **changed)
    transaction.run("make_visits_anew", **changed)
