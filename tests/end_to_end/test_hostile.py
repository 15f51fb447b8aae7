"""Bodies, headers and paths that nobody should send, over HTTP: no 5xx, no hang, no memory without bound."""

import http.client
import itertools
import os
import random
from contextlib import suppress

import pytest

from tests.end_to_end.local_stack import LocalStack
from tests.hostile import bodies

pytestmark = pytest.mark.xdist_group("stack")

NUMBER = 5_000 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 250
PATHS = (
    *(
        "/v1/events",
        "/v1/me/events",
        "/v1/batch",
        "/v1/t",
        "/v1/p",
        "/v1/i",
        "/v1/import",
        "/beacon/v1/batch",
    ),
    *(
        "/v1/events/",
        "//v1/events",
        "/v1/events/../events",
        "/v1/%65vents",
        "/v1/events%00",
        "/v1/events;a=b",
    ),
    *(
        "/v1/projects/%F0%9F%92%A9/settings",
        "/v1/users/%00/feed",
        "/v1/users/me/preferences/%2e%2e%2f",
        "/" + "a" * 4_000,
    ),
)
QUERIES = (
    "",
    "write_key={key}",
    "writeKey={key}",
    "write_key=",
    "write_key=%00",
    "write_key={key}&write_key=x",
    "a" * 4_000,
)
HEADERS: tuple[dict[str, str], ...] = (
    *({}, {"content-type": "application/json"}, {"content-type": "text/plain"}, {"content-type": "\xff"}),
    *(
        {"content-encoding": "gzip"},
        {"content-encoding": "br"},
        {"authorization": "Basic Og=="},
        {"authorization": "Basic"},
    ),
    *(
        {"authorization": "Bearer " + "a" * 3_000},
        {"authorization": "Bearer e30.e30.e30"},
        {"origin": "null"},
    ),
    *({"user-agent": "\x7f" * 2_000}, {"x-forwarded-for": "a, b, c"}, {"cookie": "a=b; " * 200}),
)
MEBIBYTE = 1024 * 1024


def resident(stack: LocalStack) -> int:
    """Bytes of memory of the stack and its functions."""
    functions = stack.children(containing="bootstrap.py")
    return sum(each.memory_info().rss for each in [stack.process(), *functions] if each.is_running())


def test_nothing_that_is_sent_breaks_the_api(stack: LocalStack) -> None:
    chance = random.Random(4)
    keys = [stack.local()[name] for name in ("browser_key", "server_key")]
    statuses: list[int] = []
    before = resident(stack)
    for body in itertools.islice(bodies(seed=4), NUMBER):
        path = chance.choice(PATHS[:8] if chance.random() < 0.7 else PATHS)
        query = chance.choice(QUERIES[:3] if chance.random() < 0.8 else QUERIES)
        target = f"{path}?{query.format(key=chance.choice(keys))}"
        connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=20)
        method = (
            "POST" if chance.random() < 0.9 else chance.choice(("GET", "PUT", "DELETE", "OPTIONS", "TRACE"))
        )
        # An answer may come before all of the body is read, and the rest of it then finds nobody.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.request(method, target, body, chance.choice(HEADERS))
        with suppress(ConnectionResetError, http.client.RemoteDisconnected):
            answer = connection.getresponse()
            answer.read()
            assert answer.status < 500, (method, target, body[:200])
            statuses.append(answer.status)
        connection.close()
    assert len(statuses) > 0.95 * NUMBER
    assert set(statuses) >= {200, 202, 400, 401, 404}
    assert resident(stack) - before < 300 * MEBIBYTE
    assert stack.get("/health").status == 200
