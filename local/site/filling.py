"""What the site shows before anybody has sent anything: the newest of what `make demo` simulates."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from local.demo.world import DEFAULT_SIZE, SEED, World
from local.feeding.door import Event

# So many of each type, and the profiles of whom they name: one request.
NEWEST = {"project": 72, "job": 60, "endorsement": 48}


def newest(until: datetime) -> Sequence[Event]:
    """Content events, with the ids that `make demo` gives them: sent by both, they count once."""
    hour = until.replace(minute=0, second=0, microsecond=0)
    # Who published in these days was there then, and may have left since.
    world = World(SEED, DEFAULT_SIZE, hour - timedelta(days=7), hour)
    is_open = [content for content in world.contents if content.is_open(hour)]
    chosen = []
    for kind, number in NEWEST.items():
        chosen += [content for content in is_open if content.content_type == kind][-number:]
    named = {user for one in chosen for user in (one.author_id, one.attributes.get("endorsed"))}
    profiles = [one for one in is_open if one.content_type == "profile" and one.content_id in named]
    return [event for content in [*profiles, *chosen] for event in world.description(content)]
