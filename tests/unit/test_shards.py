"""Which shards an event asks for."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from footfall.errors import BadRequestError
from functions.analyze.shards import Shard, shards_of
from tests.samples import load


def test_a_schedule_asks_for_one() -> None:
    assert shards_of(load("analyze_schedule"), 4) == [Shard(0, 4)]


@pytest.mark.parametrize("event", [load("analyze_all_shards"), load("maintain_schedule")])
def test_without_a_shard_all_are_meant(event: dict[str, Any]) -> None:
    assert shards_of(event, 3) == [Shard(0, 3), Shard(1, 3), Shard(2, 3)]


@given(number=st.integers() | st.none() | st.booleans() | st.floats() | st.text() | st.lists(st.integers()))
@pytest.mark.parametrize("of", [1, 4])
def test_any_other_than_there_are_is_refused_by_name(number: object, of: int) -> None:
    if type(number) is int and 0 <= number < of:
        assert shards_of({"shard": number}, of) == [Shard(number, of)]
        return
    with pytest.raises(BadRequestError) as caught:
        shards_of({"shard": number}, of)
    assert str(caught.value) == f"shard must be a whole number from 0 to {of - 1}, not {number!r}"


def test_each_notes_its_progress_apart() -> None:
    shards = [shard for of in (1, 4, 8) for shard in shards_of({}, of)]
    assert len({shard.task for shard in shards}) == 13
