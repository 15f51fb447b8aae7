"""`make import FILE=… [SHIFT=now]`"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Never

import aiohttp
from tqdm import tqdm

from local.feeding.door import Door, DoorError, Event
from local.feeding.sending import Backlog, send_all
from local.feeding.stored import Stored, wait_for
from local.importer.rows import ImportFileError, Line, lines

EVENTS_PER_REQUEST = 500
MOST_WAITING = 200
SHOWN_ERRORS = 5


def main(arguments: Sequence[str], port: str) -> int:
    """0 where everything in the file is in the database."""
    parser = argparse.ArgumentParser(prog="make import", description=__doc__)
    parser.add_argument("file", type=Path, help="a .csv, .csv.gz or .zip of interactions")
    parser.add_argument("--shift", choices=["now"], help="move all times so that the last event is now")
    options = parser.parse_args(arguments)
    try:
        return asyncio.run(run(options.file, options.shift == "now", f"http://127.0.0.1:{port}"))
    except (ImportFileError, DoorError) as error:
        print(f"import: {error}", file=sys.stderr)
        return 1


async def run(file: Path, shift_to_now: bool, url: str) -> int:
    """Reads the file twice: for its last time and its length, then to send it."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        door = Door(url, session)
        await door.local()
        known, last = _survey(file)
        shift = datetime.now(UTC) - last if shift_to_now and last else None
        begun = time.monotonic()
        ids, rejected, broken = await _send(door, file, shift, known)
        with tqdm(total=len(ids), desc="storing", unit=" events", unit_scale=True) as bar:
            stored = await wait_for(door, ids, "count_interactions", lambda count: _show(bar, count))
        seconds = time.monotonic() - begun
        learned = await door.learn()
    return _report(len(ids), rejected, broken, stored, seconds, learned)


def _survey(file: Path) -> tuple[int, datetime | None]:
    count, last = 0, None
    for line in lines(file):
        count += 1
        if line.created_at and (last is None or line.created_at > last):
            last = line.created_at
    return count, last


async def _send(
    door: Door, file: Path, shift: timedelta | None, known: int
) -> tuple[list[str], list[str], list[str]]:
    """Ids that were taken, and what was wrong with the rest, at the door and in the file."""
    taken: list[str] = []
    rejected: list[str] = []
    broken: list[str] = []
    with tqdm(total=known, desc="sending", unit=" events", unit_scale=True) as bar:

        async def send(batch: list[Line]) -> None:
            events: list[Event] = [line.event for line in batch if line.event]
            refused = {one["index"]: one["error"] for one in await door.send(events)}
            rejected.extend(f"line {batch[index].number}: {error}" for index, error in refused.items())
            taken.extend(event["id"] for index, event in enumerate(events) if index not in refused)
            bar.update(len(batch))

        await send_all(_batches(lines(file, shift), broken), send, Backlog(door, MOST_WAITING))
        bar.update(len(broken))
    return taken, rejected, broken


def _batches(all_lines: Iterator[Line], broken: list[str]) -> Iterator[list[Line]]:
    batch: list[Line] = []
    for line in all_lines:
        if line.event is None:
            broken.append(f"line {line.number}: {line.error}")
            continue
        batch.append(line)
        if len(batch) == EVENTS_PER_REQUEST:
            yield batch
            batch = []
    if batch:
        yield batch


def _show(bar: "tqdm[Never]", count: int) -> None:
    bar.update(count - bar.n)


def _report(
    taken: int, rejected: list[str], broken: list[str], stored: Stored, seconds: float, learned: int
) -> int:
    missing = taken - stored.events
    print(
        f"{taken + len(rejected) + len(broken):,} rows: {taken:,} taken, {stored.events:,} stored,"
        f" {missing:,} missing, {len(rejected) + len(broken):,} refused"
        f" · {taken / seconds:,.0f} events a second · learned of {learned:,} users"
    )
    for error in (broken + rejected)[:SHOWN_ERRORS]:
        print(f"  {error}")
    if stored.moved:
        print(
            f"  {stored.moved:,} are older than the months that are kept and stand at the oldest one;"
            " their own time is in client_created_at (SHIFT=now moves the file to today)"
        )
    return 1 if missing or rejected or broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ.get("PORT", "8000")))
