"""Stages, intents and suggestions: the rules of rules.toml, applied. Time and counts are arguments."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("rules.toml")

Counts = Mapping[str, float]


class Count(int):
    """A counted number that knows its noun: f"{Count(1):item/items}" is "1 item"."""

    def __format__(self, spec: str) -> str:
        one, _, many = spec.partition("/")
        return f"{int(self)} {one if self == 1 else many}" if many else int(self).__format__(spec)


@dataclass(frozen=True, slots=True)
class Intent:
    name: str
    more_than: int
    matches: tuple[Mapping[str, str], ...]

    def holds(self, activities: Iterable[Mapping[str, Any]]) -> bool:
        return sum(any(_matches(activity, wanted) for wanted in self.matches) for activity in activities) > (
            self.more_than
        )


@dataclass(frozen=True, slots=True)
class Stage:
    """A condition that is None always holds."""

    name: str
    days_below: int | None = None
    days_above: int | None = None
    activities_below: int | None = None
    activities_above: int | None = None
    completeness_below: float | None = None

    def holds(self, days: int, activities: int, completeness: float | None) -> bool:
        return (
            _below(days, self.days_below)
            and _above(days, self.days_above)
            and _below(activities, self.activities_below)
            and _above(activities, self.activities_above)
            and _below(completeness, self.completeness_below)
        )


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One thing to do next; `message` still has its numbers' places."""

    stage: str
    action: str
    message: str
    cta: str
    priority: str
    needs: tuple[str, ...] = ()

    def holds(self, stage: str, counts: Counts) -> bool:
        return self.stage == stage and all(counts.get(need, 0) > 0 for need in self.needs)


@dataclass(frozen=True, slots=True)
class NextAction:
    """What to suggest now, and the counted facts that it rests on."""

    action: str
    message: str
    cta: str
    priority: str
    stage: str
    evidence: dict[str, float]


@dataclass(frozen=True, slots=True)
class Rules:
    recent: int
    otherwise: str
    intents: tuple[Intent, ...]
    stages: tuple[Stage, ...]
    suggestions: tuple[Suggestion, ...]
    facts: Mapping[str, Any]
    preferences: Mapping[str, Any]

    def intent(self, activities: Iterable[Mapping[str, Any]]) -> str:
        """The intent of the latest activities (`event_type`, `event_action`), at most `recent` of them."""
        latest = list(activities)[: self.recent]
        return next((intent.name for intent in self.intents if intent.holds(latest)), self.otherwise)

    def stage(
        self, signed_up_at: datetime, activities: int, completeness: float | None, now: datetime
    ) -> str:
        """The journey stage; `completeness` is 0 to 100, None where unknown."""
        days = (now - signed_up_at).days
        return next(stage.name for stage in self.stages if stage.holds(days, activities, completeness))

    def lacks(self, stage: str, counts: Counts) -> str | None:
        """The next fact to count before it is known which suggestion holds; None where it is known."""
        for suggestion in self.suggestions:
            if suggestion.stage == stage and all(counts.get(need, 1) > 0 for need in suggestion.needs):
                return next((need for need in suggestion.needs if need not in counts), None)
        return None

    def suggest(self, stage: str, counts: Counts) -> NextAction:
        """The first suggestion of the stage that the counts carry."""
        chosen = next(suggestion for suggestion in self.suggestions if suggestion.holds(stage, counts))
        evidence = {need: counts[need] for need in chosen.needs}
        message = chosen.message.format(**{name: Count(count) for name, count in evidence.items()})
        return NextAction(chosen.action, message, chosen.cta, chosen.priority, stage, evidence)


@cache
def load(file: Path = FILE) -> Rules:
    """The rules of a file.

    Raises:
        ValueError: a stage has no suggestion that always holds, or the last stage has conditions.
    """
    said = tomllib.loads(file.read_text(encoding="utf-8"))
    rules = Rules(
        recent=said["recent"],
        otherwise=said["otherwise"],
        intents=tuple(Intent(**{**one, "matches": tuple(one["matches"])}) for one in said["intents"]),
        stages=tuple(Stage(**one) for one in said["stages"]),
        suggestions=tuple(
            Suggestion(**{**one, "needs": tuple(one.get("needs", ()))}) for one in said["suggestions"]
        ),
        facts=said["facts"],
        preferences=said["preferences"],
    )
    _check(rules, file)
    return rules


def _check(rules: Rules, file: Path) -> None:
    if rules.stages[-1] != Stage(rules.stages[-1].name):
        raise ValueError(f"{file.name}: the last stage, {rules.stages[-1].name}, must have no conditions")
    for stage in rules.stages:
        if not any(one.holds(stage.name, {}) for one in rules.suggestions):
            raise ValueError(f"{file.name}: the stage {stage.name} has no suggestion without needs")


def _matches(activity: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
    return all(activity.get(key) == value for key, value in wanted.items())


def _below(value: float | None, limit: float | None) -> bool:
    return limit is None or (value is not None and value < limit)


def _above(value: float | None, limit: float | None) -> bool:
    return limit is None or (value is not None and value > limit)
