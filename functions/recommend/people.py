"""What is known of one user: intent, stage, next action, preferences, and who is alike."""

import json
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, TypedDict

from footfall import ids, rules, suggesting
from footfall.database import Row, Transaction
from footfall.errors import BadRequestError, NotFoundError
from footfall.journeys import RECENT
from footfall.rules import NextAction
from functions.recommend.journeys import journey

# What analyze counted is served for so long; then it is counted again.
SUGGESTION_KEEPS = timedelta(minutes=10)
CONTENT_TYPE, ATTRIBUTE, AUTHOR = "content_type:", "attribute:", "author:"
ACTIVE_HOURS = "active_hours"
# What is nested deeper may be read once and never again.
MAX_DEPTH = 32
# Insights read all that a user said: so long a value, so many of them.
MAX_BYTES = 16 * 1024
MAX_SAID = 100


class Preference(TypedDict):
    key: str
    value: Any
    confidence: float
    source: str
    updated_at: str


def intent_of(transaction: Transaction, user_id: str) -> str:
    """From the latest activities, seconds old."""
    return rules.load().intent(_latest(transaction, user_id))


def next_action_of(transaction: Transaction, user_id: str, now: datetime) -> NextAction:
    """What analyze left, where it is fresh and the stage is still the same; else counted now."""
    return _next_action(transaction, transaction.one("profile", user_id=user_id), now)


def insights(transaction: Transaction, user_id: str, now: datetime) -> dict[str, Any]:
    """Everything about one user in one answer."""
    profile = transaction.one("profile", user_id=user_id)
    action = _next_action(transaction, profile, now)
    known = transaction.all("preferences", user_id=user_id, key=None)
    latest = _latest(transaction, user_id)
    active: dict[str, Any] = next((one["value"] for one in known if one["key"] == ACTIVE_HOURS), {})
    return {
        "stage": action.stage,
        "suggestion": asdict(action),
        "preferences": [_liking(one) for one in known if one["key"].startswith(CONTENT_TYPE)],
        "intent": rules.load().intent(latest),
        "active_hours": active.get("hours", []),
        **journey(transaction, latest, now),
        # The hours' own; the user may be elsewhere by now.
        "time_zone": active.get("time_zone") or (profile and profile["time_zone"]),
        "updated_at": profile and profile["computed_at"],
    }


def similar_users(transaction: Transaction, user_id: str, limit: int, now: datetime) -> dict[str, Any]:
    """Who engages with the same content, the most alike first: as analyze found them, else found now."""
    known = transaction.all("known_similar_users", user_id=user_id, limit=limit)
    if not known:
        [found] = transaction.all("similar_users", user_ids=suggesting.array([user_id]), now=now)
        found.pop("user_id")
        known = transaction.all("name_similar_users", **found, limit=limit)
    return {
        "users": [
            {
                "user_id": row["user_id"],
                "similarity_score": round(row["similarity"], 4),
                "shared": row["shared"],
            }
            for row in known
        ]
    }


def preferences(transaction: Transaction, user_id: str) -> dict[str, list[Preference]]:
    return {
        "preferences": [_preference(row) for row in transaction.all("preferences", user_id=user_id, key=None)]
    }


def preference(transaction: Transaction, user_id: str, key: str) -> Preference:
    """One preference.

    Raises:
        NotFoundError: nothing is known under this key.
    """
    row = transaction.one("preferences", user_id=user_id, key=key)
    if row is None:
        raise NotFoundError(f"there is no preference {key!r}")
    return _preference(row)


def put_preference(transaction: Transaction, user_id: str, key: str, value: Any, now: datetime) -> Preference:
    """Keeps what the user said.

    Raises:
        BadRequestError: the key or the value is too long, the value isn't what its key asks for, or the
            user has said too much.
    """
    if not 1 <= len(key) <= 100:
        raise BadRequestError("key: must have 1 to 100 characters")
    if value is None:
        raise BadRequestError("the body must be a JSON value that isn't null; DELETE forgets a preference")
    if _is_deep(value):
        raise BadRequestError(f"the body is nested deeper than {MAX_DEPTH}")
    text = _text(_checked(key, value))
    if not transaction.run("put_preference", user_id=user_id, key=key, value=text, now=now, most=MAX_SAID):
        raise BadRequestError(f"key: the user has put {MAX_SAID} preferences, and more aren't kept")
    return preference(transaction, user_id, key)


