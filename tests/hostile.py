"""Bodies that nobody should send, without end and the same ones for the same seed."""

import gzip
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

A = "7d2f8a1e-54c3-4b6f-9a0e-1c2d3e4f5a6b"
FIELDS = (
    *(
        "id",
        "type",
        "created_at",
        "anonymous_id",
        "session_id",
        "page_path",
        "referrer",
        "metadata",
        "context",
    ),
    *("time_zone", "sequence", "user_id", "event_type", "event_category", "event_action", "content_type"),
    *(
        "content_id",
        "interaction_type",
        "duration_seconds",
        "feed_id",
        "position",
        "traits",
        "title",
        "available",
    ),
)
# JSON texts that parse in Python and that a table, a queue or a stricter parser refuses, among usual ones.
VALUES = (
    *("null", "true", "0", "-1", "1.5", '""', '"text"', "[]", "{}", '{"a": 1}', "[1, [2, [3]]]"),
    *("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e-999", "9" * 5_000, "0." + "1" * 5_000),
    *(
        r'"\u0000"',
        r'"\ud800"',
        r'"\udfff\ud800"',
        r'"\ud83d\ude00"',
        '"\u202e"',
        '"\ufeff"',
        '"' + "x" * 70_000 + '"',
    ),
    *("[" * 50 + "]" * 50, "[" * 5_000 + "]" * 5_000, '{"a":' * 3_000 + "1" + "}" * 3_000),
    *('"null"', '"undefined"', '"[object Object]"', '"2026-13-45T99:99:99Z"', '"0001-01-01T00:00:00+14:00"'),
    *(
        '"9999-12-31T23:59:59-14:00"',
        '"../../etc/passwd"',
        '"\'; DROP TABLE content; --"',
        '"%00"',
        '"<script>"',
    ),
)
GOOD: dict[str, Any] = {
    "event_type": "page_view",
    "anonymous_id": A,
    "metadata": {"title": "é", "n": [1, 2.5]},
}


def bodies(seed: int | str) -> Iterator[bytes]:
    """Without end."""
    chance = random.Random(seed)
    while True:
        yield chance.choice(MAKERS)(chance)


def _event(chance: random.Random) -> str:
    """An event, some of whose fields are anything; names may repeat."""
    pairs = [f'"event_type": "page_view", "anonymous_id": "{A}"'] if chance.random() < 0.7 else []
    for _ in range(chance.randrange(5)):
        name = json.dumps(chance.choice(FIELDS)) if chance.random() < 0.9 else r'"\u0000\ud800"'
        pairs.append(f"{name}: {chance.choice(VALUES)}")
    return "{" + ", ".join(pairs) + "}"


def _native(chance: random.Random) -> bytes:
    events = ", ".join(_event(chance) for _ in range(chance.randrange(4)))
    sent_at = f', "sent_at": {chance.choice(VALUES)}' if chance.random() < 0.2 else ""
    return chance.choice((f'{{"events": [{events}]{sent_at}}}', f"[{events}]", _event(chance))).encode(
        "utf-8", "surrogatepass"
    )


def _segment(chance: random.Random) -> bytes:
    def message() -> str:
        kind = chance.choice(("track", "page", "screen", "identify", "group", "alias", "other"))
        names = (
            "messageId",
            "userId",
            "anonymousId",
            "event",
            "properties",
            "traits",
            "context",
            "timestamp",
        )
        pairs = [f'"{name}": {chance.choice(VALUES)}' for name in chance.sample(names, chance.randrange(5))]
        return "{" + ", ".join([f'"type": "{kind}"', f'"anonymousId": "{A}"', *pairs]) + "}"

    messages = ", ".join(message() for _ in range(chance.randrange(4)))
    return f'{{"batch": [{messages}], "context": {chance.choice(VALUES)}}}'.encode("utf-8", "surrogatepass")


def _damaged(chance: random.Random) -> bytes:
    body = bytearray(json.dumps({"events": [GOOD] * chance.randrange(1, 4)}).encode())
    for _ in range(chance.randrange(1, 6)):
        place = chance.randrange(len(body))
        match chance.randrange(4):
            case 0:
                body[place] = chance.randrange(256)
            case 1:
                del body[place : place + chance.randrange(1, 20)]
            case 2:
                body[place:place] = body[: chance.randrange(1, 40)]
            case _:
                body[place:place] = chance.choice(
                    (b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"{", b"]", b'"', b"\\")
                )
        body = body or bytearray(b" ")
    return bytes(body)


def _packed(chance: random.Random) -> bytes:
    packed = gzip.compress(_native(chance), mtime=0)
    match chance.randrange(6):
        case 0:
            return packed[: chance.randrange(len(packed))]
        case 1:
            return packed + packed
        case 2:
            return gzip.compress(packed, mtime=0)
        case 3:
            return packed.decode(errors="replace").encode()
        case 4:
            return gzip.compress(b"[" * chance.randrange(5_000_000), mtime=0)
        case _:
            return packed


def _strange(chance: random.Random) -> bytes:
    return chance.choice([*STRANGE, chance.randbytes(200)])


TEXT = json.dumps(GOOD)
STRANGE = (
    *(b"", b" ", b"null", b"[]", b"{}", b"0", b'"text"', b"\x1f\x8b", b'{"events": null}'),
    *(
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        TEXT.encode("utf-32"),
        b'{"events": %s}' % TEXT.encode(),
    ),
    *(b"[" * 1_000_000, b'{"a":' * 200_000, b"9" * 100_000, b"[" + b"0," * 30_000 + b"0]"),
)
MAKERS: tuple[Callable[[random.Random], bytes], ...] = (
    _native,
    _native,
    _segment,
    _damaged,
    _damaged,
    _packed,
    _strange,
)
