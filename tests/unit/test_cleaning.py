"""What JSON allows and Postgres doesn't is suspected, and replaced."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.ingest.cleaning import MAX_DEPTH, clean, is_suspect
from functions.ingest.reading import read

# Everything that JSON text can carry into Python, the unwanted more often than it comes.
UNWANTED = st.sampled_from(
    ["\x00", "\ud800", "\udfff", "a\x00b\udc00", math.inf, -math.inf, math.nan, 10**400, 10**309]
)
STRINGS = st.text(st.characters(exclude_categories=()))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | STRINGS | UNWANTED,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(STRINGS, inner, max_size=4),
    max_leaves=20,
)


def nested(levels: int) -> Any:
    value: Any = "core"
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


def depth_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


@pytest.mark.parametrize(
    ("value", "cleaned"),
    [
        ("a\x00b", "a\ufffdb"),
        ("\ud800", "\ufffd"),
        ("\udfff!\udc00", "\ufffd!\ufffd"),
        ("\U0001f600 \n\t \x7f", "\U0001f600 \n\t \x7f"),
        ({"k\x00": "v", "l\ud83d": ["\x00"]}, {"k\ufffd": "v", "l\ufffd": ["\ufffd"]}),
        (math.nan, None),
        (math.inf, None),
        (-math.inf, None),
        (10**307, 10**307),
        (-(10**309), None),
        (1.7e308, 1.7e308),
        ([True, False, None, 0, 1.5], [True, False, None, 0, 1.5]),
    ],
)
def test_what_cannot_be_stored_is_replaced(value: Any, cleaned: Any) -> None:
    assert clean(value) == cleaned
    assert clean({"x": [value]}) == {"x": [cleaned]}


def test_true_stays_true() -> None:
    assert clean([True, False]) == [True, False]
    assert [type(item) for item in clean([True, 1, 1.0])] == [bool, int, float]


def test_what_is_nested_too_deeply_is_cut() -> None:
    assert clean(nested(MAX_DEPTH)) == nested(MAX_DEPTH)
    assert depth_of(clean(nested(MAX_DEPTH + 1))) == MAX_DEPTH
    assert depth_of(clean(nested(500))) == MAX_DEPTH


@pytest.mark.parametrize(
    "body",
    [
        rb'"\u0000"',
        rb'{"\ud83d": 1}',
        rb'"\uDFFF"',
    ],
)
def test_bytes_that_may_need_cleaning_are_suspected(body: bytes) -> None:
    assert is_suspect(b'{"events": [' + body + b"]}")


@pytest.mark.parametrize(
    "body",
    [
        rb'"\u0041 \u00e9 \ue000"',
        b'"ud800 u0000"',
        "\U0001f600é".encode(),
    ],
)
def test_a_usual_body_is_not_walked_through(body: bytes) -> None:
    assert not is_suspect(b'{"events": [' + body + b"]}")


@given(VALUES)
def test_whatever_cleaning_would_change_is_suspected(value: Any) -> None:
    batch = read(json.dumps([value]).encode())
    # NaN is unequal to itself, and cleaning it away is a change, too.
    if clean(batch.events) != batch.events:
        assert batch.suspect


@given(VALUES)
def test_what_is_clean_can_be_stored_and_stays(value: Any) -> None:
    cleaned = clean(value)
    text = json.dumps(cleaned, ensure_ascii=False, allow_nan=False)
    text.encode()
    assert "\\u0000" not in text.replace("\\\\", "")
    assert clean(cleaned) == cleaned
