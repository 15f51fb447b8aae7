"""What is compared with: rankings for everybody alike, as of each moment."""

from collections.abc import Set as AbstractSet

import numpy as np

SECONDS = 3600.0
FAR = 400.0
# Half-lives of the trends, in hours; the best of them is the one to beat.
TRENDS = {"trending_3h": 3, "trending_1d": 24, "trending_7d": 168}


class Trivial:
    """Counts each visitor's first interaction with an item; items by number from 0."""

    def __init__(self, many: int) -> None:
        self._hours = np.array([*TRENDS.values()]) * SECONDS
        self._trends = np.zeros((len(TRENDS), many))
        self._reference = 0.0
        self._counts = np.zeros(many)
        self._first = np.full(many, -np.inf)

    def meet(self, item: int, now: float, *, is_first: bool) -> None:
        if now - self._reference > FAR * self._hours[0]:
            self._trends *= np.exp2(np.maximum((self._reference - now) / self._hours, -1000))[:, None]
            self._reference = now
        if is_first:
            self._trends[:, item] += np.exp2((now - self._reference) / self._hours)
            self._counts[item] += 1
        if self._first[item] == -np.inf:
            self._first[item] = now

    def ranked(self, seen: AbstractSet[int], limit: int) -> dict[str, list[int]]:
        """By method, the best first; what is known and unseen."""
        open_to = self._first > -np.inf
        open_to[list(seen)] = False
        places = np.flatnonzero(open_to)
        rows = {
            "popular": self._counts,
            **dict(zip(TRENDS, self._trends, strict=True)),
            "newest": self._first,
        }
        return {name: _best(places, values[places], limit) for name, values in rows.items()}


def _best(places: np.ndarray, values: np.ndarray, limit: int) -> list[int]:
    if len(places) > limit:
        chosen = np.argpartition(-values, limit)[:limit]
        places, values = places[chosen], values[chosen]
    return [int(place) for place in places[np.argsort(-values, kind="stable")]]
