"""How well what was learned is what was hidden: figures, each beside what one would say without learning."""

import asyncio
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
from tqdm import tqdm

from footfall import rules
from functions.analyze import journeys
from functions.analyze.learning import QUERIES
from local.demo.people import WEEK, Account
from local.demo.world import World
from local.evaluation.journeys import score
from local.evaluation.visits import Visit
from local.feeding.door import Door

# Who hardly came has shown hardly anything.
LEAST_ACTIVITIES = 20
AT_ONCE = 4
# What each role is up to, as far as the rules have a name for it.
PURPOSES = {"job_seeker": "actively_searching", "recruiter": "recruiting", "builder": "researching"}
ATTRIBUTE = "attribute:topic:"

Shares = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Hidden:
    """What nobody sent of a user."""

    user_id: str
    role: str
    types: Shares
    topics: Shares
    # The share of each hour of the day, by the user's own clock and by UTC's.
    hours: Sequence[float]
    hours_utc: Sequence[float]
    stage: str
    activities: int


@dataclass(frozen=True, slots=True)
class Figure:
    """From 0 to 1: of what was learned, and of the same answer for everybody."""

    name: str
    learned: float
    baseline: float
    users: int


async def recover(door: Door, world: World, activities: Mapping[str, int]) -> str:
    """The figures as a table.

    Args:
        activities: what each user did, as it was sent.
    """
    hidden = [hide(one, world.until, activities.get(one.user_id, 0)) for one in world.accounts]
    hidden = [one for one in hidden if one.activities]
    told = await _ask(door, [one.user_id for one in hidden])
    rows = [
        f"  {one.name:<62}{one.learned:>8.3f}{one.baseline:>10.3f}{one.users:>8,}"
        for one in [
            *figures(hidden, told),
            *of_journeys(await _visits(door, world)),
            *calibration(hidden, told),
        ]
    ]
    head = f"  {'':<62}{'learned':>8}{'baseline':>10}{'of':>8}"
    return "\n".join(["", "What was hidden, and how well it was learned:", "", head, *rows])


async def _ask(door: Door, users: Sequence[str]) -> dict[str, dict[str, Any]]:
    told: dict[str, dict[str, Any]] = {}
    room = asyncio.Semaphore(AT_ONCE)

    async def ask(user: str, bar: "tqdm[Any]") -> None:
        async with room:
            told[user] = await door.get(f"/v1/users/{user}/insights")
            told[user] |= await door.get(f"/v1/users/{user}/preferences")
            bar.update()

    with tqdm(total=len(users), desc="asking", unit=" users") as bar:
        await asyncio.gather(*(ask(user, bar) for user in users))
    return told


def hide(account: Account, until: datetime, activities: int) -> Hidden:
    """What is hidden of an account at that time."""
    person, rhythm = account.person, account.person.rhythm
    week = WEEK[person.role]
    free, work = sum(week[5:]), sum(week[:5])
    hours = [
        (work * at_work / sum(rhythm.workday) + free * at_home / sum(rhythm.weekend)) / (work + free)
        for at_work, at_home in zip(rhythm.workday, rhythm.weekend, strict=True)
    ]
    ahead = until.astimezone(rhythm.time_zone).utcoffset() or timedelta()
    shift = round(ahead / timedelta(hours=1))
    completeness = [value for moment, value in account.completeness if moment < until]
    return Hidden(
        account.user_id,
        person.role,
        person.tastes.types,
        person.tastes.topics,
        hours,
        [hours[(hour + shift) % 24] for hour in range(24)],
        rules.load().stage(
            account.signed_up_at, activities, completeness[-1] if completeness else None, until
        ),
        activities,
    )


def figures(hidden: Sequence[Hidden], told: Mapping[str, Mapping[str, Any]]) -> list[Figure]:
    """One for each thing that is learned."""
    shown = [one for one in hidden if one.activities >= LEAST_ACTIVITIES]
    typical = _average([one.types for one in shown])
    topical = _average([one.topics for one in shown])
    lively = [one for one in shown if told[one.user_id]["active_hours"]]
    usual, usual_utc = (_busiest(_sum(hours)) for hours in _hours(lively))
    with_topics = [one for one in shown if _topics(told[one.user_id])]
    purposes = Counter(PURPOSES.get(one.role, "browsing") for one in shown)
    stages = Counter(one.stage for one in hidden)
    found = [
        _figure(
            "content types: the favourite found",
            shown,
            lambda one: _top(_types(told[one.user_id])) == _top(one.types),
            lambda one: _top(typical) == _top(one.types),
        ),
        _figure(
            "content types: overlap of the shares",
            shown,
            lambda one: _overlap(_types(told[one.user_id]), one.types),
            lambda one: _overlap(typical, one.types),
        ),
        _figure(
            "topics: the favourite found",
            with_topics,
            lambda one: _top(_topics(told[one.user_id])) == _top(one.topics),
            lambda one: _top(topical) == _top(one.topics),
        ),
        _figure(
            "active hours: share of visits that as many best hours hold",
            lively,
            lambda one: _covered(told[one.user_id]["active_hours"], one.hours),
            lambda one: _covered(usual[: len(told[one.user_id]["active_hours"])], one.hours),
        ),
        _figure(
            "active hours: the same, against everybody's by UTC",
            lively,
            lambda one: _covered(told[one.user_id]["active_hours"], one.hours),
            lambda one: _covered(usual_utc[: len(told[one.user_id]["active_hours"])], one.hours_utc),
        ),
        _figure(
            "stage",
            hidden,
            lambda one: told[one.user_id]["stage"] == one.stage,
            lambda one: stages.most_common(1)[0][0] == one.stage,
        ),
        _figure(
            "intent, as the role would have it",
            shown,
            lambda one: told[one.user_id]["intent"] == PURPOSES.get(one.role, "browsing"),
            lambda one: purposes.most_common(1)[0][0] == PURPOSES.get(one.role, "browsing"),
        ),
    ]
    return [figure for figure in found if figure is not None]


