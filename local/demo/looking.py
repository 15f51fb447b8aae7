"""Where to look after the demo: some people who differ, and what the stack says of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from local.demo.people import Account
from local.demo.world import World
from local.feeding.door import Door

SHOWN: Mapping[str, str] = {
    "job_seeker": "looks for a job",
    "recruiter": "looks for people",
    "builder": "builds things",
    "lurker": "looks around",
}


def people(world: World, activity: Mapping[str, int]) -> Sequence[Account]:
    """One of each role, of those who come often lately, and who signed up last.

    Args:
        activity: how much each did lately.
    """
    present = [one for one in world.accounts if one.is_there(world.until) and activity.get(one.user_id)]
    ranked = sorted(present, key=lambda one: (-activity[one.user_id], one.user_id))
    chosen = []
    for role in SHOWN:
        alike = [one for one in ranked if one.person.role == role]
        # Among the busy ones, not the busiest.
        chosen += alike[len(alike) // 5 :][:1]
    newest = max(present, key=lambda one: one.signed_up_at, default=None)
    return [*chosen, *([newest] if newest and newest not in chosen else [])]


async def describe(door: Door, accounts: Iterable[Account]) -> str:
    """What is known of each, as its own routes say it; then how to ask."""
    accounts = list(accounts)
    blocks = [line for account in accounts for line in await _described(door, account)]
    return "\n".join([*blocks, *(_commands(door.url, accounts[0].user_id) if accounts else ())])


async def _described(door: Door, account: Account) -> list[str]:
    user = f"/v1/users/{account.user_id}"
    insights = await door.get(f"{user}/insights")
    feed = await door.get(f"{user}/feed?limit=2")
    alike = await door.get(f"{user}/similar-users?limit=3")
    tastes = account.person.tastes.interests
    likes = " and ".join(sorted(tastes, key=tastes.__getitem__, reverse=True))
    learned = "; ".join([insights["stage"], insights["intent"], _preferences(insights), _hours(insights)])
    return [
        "",
        f"{account.user_id}  {SHOWN[account.person.role]}, and likes {likes}",
        f"  is        {learned}",
        f"  suggest   {insights['suggestion']['message']}",
        *(f"  show      {item['title']} ({item['reason']})" for item in feed["items"]),
        f"  is like   {_alike(alike)}",
    ]


def _preferences(insights: Mapping[str, Any]) -> str:
    liked = [f"{one['type']} {one['score']:.2f}" for one in insights["preferences"][:3]]
    return f"likes {', '.join(liked)}" if liked else "no preferences yet"


def _hours(insights: Mapping[str, Any]) -> str:
    hours = ", ".join(f"{hour}:00" for hour in insights["active_hours"])
    return f"comes at {hours} in {insights['time_zone']}" if hours else "not here this week"


def _alike(answer: Mapping[str, Any]) -> str:
    users = [f"{one['user_id']} ({one['similarity_score']:.2f})" for one in answer["users"]]
    return ", ".join(users) or "nobody yet"


def _commands(url: str, user_id: str) -> Iterator[str]:
    read = "python3 -c 'import json,sys; print(json.load(sys.stdin)[\"access_token\"])'"
    yield f"\nSign in as one of them at {url}/demo/, or ask, in another terminal:\n"
    yield f"""  token=$(curl -s {url}/local/token -d '{{"sub": "{user_id}"}}' | {read})"""
    for route in ("insights", "feed?limit=5", "next-action", "similar-users"):
        yield f"""  curl -s "{url}/v1/users/me/{route}" -H "Authorization: Bearer $token\""""
