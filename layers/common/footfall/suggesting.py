"""The one suggestion that holds for a user now, with numbers counted in the database."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from footfall import queries, rules
from footfall.database import Transaction
from footfall.rules import NextAction, Rules

QUERIES = queries.load(Path(__file__).parent)

# Which query counts a fact.
COUNTED_BY = {
    "missing_projects": "own_projects",
    "opportunities": "opportunities",
    "matching_opportunities": "opportunities",
    "trending_items": "trending",
}


def next_actions(
    transaction: Transaction, user_ids: Iterable[str], now: datetime, by: Rules | None = None
) -> dict[str, NextAction]:
    """The next action of each user who has a profile, by user id; equal ones are one object."""
    chosen = by or rules.load()
    stages: dict[str, str] = {}
    counts: dict[str, dict[str, float]] = {}
    for row in transaction.all("stage_facts", user_ids=array(user_ids)):
        user, completeness = row["user_id"], row["profile_completeness"]
        stages[user] = chosen.stage(row["signed_up_at"], row["activity_count"], completeness, now)
        counts[user] = {} if completeness is None else {"profile_completeness": completeness}
    _count(transaction, stages, counts, now, chosen)
    made: dict[Any, NextAction] = {}
    actions = {}
    for user, stage in stages.items():
        key = stage, *counts[user].items()
        if key not in made:
            made[key] = chosen.suggest(stage, counts[user])
        actions[user] = made[key]
    return actions


def of_a_stranger(now: datetime, by: Rules | None = None) -> NextAction:
    """For a user of whom nothing is known: first sight is now."""
    chosen = by or rules.load()
    return chosen.suggest(chosen.stage(now, 0, None, now), {})


def _count(
    transaction: Transaction,
    stages: dict[str, str],
    counts: dict[str, dict[str, float]],
    now: datetime,
    by: Rules,
) -> None:
    """Only what decides: most stages need no numbers, and who has a match needs no other."""
    waiting: Sequence[str] = list(stages)
    while waiting:
        lacking = defaultdict(list)
        for user in waiting:
            fact = by.lacks(stages[user], counts[user])
            if fact is not None:
                lacking[COUNTED_BY.get(fact, fact)].append(user)
        for query, users in lacking.items():
            facts = [fact for fact, counter in COUNTED_BY.items() if counter == query] or [query]
            for user in users:
                counts[user].update(dict.fromkeys(facts, 0))
            if query in QUERIES:
                for row in transaction.all(query, user_ids=array(users), now=now, **by.facts):
                    counts[row["user_id"]].update({fact: row[fact] for fact in facts})
        waiting = [user for users in lacking.values() for user in users]


def array(ids: Iterable[str]) -> str:
    """The literal of an array; of a list the driver would look at each value."""
    return f"{{{','.join(ids)}}}"
