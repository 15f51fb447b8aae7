"""What was tracked arrives, once, in the long run: whatever becomes of tabs, browsers, network and server.

HYPOTHESIS_PROFILE=thorough soaks longer; `pytest -s` shows the figures.
"""

import contextlib
import json
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Database
from tests.browser.shop import Shop
from tests.browser.soaking import BODY, Soak
from tests.end_to_end.local_stack import LocalStack, eventually
from tests.needing import CHROMIUM, missing

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(3600 if THOROUGH else 300)]

SESSIONS = 300 if THOROUGH else 20
SEED = int(os.environ.get("SOAK_SEED", "1"))
ROWS = """
SELECT CASE event_type WHEN 'page_view' THEN ltrim(page_path, '/') ELSE event_action END, session_id
FROM user_activities WHERE starts_with(ltrim(page_path, '/'), %s)
"""
COUNTED = "SELECT sum(page_views + actions_count) FROM user_sessions WHERE id = ANY (%s)"


def test_random_sessions_lose_and_repeat_nothing(
    launching: dict[str, Any], stack: LocalStack, shop: Shop, database: Database, run: str, tmp_path: Path
) -> None:
    if not Path(CHROMIUM).exists():
        missing("a Chromium; `make test` brings one")
    shop.attributes, shop.body = {"clicks": ""}, BODY
    soak = Soak(shop, stack.data_dir / "queue-outage", tmp_path, launching, run, SEED)
    print("seed", SEED)
    with ThreadPoolExecutor(1) as thread:
        # Other tests leave a loop in this one.
        trouble = thread.submit(soak, SESSIONS).result()
    tracked = {name for ledger in soak.ledgers for name in ledger.tracked}
    tried = {name for ledger in soak.ledgers for name in ledger.tried}
    excused = {name for ledger in soak.ledgers for name in ledger.just_before_a_crash}
    unwritten = {name: age for ledger in soak.ledgers for name, age in ledger.unwritten.items()}

    def stored() -> Counter[str]:
        return Counter(str(name) for name, _ in database.execute(ROWS, (run,)).fetchall())

    with contextlib.suppress(AssertionError):
        # A message whose consumer was too slow comes again only after two minutes.
        eventually(lambda: tracked - excused - unwritten.keys() <= stored().keys(), within=300)
    rows = stored()
    lost = tracked - rows.keys()
    names = (event["event_action"] for event in shop.door.taken if event.get("event_type") == "user_action")
    sent = Counter(names)
    figures = {
        **vars(soak.figures),
        "tracked": len(tracked),
        "requests": len(shop.door.posts),
        "answered_503": sum(post.status == 503 for post in shop.door.posts),
        "hung_up": trouble.hung_up,
        "unanswered": trouble.unanswered,
        "events_sent_again": sum(count > 1 for count in sent.values()),
        "lost": len(lost),
        "lost_in_the_second_before_a_crash": len(lost & excused),
        "lost_by_chromium_when_killed": len(lost & unwritten.keys()),
        "of_these_older_than_a_second": sum(unwritten[name] > 1 for name in lost & unwritten.keys()),
        "their_greatest_age": round(max((unwritten[name] for name in lost & unwritten.keys()), default=0), 1),
        "stored_twice": sum(count > 1 for count in rows.values()),
    }
    print(json.dumps(figures))
    for ledger in soak.ledgers:
        if gone := sorted(ledger.tracked.keys() & lost - excused - unwritten.keys()):
            said = (f"{ledger.tracked[name]:.2f} lost {name}, taken {sent[name]} times" for name in gone)
            print(*ledger.story, *said, sep="\n")
    assert lost <= excused | unwritten.keys()
    assert rows.keys() <= tried
    assert set(rows.values()) == {1}
    sessions = [session for _, session in database.execute(ROWS, (run,)).fetchall()]
    assert database.execute(COUNTED, (sessions,)).fetchone() == (len(sessions),)
    assert min(trouble.refused, trouble.hung_up, trouble.unanswered, figures["events_sent_again"]) > 0
