"""What content belongs together, computed from first meetings: who met what, in which order.

Every method gives a sparse matrix (items x items, float32) with at most KEEP neighbours in each row.
"""

from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp

Ints = np.ndarray[Any, np.dtype[np.int64]]

KEEP = 100
# Who met more says little of any of it; the latest so many count.
MOST_OF_ONE = 500
# In steps of one visitor, and by what a step weighs less.
WINDOW, STEP = 10, 0.8
# What is seen less often than this beside others says less than its share.
DOUBT = 5.0
RIDGE = 200.0
BETA = 0.6
BLOCK = 2_000


def first_meetings(visitors: Ints, items: Ints) -> Ints:
    """Places of the first meeting of each visitor with each item; the rows are in the order of time."""
    if not len(visitors):
        return np.zeros(0, np.int64)
    pair = visitors * (int(items.max()) + 1) + items
    places = np.unique(pair, return_index=True)[1]
    places.sort()
    order = places[np.argsort(visitors[places], kind="stable")]
    who = visitors[order]
    ends = np.r_[np.flatnonzero(np.diff(who)), len(who) - 1]
    left = np.repeat(ends, np.diff(np.r_[-1, ends])) - np.arange(len(who))
    return np.sort(order[left < MOST_OF_ONE])


def followed(visitors: Ints, items: Ints, many: int) -> sp.csr_matrix:
    """How often b came after a within the window, nearer ones counting more; rows are a, columns b."""
    order = np.argsort(visitors, kind="stable")
    who, what = visitors[order], items[order]
    found = sp.csr_matrix((many, many), dtype=np.float32)
    for distance in range(1, WINDOW + 1):
        same = who[distance:] == who[:-distance]
        before, after = what[:-distance][same], what[distance:][same]
        weights = np.full(len(before), STEP ** (distance - 1), np.float32)
        found = found + sp.csr_matrix((weights, (before, after)), shape=(many, many))
    return found


def next_and_before(pairs: sp.csr_matrix, met: Ints) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """What comes after and what before, as shares; after it, what everybody meets anyway counts less."""
    rarely = sp.diags((1 / np.sqrt(met + 3)).astype(np.float32))
    return pruned(_shares(pairs) @ rarely), pruned(_shares(pairs.T.tocsr()))


def ease(visitors: Ints, items: Ints, many: int) -> sp.csr_matrix:
    """EASE (Steck 2019): the item-item weights that best tell what a visitor met from what else they met.

    One matrix of items x items in float32, inverted in place.
    """
    active, columns = np.unique(items, return_inverse=True)
    met = _matrix(visitors, columns, len(active))
    gram: Any = np.empty((len(active), len(active)), np.float32, order="F")
    columns_first, rows_first = met.tocsc(), met.T.tocsr()
    for start in range(0, len(active), BLOCK):
        gram[:, start : start + BLOCK] = (rows_first @ columns_first[:, start : start + BLOCK]).toarray()
    gram[np.diag_indices_from(gram)] += RIDGE
    factor, _ = scipy.linalg.lapack.spotrf(gram, lower=1, overwrite_a=1)
    inverse, _ = scipy.linalg.lapack.spotri(factor, lower=1, overwrite_c=1)
    diagonal = np.diag(inverse).copy()
    chosen = []
    for start in range(0, len(active), BLOCK):
        stop = min(start + BLOCK, len(active))
        # Symmetric, and its lower triangle is all there is: rows are put together from both sides.
        block = np.empty((stop - start, len(active)), np.float32)
        block[:, :start] = inverse[start:stop, :start]
        block[:, stop:] = inverse[stop:, start:stop].T
        square = np.tril(inverse[start:stop, start:stop])
        block[:, start:stop] = square + np.tril(square, -1).T
        block /= -diagonal
        block[np.arange(stop - start), np.arange(start, stop)] = 0
        chosen.append(_top(block))
    return _spread(sp.vstack(chosen).tocsr(), active, many)


def rp3beta(visitors: Ints, items: Ints, many: int) -> sp.csr_matrix:
    """RP3beta (Paudel 2017): where a walk item-visitor-item ends, popular ends counting less."""
    active, columns = np.unique(items, return_inverse=True)
    met = _matrix(visitors, columns, len(active))
    popular = np.asarray(met.sum(axis=0)).ravel()
    many_met = np.maximum(np.asarray(met.sum(axis=1)).ravel(), 1)
    to_item = sp.diags(1 / many_met) @ met @ sp.diags(popular**-BETA)
    to_visitor = (sp.diags(1 / popular) @ met.T).tocsr()
    chosen = []
    for start in range(0, len(active), BLOCK):
        block = (to_visitor[start : start + BLOCK] @ to_item).tolil()
        block.setdiag(0, k=start)
        chosen.append(pruned(block.tocsr().astype(np.float32)))
    return _spread(sp.vstack(chosen).tocsr(), active, many)


def pruned(matrix: sp.csr_matrix) -> sp.csr_matrix:
    """The KEEP greatest of each row, all above 0."""
    matrix = matrix.tocsr()
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((matrix.indices, -matrix.data, rows))
    place = np.arange(len(order)) - np.repeat(matrix.indptr[:-1], np.diff(matrix.indptr))
    kept = order[(place < KEEP) & (matrix.data[order] > 0)]
    return sp.csr_matrix((matrix.data[kept], (rows[kept], matrix.indices[kept])), shape=matrix.shape)


def _shares(pairs: sp.csr_matrix) -> sp.csr_matrix:
    totals = np.asarray(pairs.sum(axis=1)).ravel() + DOUBT
    return (sp.diags((1 / totals).astype(np.float32)) @ pairs).tocsr()


def _matrix(visitors: Ints, columns: Ints, many: int) -> sp.csr_matrix:
    ones = np.ones(len(visitors), np.float32)
    return sp.csr_matrix((ones, (visitors, columns)), shape=(int(visitors.max()) + 1, many))


def _top(block: Any) -> sp.csr_matrix:
    if block.shape[1] > KEEP:
        least = np.partition(block, -KEEP, axis=1)[:, -KEEP, None]
        block[block < least] = 0
    np.maximum(block, 0, out=block)
    return pruned(sp.csr_matrix(block))


def _spread(matrix: sp.csr_matrix, active: Ints, many: int) -> sp.csr_matrix:
    """From numbers among the active to numbers among all."""
    found = matrix.tocoo()
    return sp.csr_matrix((found.data, (active[found.row], active[found.col])), shape=(many, many))
