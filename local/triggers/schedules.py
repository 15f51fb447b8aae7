"""A timer in place of EventBridge Scheduler."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from local.template.intrinsics import TemplateError
from local.template.model import Schedule
from local.triggers.events import schedule_payload

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")


def parse_rate(expression: str, place: str) -> timedelta:
    """Of `rate(5 minutes)`. Raises TemplateError for anything else, cron() and at() included."""
    match = _RATE.fullmatch(expression.strip())
    if match is None or int(match[1]) < 1:
        raise TemplateError(
            place, f"{expression!r} does not run locally, only rate(N minutes|hours|days) does"
        )
    return timedelta(**{f"{match[2]}s": int(match[1])})


@dataclass(frozen=True)
class Timer:
    """`first` is how long after the start the first run comes."""

    schedule: Schedule
    period: timedelta
    first: timedelta


def timers(schedules: Sequence[Schedule]) -> list[Timer]:
    """Of one function's schedules, spread over their period; raises TemplateError as `parse_rate` does.

    AWS promises the minute and no second; all at once, each would need a process of its own.
    """
    periods = [parse_rate(schedule.expression, schedule.name) for schedule in schedules]
    return [
        Timer(schedule, period, period * place / len(schedules))
        for place, (schedule, period) in enumerate(zip(schedules, periods, strict=True), 1)
    ]


async def run_schedule(
    timer: Timer,
    invoke: Callable[[bytes], Awaitable[object]],
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> None:
    """Until cancelled.

    A run that is still going on when the next is due makes that one wait for the period after: AWS would
    start a second one beside it.
    """
    loop = asyncio.get_running_loop()
    seconds = timer.period.total_seconds()
    due = loop.time() + timer.first.total_seconds()
    while True:
        await asyncio.sleep(max(0.0, due - loop.time()))
        # A run outlives the timer: stopping lets it finish.
        await asyncio.shield(invoke(schedule_payload(timer.schedule, now())))
        missed = int((loop.time() - due) // seconds)
        due += (missed + 1) * seconds
