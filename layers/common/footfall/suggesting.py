"""The one suggestion that holds for a user now, with numbers counted in the database."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from footfall import queries, rules
from footfall.database import Transaction
from footfall.rules import NextAction, Rules

QUERIES = queries.load(Path(__file__).parent)


def next_actions(
    transaction: Transaction, user_ids: Sequence[Any], now: datetime, by: Rules | None = None
) -> dict[Any, NextAction]:
    """The next action of each user who has a profile, by user id."""
    chosen = by or rules.load()
    found = transaction.all("facts", user_ids=user_ids, now=now, **chosen.facts)
    return {facts["user_id"]: _next_action(facts, now, chosen) for facts in found}


def of_a_stranger(now: datetime, by: Rules | None = None) -> NextAction:
    """For a user of whom nothing is known: first sight is now."""
    chosen = by or rules.load()
    return chosen.suggest(chosen.stage(now, 0, None, now), {})


def _next_action(facts: dict[str, Any], now: datetime, by: Rules) -> NextAction:
    stage = by.stage(facts["signed_up_at"], facts["activity_count"], facts["profile_completeness"], now)
    return by.suggest(stage, {key: value for key, value in facts.items() if isinstance(value, (int, float))})