def delete_preference(transaction: Transaction, user_id: str, key: str) -> None:
    """Forgets a preference; what behaviour says of it comes back with the next run of analyze."""
    transaction.run("delete_preference", user_id=user_id, key=key)
    transaction.run("relearn", user_id=user_id)


def _latest(transaction: Transaction, user_id: str) -> list[Row]:
    return transaction.all("last_activities", user_id=user_id, limit=max(rules.load().recent, RECENT))


def _next_action(transaction: Transaction, profile: Row | None, now: datetime) -> NextAction:
    if profile is None:
        return suggesting.of_a_stranger(now)
    user_id = str(profile["id"])
    return _kept(profile, now) or suggesting.next_actions(transaction, [user_id], now)[user_id]


def _kept(profile: Row, now: datetime) -> NextAction | None:
    stage = rules.load().stage(
        profile["signed_up_at"], profile["activity_count"], profile["profile_completeness"], now
    )
    if profile["computed_at"] is None or profile["stage"] != stage:
        return None
    if now - profile["computed_at"] > SUGGESTION_KEEPS:
        return None
    return NextAction(
        profile["action"], profile["message"], profile["cta"], profile["priority"], stage, profile["evidence"]
    )


def _preference(row: dict[str, Any]) -> Preference:
    return {
        "key": row["key"],
        "value": row["value"],
        "confidence": row["confidence"],
        "source": row["source"],
        "updated_at": row["updated_at"].isoformat(),
    }


def _liking(row: dict[str, Any]) -> dict[str, Any]:
    return {**row["value"], "confidence": row["confidence"], "source": row["source"]}


def _checked(key: str, value: Any) -> Any:
    """The value in the form that feed and insights read; any other key is the product's own."""
    if key.startswith(CONTENT_TYPE):
        content_type = key.removeprefix(CONTENT_TYPE)
        if not 1 <= len(content_type) <= 50:
            raise BadRequestError("key: a content type must have 1 to 50 characters")
        return {"type": content_type, "score": _score(value)}
    if key == ACTIVE_HOURS and not _are_hours(value):
        raise BadRequestError('active_hours needs {"hours": [whole numbers from 0 to 23]}')
    if key.startswith((ATTRIBUTE, AUTHOR)):
        return {"score": _score(value)}
    return value


def key_of(said: str) -> str:
    """The key as it is stored: an author by UUID, an attribute's value in small letters."""
    if said.startswith(AUTHOR):
        return AUTHOR + ids.to_uuid("user", said.removeprefix(AUTHOR))
    if said.startswith(ATTRIBUTE):
        name, colon, value = said.removeprefix(ATTRIBUTE).partition(":")
        return f"{ATTRIBUTE}{name}{colon}{value.lower()}"
    return said


def _text(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise BadRequestError(f"the body has more than {MAX_BYTES} bytes of JSON (16 KiB)")
    return json.dumps(value)


def _is_deep(value: Any, room: int = MAX_DEPTH) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(room == 0 or _is_deep(item, room - 1) for item in inner)


def _are_hours(value: Any) -> bool:
    hours = value.get("hours") if isinstance(value, dict) else None
    return isinstance(hours, list) and all(type(hour) is int and 0 <= hour <= 23 for hour in hours)


def _score(value: Any) -> float:
    score = value.get("score") if isinstance(value, dict) else value
    if isinstance(score, bool) or not isinstance(score, (int, float)) or not 0 <= score <= 1:
        raise BadRequestError(
            'what content is liked for (type, attribute, author) needs {"score": a number from 0 to 1}'
        )
    return round(float(score), 4)
