"""The parts that users are learned in, one beside the other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from footfall.errors import BadRequestError


@dataclass(frozen=True, slots=True)
class Shard:
    """The users whose ids fall into part `number` (from 0) of `of`; SQL says which those are."""

    number: int
    of: int

    @property
    def task(self) -> str:
        """What its progress is noted under. With another `of` it holds others, so it begins anew."""
        return f"users {self.number}/{self.of}"


def all_shards(of: int) -> list[Shard]:
    return [Shard(number, of) for number in range(of)]


def shards_of(event: Mapping[str, Any], of: int) -> list[Shard]:
    """The one that the event names as `shard`; all where it names none.

    Raises:
        BadRequestError: there is no such shard.
    """
    if "shard" not in event:
        return all_shards(of)
    number = event["shard"]
    if type(number) is not int or not 0 <= number < of:
        raise BadRequestError(f"shard must be a whole number from 0 to {of - 1}, not {number!r}")
    return [Shard(number, of)]
