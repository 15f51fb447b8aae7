"""The content model of one deployment: neighbours of each item, and how much each signal counts."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from functions.analyze import neighbours
from functions.analyze.blending import REPLAYED, Meetings, Neighbours, as_a_stranger, choices, weights

Array = np.ndarray[Any, Any]

# Of the replayed meetings at most this share, so that there is something to learn from before them.
REPLAYED_SHARE = 0.2
LEAST = 50


@dataclass(frozen=True, slots=True)
class Trained:
    neighbours: Neighbours
    weights: list[float]
    cold_weights: list[float]
    method: str
    choices: int


def train(known: Meetings, most_for_ease: int) -> Trained:
    """Learned from all meetings; the weights from replaying the last of them against what came before."""
    many = len(known.types)
    method = "ease" if many <= most_for_ease else "rp3beta"
    cut = max(len(known.times) - REPLAYED, int(len(known.times) * (1 - REPLAYED_SHARE)))
    found = []
    if cut >= LEAST:
        before = learn(_part(known, cut), method)
        found = choices(known, before, cut)
    learned, cold = weights(found), weights([as_a_stranger(choice) for choice in found])
    return Trained(learn(known, method), learned.tolist(), cold.tolist(), method, len(found))


def learn(known: Meetings, method: str) -> Neighbours:
    many = len(known.types)
    firsts = neighbours.first_meetings(known.visitors, known.items)
    if not len(firsts):
        nothing = sp.csr_matrix((many, many), dtype=np.float32)
        return Neighbours(nothing, nothing, nothing)
    visitors, items = known.visitors[firsts], known.items[firsts]
    after, before = neighbours.next_and_before(
        neighbours.followed(visitors, items, many), np.bincount(items, minlength=many)
    )
    alike = neighbours.ease if method == "ease" else neighbours.rp3beta
    return Neighbours(_scaled(after), _scaled(before), _scaled(alike(visitors, items, many)))


def _part(known: Meetings, cut: int) -> Meetings:
    return Meetings(known.visitors[:cut], known.items[:cut], known.times[:cut], known.types, known.born)


def _scaled(matrix: sp.csr_matrix) -> sp.csr_matrix:
    return matrix / matrix.max() if matrix.nnz else matrix
