"""What nobody sent: the tastes behind the events, to measure against what was learned of them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.demo.catalogue import Content
from local.demo.people import Account
from local.demo.world import World


def write(world: World, file: Path) -> None:
    """`{"users": […], "contents": […]}` as JSON. Shares sum to 1; quality is against a median of 1."""
    truth = {
        "since": world.since.isoformat(),
        "until": world.until.isoformat(),
        "users": [_user(account) for account in world.accounts],
        "contents": [_content(content) for content in world.contents],
    }
    file.write_text(json.dumps(truth, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _user(account: Account) -> dict[str, Any]:
    tastes = account.person.tastes
    return {
        "user_id": account.user_id,
        "role": account.person.role,
        "interests": _rounded(tastes.interests),
        "topics": _rounded(tastes.topics),
        "content_types": _rounded(tastes.types),
        "time_zone": account.person.place.time_zone,
        "signed_up_at": account.signed_up_at.isoformat(),
        "left_at": account.left_at.isoformat(),
    }


def _content(content: Content) -> dict[str, Any]:
    return {
        "content_type": content.content_type,
        "content_id": content.content_id,
        "topic": content.topic,
        "quality": round(content.quality, 4),
        "published_at": content.published_at.isoformat(),
    }


def _rounded(shares: Mapping[str, float]) -> dict[str, float]:
    return {name: round(share, 4) for name, share in shares.items()}
