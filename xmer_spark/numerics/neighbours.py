"""Nearest neighbours within a modality, exact, in blocks of rows of bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.numerics.linalg import squared_distances, unit_rows
from xmer_spark.numerics.rows import BLOCK, fixed_blocks

if TYPE_CHECKING:
    from scipy.sparse import csr_array

#: Distances that are held at a time.
_DISTANCES = 1 << 23


def nearest(
    x: np.ndarray, reference: np.ndarray, k: int, metric: str = "euclidean", *, exclude_self: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` nearest rows of ``reference`` (m, d) to each row of ``x`` (n, d), nearest first.

    Returns row numbers and distances, both (n, min(k, m)). ``metric`` is "euclidean", "cosine"
    (one minus the cosine), or another that ``scipy.spatial.distance.cdist`` knows, such as
    "cityblock". ``exclude_self`` takes row i of ``reference`` from what row i of ``x`` may find:
    for x and reference the same items.

    >>> nearest(np.array([[0.0]]), np.array([[3.0], [1.0], [2.0]]), 2)[0].tolist()
    [[1, 2]]
    """
    found = min(k, len(reference) - exclude_self)
    if found < 1:
        raise XmerError(f"nearest neighbours: {len(reference)} items give no {k} neighbours")
    index = np.empty((len(x), found), dtype=np.int64)
    distance = np.empty((len(x), found))
    reference = _comparable(reference, metric)
    for rows in fixed_blocks(len(x), min(BLOCK, max(_DISTANCES // len(reference), 1))):
        apart = _distances(_comparable(x[rows], metric), reference, metric)
        if exclude_self:
            apart[np.arange(len(rows)), rows] = np.inf
        index[rows], distance[rows] = _smallest(apart, found)
    return index, distance


def class_posteriors(
    x: np.ndarray,
    reference: np.ndarray,
    labels: np.ndarray,
    k: int,
    classes: int,
    metric: str = "cosine",
    *,
    exclude_self: bool = False,
) -> np.ndarray:
    """The weighted share (n, classes) of each class 0..classes-1 among an item's ``k`` nearest neighbours.

    A neighbour weighs ``1 / (1 + exp(-s))`` with similarity ``s``: the cosine for "cosine", minus the
    distance otherwise. Reference items of label -1 are nobody's neighbour.
    """
    if exclude_self and (labels < 0).any():
        raise XmerError("class posteriors: exclude_self needs every reference item labelled")
    known = np.flatnonzero(labels >= 0)
    if not len(known):
        raise XmerError("class posteriors: no reference item has a label")
    index, distance = nearest(x, reference[known], k, metric, exclude_self=exclude_self)
    similarity = 1 - distance if metric == "cosine" else -distance
    log_weight = -np.logaddexp(0, -similarity)
    # Relative to the nearest: at large distances the weights themselves are too small for a float.
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    cells = np.arange(len(x))[:, None] * classes + labels[known][index]
    votes = np.bincount(cells.ravel(), weight.ravel(), minlength=len(x) * classes).reshape(len(x), classes)
    total = votes.sum(axis=1, keepdims=True)
    return np.divide(votes, total, out=np.full(votes.shape, 1 / classes), where=total > 0)


def neighbour_graph(x: np.ndarray, k: int) -> csr_array:
    """The symmetric (n, n) adjacency of items of which one is among the other's ``k`` nearest; no loops.

    An edge weighs ``exp(-distance^2 / mean distance^2 of neighbours)`` (Belkin and Niyogi 2003).
    """
    from scipy.sparse import csr_array

    index, distance = nearest(x, x, k, exclude_self=True)
    rows = np.repeat(np.arange(len(x)), index.shape[1])
    squares = distance.ravel() ** 2
    # Never quite 0: an entry that underflows would vanish from the graph.
    values = np.maximum(np.exp(-squares / max(float(squares.mean()), 1e-12)), 1e-12)
    graph = csr_array((values, (rows, index.ravel())), shape=(len(x), len(x)))
    return csr_array(graph.maximum(graph.T))


def _comparable(x: np.ndarray, metric: str) -> np.ndarray:
    """Rows in float64, of unit length where only their direction counts."""
    x = np.asarray(x, dtype=np.float64)
    return unit_rows(x) if metric == "cosine" else x


def _distances(x: np.ndarray, y: np.ndarray, metric: str) -> np.ndarray:
    """(n, d) and (m, d) -> (n, m), of rows from ``_comparable``."""
    from scipy.spatial.distance import cdist

    if metric == "cosine":
        return np.maximum(1 - x @ y.T, 0)
    if metric == "euclidean":
        return np.sqrt(squared_distances(x, y))
    return np.asarray(cdist(x, y, metric))


def _smallest(values: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns and values of each row's ``count`` smallest, ascending, equal ones in order of column."""
    columns = np.sort(np.argpartition(values, count - 1, axis=1)[:, :count], axis=1)
    smallest = np.take_along_axis(values, columns, axis=1)
    order = np.argsort(smallest, axis=1, kind="stable")
    return np.take_along_axis(columns, order, axis=1), np.take_along_axis(smallest, order, axis=1)
