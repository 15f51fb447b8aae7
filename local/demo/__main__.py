"""`make demo [SEED=…] [DAYS=…] [USERS=…] [EVENTS=…] [UNTIL=…] [OUT=…] [EVALUATE=1]`"""

import argparse
import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfoNotFoundError

import aiohttp
from tqdm import tqdm

from local.demo import looking, recovering, truth
from local.demo.sending import Sending
from local.demo.world import DEFAULT_SIZE, SEED, Size, World
from local.feeding.door import Door, DoorError
from local.feeding.stored import stored, wait_for

# What a page sends may lie 31 days back.
MOST_DAYS = 30
SHOWN_ERRORS = 5
INTERRUPTED = 130


class Demo:
    """One run; what it has come to can be asked at any moment."""

    def __init__(self, world: World, url: str, *, evaluates: bool = False) -> None:
        self._world = world
        self._evaluates = evaluates
        self._url = url
        self._sending: Sending | None = None
        self._ids: list[str] = []

    async def run(self) -> int:
        """0 where all that was sent is in the database."""
        world = self._world
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
            door = Door(self._url, session)
            await door.local()
            lately, ever = self._survey()
            known = (await stored(door, self._ids, "count_events")).events
            begun = time.monotonic()
            with tqdm(total=len(self._ids), desc="sending", unit=" events", unit_scale=True) as bar:
                self._sending = sending = Sending(door, bar.update)
                await sending.server(world.said_by_server())
                await sending.browsers(world.visits())
            with tqdm(total=len(self._ids), desc="storing", unit=" events", unit_scale=True) as bar:
                found = await wait_for(
                    door, sending.taken, "count_events", lambda count: bar.update(count - bar.n)
                )
            seconds = time.monotonic() - begun
            await door.learn()
            missing = len(sending.taken) - found.events
            self._report(sending, found.events - known, missing, seconds)
            print(await looking.describe(door, looking.people(world, lately)))
            if self._evaluates:
                print(await recovering.recover(door, world, ever))
        return 1 if missing or sending.refused else 0

    def so_far(self) -> str:
        """For who interrupts it."""
        taken = len(self._sending.taken) if self._sending else 0
        return (
            f"stopped: {taken:,} of {len(self._ids):,} events were taken."
            " The same command sends the rest; what is stored counts once."
        )

    def _survey(self) -> tuple[Counter[str], Counter[str]]:
        """Notes the ids of all that will be sent; what each user does in the last week, and at all."""
        self._ids = [event["id"] for event in self._world.said_by_server()]
        owner = {
            device.anonymous_id: account.user_id
            for account in self._world.accounts
            for device in account.person.devices
        }
        lately: Counter[str] = Counter()
        ever: Counter[str] = Counter()
        days = (self._world.until - self._world.since).days
        with tqdm(total=days, desc="imagining", unit=" days") as bar:
            for legs in self._world.visits():
                for leg in legs:
                    self._ids += (event["id"] for event in leg.events)
                    ever.update(
                        owner[event["anonymous_id"]]
                        for event in leg.events
                        if event["anonymous_id"] in owner and event.get("type") != "identify"
                    )
                begun_at = datetime.fromisoformat(legs[0].events[0]["created_at"])
                if begun_at > self._world.until - timedelta(days=7):
                    lately.update(leg.user_id for leg in legs for _ in leg.events if leg.user_id)
                bar.update(max((begun_at - self._world.since).days - bar.n, 0))
            bar.update(days - bar.n)
        return lately, ever

    def _report(self, sending: Sending, new: int, missing: int, seconds: float) -> None:
        taken, refused, world = len(sending.taken), len(sending.refused), self._world
        print(
            f"{taken + refused:,} events of {len(world.accounts):,} people and their visitors on"
            f" {len(world.contents):,} contents, {world.since:%-d %B} to {world.until:%-d %B %H:%M} UTC"
        )
        print(
            f"{taken:,} taken, {new:,} new, {missing:,} missing, {refused:,} refused"
            f" · {taken / seconds:,.0f} events a second ({seconds:.0f} s)"
            f" · at most {sending.backlog.longest:,} messages in the queue"
        )
        for error in sending.refused[:SHOWN_ERRORS]:
            print(f"  {error}")


def main(arguments: Sequence[str], port: str) -> int:
    """0 where all that was sent is in the database."""
    options = _options(arguments)
    events = options.events or DEFAULT_SIZE.events * options.days
    since = options.until - timedelta(days=options.days)
    world = World(options.seed, Size(options.users, events / options.days), since, options.until)
    demo = Demo(world, f"http://127.0.0.1:{port}", evaluates=options.evaluate)
    try:
        if options.out:
            truth.write(world, options.out)
        return asyncio.run(demo.run())
    except KeyboardInterrupt:
        print(demo.so_far(), file=sys.stderr)
        return INTERRUPTED
    except ZoneInfoNotFoundError as error:
        print(f"demo: {error}; this machine has no time zones (Debian: tzdata)", file=sys.stderr)
    except (DoorError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
    return 1


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--seed", default=SEED, help="another one is another network")
    parser.add_argument("--days", type=_number(1, MOST_DAYS), default=MOST_DAYS)
    parser.add_argument(
        "--users", type=_number(20, 100_000), default=DEFAULT_SIZE.people, help="accounts, about"
    )
    parser.add_argument(
        "--events", type=_number(100, 10_000_000), help=f"about; {DEFAULT_SIZE.events:,} a day"
    )
    parser.add_argument("--until", type=_hour, default="", help="RFC 3339; the last whole hour")
    parser.add_argument("--out", type=Path, help="writes the hidden tastes there")
    parser.add_argument("--evaluate", action="store_true", help="says how well what is hidden was learned")
    return parser.parse_args(arguments)


def _number(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"must be a whole number from {least} to {most}, not {text!r}")
        return int(text)

    return number


def _hour(text: str) -> datetime:
    """The begin of the hour, in UTC; what is empty is now."""
    try:
        moment = datetime.fromisoformat(text) if text else datetime.now(UTC)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be an RFC 3339 time, not {text!r}") from None
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no offset (end it with Z for UTC)")
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ.get("PORT", "8000")))