def of_journeys(visits: Sequence[Visit]) -> list[Figure]:
    """What comes next in the last fifth of the visits, from the ones before; beside the most frequent.

    Nothing is hidden of it but the future: the simulator throws dice for each step.
    """
    scores = score(visits)
    serves, usual = scores["kneser_ney"], scores["most_frequent"]
    if not serves.predictions:
        return []
    names = {"top1": "journeys: the next action (of so many)", "top3": "journeys: one of three"}
    return [
        Figure(name, serves.scores()[key].value, usual.scores()[key].value, serves.predictions)
        for key, name in names.items()
    ]


async def _visits(door: Door, world: World) -> list[Visit]:
    """As analyze reads them to learn journeys."""
    facts = await door.local()
    async with await psycopg.AsyncConnection.connect(facts["database_url"]) as connection:
        cursor = await connection.execute(
            QUERIES["journey_visits"],
            {
                "now": world.until,
                "days": journeys.DAYS,
                "most": journeys.MOST_ACTIVITIES,
                "most_of_one": journeys.MOST_OF_ONE_VISIT,
            },
        )
        rows = await cursor.fetchall()
    return [Visit(str(number), row[0]) for number, row in enumerate(rows)]


def calibration(hidden: Sequence[Hidden], told: Mapping[str, Mapping[str, Any]]) -> list[Figure]:
    """Favourites by how confident they are: the share that is right, beside the mean confidence."""
    said = []
    for one in hidden:
        likings = [liking for liking in told[one.user_id]["preferences"] if _is_learned_type(liking)]
        if likings:
            best = max(likings, key=lambda liking: liking["value"]["score"])
            said.append((best["confidence"], one.user_id, best["value"]["type"] == _top(one.types)))
    # Where it ties, by what has nothing to do with being right.
    said.sort()
    fifth = max(-(-len(said) // 5), 1)
    return [
        Figure(
            f"favourite right, at a confidence of {part[0][0]:.2f} to {part[-1][0]:.2f} (mean)",
            statistics.mean(right for *_, right in part),
            statistics.mean(confidence for confidence, *_ in part),
            len(part),
        )
        for part in (said[at : at + fifth] for at in range(0, len(said), fifth))
    ]


def _figure(
    name: str,
    users: Sequence[Hidden],
    learned: Callable[[Hidden], float],
    baseline: Callable[[Hidden], float],
) -> Figure | None:
    if not users:
        return None
    return Figure(
        name, statistics.mean(map(learned, users)), statistics.mean(map(baseline, users)), len(users)
    )


def _is_learned_type(preference: Mapping[str, Any]) -> bool:
    return str(preference["key"]).startswith("content_type:") and preference["source"] == "inferred"


def _types(told: Mapping[str, Any]) -> Shares:
    learned = [one for one in told["preferences"] if _is_learned_type(one)]
    return {one["value"]["type"]: one["value"]["score"] for one in learned}


def _topics(told: Mapping[str, Any]) -> Shares:
    learned = [one for one in told["preferences"] if one["key"].startswith(ATTRIBUTE)]
    return {one["key"].removeprefix(ATTRIBUTE): one["value"]["score"] for one in learned}


def _top(shares: Shares) -> str | None:
    return max(shares, key=lambda name: (shares[name], name), default=None)


def _average(shares: Sequence[Shares]) -> Shares:
    names = sorted({name for one in shares for name in one})
    return {name: statistics.mean(one.get(name, 0) for one in shares) for name in names}


def _overlap(one: Shares, other: Shares) -> float:
    """1 less the total variation distance."""
    return sum(min(one.get(name, 0), share) for name, share in other.items())


def _hours(users: Iterable[Hidden]) -> tuple[list[Sequence[float]], list[Sequence[float]]]:
    users = list(users)
    return [one.hours for one in users], [one.hours_utc for one in users]


def _sum(hours: Sequence[Sequence[float]]) -> list[float]:
    return [sum(hour) for hour in zip(*hours, strict=True)]


def _busiest(hours: Sequence[float]) -> list[int]:
    return sorted(range(len(hours)), key=lambda hour: -hours[hour])[:3]


def _covered(chosen: Sequence[int], hours: Sequence[float]) -> float:
    """So much of what as many best hours would cover: who came in one hour only is said one."""
    return sum(hours[hour] for hour in chosen) / sum(sorted(hours)[-len(chosen) :])
