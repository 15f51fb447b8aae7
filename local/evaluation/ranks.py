"""How good rankings are: hit rates and NDCG, with 95 % intervals by bootstrap over users."""

from collections.abc import Sequence

import numpy as np

from local.evaluation.scores import Score

RESAMPLES = 1_000
MEASURES = ("hr10", "hr20", "ndcg10")


class Ranks:
    """Of one ranking method: where the truth stood, by user."""

    def __init__(self) -> None:
        self._users: list[int] = []
        self._places: list[int] = []

    def add(self, user: int, truth: str, ranked: Sequence[str]) -> None:
        self._users.append(user)
        self._places.append(ranked.index(truth) if truth in ranked else -1)

    def __len__(self) -> int:
        return len(self._places)

    def scores(self) -> dict[str, Score]:
        """hr10 and hr20: in how many of the rankings the truth is among the first; ndcg10 by its place."""
        values, drawn = self._drawn()
        return {
            name: Score(
                float(values[place]), *(float(end) for end in np.quantile(drawn[:, place], (0.025, 0.975)))
            )
            for place, name in enumerate(MEASURES)
        }

    def errors(self) -> dict[str, float]:
        """One bootstrap standard error of each measure."""
        _, drawn = self._drawn()
        return dict(zip(MEASURES, drawn.std(axis=0).tolist(), strict=True))

    def _drawn(self) -> tuple[np.ndarray, np.ndarray]:
        places = np.array(self._places)
        hit = places >= 0
        gains = np.where(
            hit & (places < 10), 1 / np.log2(places + 2.0, where=hit, out=np.ones(len(places))), 0
        )
        rows = np.stack([hit & (places < 10), hit & (places < 20), gains, np.ones(len(places))], axis=1)
        _, users = np.unique(self._users, return_inverse=True)
        sums = np.zeros((users.max() + 1, 4))
        np.add.at(sums, users, rows)
        times = np.random.default_rng(1).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), RESAMPLES)
        total, drawn = sums.sum(axis=0), times @ sums
        return total[:3] / total[3], drawn[:, :3] / drawn[:, 3:]
