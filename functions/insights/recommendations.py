"""The report on recommendations: what was shown and clicked in each arm, and what may be said of it."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from footfall.database import Transaction
from footfall.errors import BadRequestError
from functions.insights import comparing
from functions.insights.comparing import Arm, SampleRatio, Strategy, Sums, Uplift

USUAL_DAYS, MOST_DAYS = 30, 92
DAY = timedelta(days=1)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


@dataclass(frozen=True, slots=True)
class Days:
    """Whole days (UTC), both included."""

    first: date
    last: date


def days_of(query: Mapping[str, str], today: date) -> Days:
    """The days asked for, the latest thirty unless said otherwise.

    Raises:
        BadRequestError: one is no date, they are the wrong way round, or too many.
    """
    last = _date("to", query["to"]) if query.get("to") else today
    if last < date.min + USUAL_DAYS * DAY or last == date.max:
        raise BadRequestError("to: is too far away")
    first = _date("from", query["from"]) if query.get("from") else last - (USUAL_DAYS - 1) * DAY
    if first > last:
        raise BadRequestError(f"from: {first} is after {last}")
    if first == date.min:
        raise BadRequestError("from: is too far away")
    if (last - first).days >= MOST_DAYS:
        raise BadRequestError(f"from: at most {MOST_DAYS} days at once, not {(last - first).days + 1}")
    return Days(first, last)


def report(transaction: Transaction, days: Days) -> dict[str, Any]:
    """The days' report; counts are of what is stored, and clicks may still come for a day."""
    since = datetime(days.first.year, days.first.month, days.first.day, tzinfo=UTC)
    until = datetime(days.last.year, days.last.month, days.last.day, tzinfo=UTC) + DAY
    transaction.run("give_memory_and_no_loops")
    [row] = transaction.all("evidence", since=since, until=until)
    return {"from": f"{days.first}", "to": f"{days.last}", **answer(row["arms"], row["strategies"])}


def answer(groups: Sequence[Sums], strategies: Sequence[Sums]) -> dict[str, Any]:
    """Of the sums that `evidence` finds."""
    personal, holdout = comparing.arm("personal", groups), comparing.arm("holdout", groups)
    ratio = comparing.sample_ratio(groups)
    is_enough = personal.is_enough and holdout.is_enough
    uplifts: dict[str, Uplift] = {}
    if is_enough and not ratio.is_wrong:
        degrees = comparing.degrees_of(min(personal.clicking, holdout.clicking))
        uplifts = {
            "click_through": comparing.uplift(personal.click_through, holdout.click_through, degrees),
            "engagement": comparing.uplift(personal.engagement, holdout.engagement, degrees),
        }
    verdict, message = _verdict(personal, holdout, ratio, uplifts.get("click_through"))
    found, best = comparing.strategies(strategies)
    return {
        "verdict": verdict,
        "message": message,
        "confidence": comparing.CONFIDENCE,
        "arms": {"personal": _arm(personal), "holdout": _arm(holdout)},
        "uplift": {name: _uplift(one) for name, one in uplifts.items()} or None,
        "missing": None if is_enough else {"personal": _missing(personal), "holdout": _missing(holdout)},
        "sample_ratio": {
            "held_out": ratio.held_out,
            "expected": round(ratio.expected, 1),
            "chi_square": _rounded(ratio.chi_square),
            "p_value": _rounded(ratio.p_value),
            "mismatch": ratio.is_wrong,
        },
        "strategies": [_strategy(one) for one in found],
        "best_strategy": best,
    }


def _verdict(
    personal: Arm, holdout: Arm, ratio: SampleRatio, click_through: Uplift | None
) -> tuple[comparing.Verdict, str]:
    if ratio.is_wrong:
        return "ratio_mismatch", (
            f"Nothing can be said: {ratio.held_out} visitors were held out, where {ratio.expected:.0f} should"
            " be. The arms aren't alike, and what made them differ may have made their clicks differ"
        )
    if not personal.impressions and not holdout.impressions:
        return "nothing_shown", "Nothing can be said: no feed was shown while visitors were held out"
    if click_through is None:
        needed = [f"{words} in {name}" for name, one in (("personal", personal), ("holdout", holdout))
                  if (words := _needs(one))]  # fmt: skip
        return "too_thin", f"Too little was seen to say anything: missing are {' and '.join(needed)}"
    low, high = (f"{100 * bound:+.0f} %" for bound in (click_through.low, click_through.high))
    if click_through.verdict == "no_difference":
        return "no_difference", (
            f"No difference is shown: personalization changed click-through by {low} to {high}."
            f" To see an effect of {100 * comparing.WORTH_SEEING:.0f} % would take"
            f" {click_through.times_more:.1f} times as many visitors"
        )
    said = "more" if click_through.verdict == "better" else "fewer"
    return click_through.verdict, (
        f"Personalization brings {said} clicks: {low} to {high} of the holdout's click-through"
    )


def _needs(one: Arm) -> str:
    missing = _missing(one)
    clicking = missing["clicking_visitors"]
    return f"{missing['visitors']} visitors, {clicking} of them clicking" if any(missing.values()) else ""


def _missing(one: Arm) -> dict[str, int]:
    """At the rate at which visitors clicked so far; where none did, at least."""
    clicking = max(comparing.MIN_CLICKING - one.clicking, 0)
    for_clicks = math.ceil(clicking * one.active / one.clicking) if one.clicking else clicking
    return {
        "visitors": max(comparing.MIN_VISITORS - one.active, for_clicks, 0),
        "clicking_visitors": clicking,
    }


def _arm(one: Arm) -> dict[str, Any]:
    return {
        "visitors": one.visitors,
        "active_visitors": one.active,
        "clicking_visitors": one.clicking,
        "impressions": one.impressions,
        "clicks": one.clicks,
        "click_through": _rounded(one.click_through.value) if one.impressions else None,
        "engagement_per_visitor": _rounded(one.engagement.value) if one.visitors else None,
    }


def _uplift(one: Uplift) -> dict[str, Any]:
    return {
        "value": _rounded(one.value),
        "interval": [_rounded(one.low), _rounded(one.high)],
        "verdict": one.verdict,
        "detectable": _rounded(one.detectable),
    }


def _strategy(one: Strategy) -> dict[str, Any]:
    return {
        "strategy": one.name,
        "shown": one.shown,
        "clicked": one.clicked,
        "click_through": _rounded(one.click_through),
        "click_through_interval": _interval(one.click_through_interval),
        "against_expected": _rounded(one.against_expected),
        "against_expected_interval": _interval(one.against_expected_interval),
    }


def _interval(bounds: tuple[float, float] | None) -> list[float | None] | None:
    return bounds and [_rounded(bound) for bound in bounds]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _date(name: str, text: str) -> date:
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise BadRequestError(f"{name}: must be a date as in 2026-11-22, not {text[:40]!r}")
