"""Chance that comes out the same each time, wherever one begins to look."""

import math
import random
from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar

T = TypeVar("T")


def dice(*names: object) -> random.Random:
    """Dice of their own for each combination of names."""
    return random.Random("/".join(map(str, names)))  # noqa: S311 - a made-up world keeps no secrets


def pick(source: random.Random, weights: Mapping[T, float]) -> T:
    """One of the keys; weights need no certain sum."""
    left = source.random() * sum(weights.values())
    for key, weight in weights.items():
        left -= weight
        if left <= 0:
            return key
    return key


def how_many(source: random.Random, mean: float) -> int:
    """A Poisson count."""
    if mean > 50:
        return max(0, round(source.gauss(mean, math.sqrt(mean))))
    left, count = math.exp(-mean), 0
    product = source.random()
    while product > left:
        product *= source.random()
        count += 1
    return count


def uuid4(source: random.Random) -> str:
    return _spelled(source.getrandbits(128), 4)


def uuid7(source: random.Random, moment: datetime) -> str:
    """Begins with the time, so that the tables' indexes grow at their end."""
    stamp = int(moment.timestamp() * 1000)
    return _spelled(stamp << 80 | source.getrandbits(80), 7)


def _spelled(value: int, version: int) -> str:
    value = value & ~(0xF << 76) | version << 76
    text = f"{value & ~(0x3 << 62) | 0x2 << 62:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
