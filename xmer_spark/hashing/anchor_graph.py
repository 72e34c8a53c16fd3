"""Hashing with anchor graphs: the eigenvectors of a neighbourhood graph that passes through anchors."""

from __future__ import annotations

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.hashing.base import CommonHasher, sampled
from xmer_spark.numerics.linalg import squared_distances


class AnchorGraph(CommonHasher):
    """Anchor graph hashing (Liu, Wang, Kumar and Chang 2011).

    An item is ``z`` (anchors,): weights ``exp(-|x - u|^2 / t)`` of its ``nearest`` anchors u, which sum
    to 1. Two items are joined by ``A = Z D^-1 Z'`` with ``D = diag(Z' 1)``. With the eigenpairs (v, s) of
    ``D^-1/2 Z' Z D^-1/2``, but for the constant one (the authors' code leaves out all whose s is near 1,
    and with them what tells the pieces of a disconnected graph apart), an item's values are ``z W`` with
    ``W = sqrt(n) D^-1/2 V S^-1/2``, for items seen or not.

    ``layers=2`` makes two bits of each of half as many eigenvectors: the second is cut at
    the thresholds of least ``f' L f``, one on either side of 0, that leave it balanced.

    The anchors are k-means centres, ``t`` the squared mean distance to the farthest of the nearest
    anchors. Items are put in order first, so that the order of rows changes nothing.
    """

    def __init__(
        self,
        bits: int = 64,
        anchors: int = 300,
        nearest: int = 3,
        layers: int = 1,
        iterations: int = 10,
        seed: int = 0,
        sample: int = 20_000,
    ) -> None:
        self.bits = bits
        self.anchors = anchors
        self.nearest = nearest
        self.layers = layers
        self.iterations = iterations
        self.seed = seed
        self.sample = sample

    def _fit_items(self, x: np.ndarray) -> None:
        x = sampled(x[np.lexsort(x.T)], self.sample, np.random.default_rng(self.seed))
        self.anchors_ = self._centres(x)
        wanted = self.bits // self.layers
        if wanted >= len(self.anchors_):
            raise XmerError(
                f"hashing: {len(self.anchors_)} anchors give at most {len(self.anchors_) - 1} eigenvectors, "
                f"not {wanted}; raise anchors, or lower bits"
            )
        self.scale_ = float(np.sqrt(self._nearest(x)[1][:, -1]).mean() ** 2) or 1.0
        z = self._weights(x)
        degree = np.maximum(z.sum(axis=0), 1e-12)
        joined = z / np.sqrt(degree)
        # The constant solution is known, D^(1/2) 1, and taken out beforehand: where the graph is in several
        # pieces, others share its eigenvalue 1, and eigh returns any mixture of them.
        constant = np.sqrt(degree / degree.sum())
        values, vectors = np.linalg.eigh(joined.T @ joined - np.outer(constant, constant))
        chosen = slice(None, -1 - wanted, -1)
        self.projection_ = vectors[:, chosen] / np.sqrt(degree)[:, None]
        self.projection_ *= np.sqrt(len(x) / np.maximum(values[chosen], 1e-12))
        if self.layers == 2:
            self.thresholds_ = np.column_stack([_thresholds(y, joined) for y in (z @ self.projection_).T])

    def _activations(self, modality: str, x: np.ndarray) -> np.ndarray:
        first = self._weights(x) @ self.projection_
        if self.layers == 1:
            return first
        above, below = self.thresholds_
        return np.hstack([first, np.abs(first) - np.where(first > 0, above, -below)])

    def _centres(self, x: np.ndarray) -> np.ndarray:
        from sklearn.cluster import KMeans

        distinct = np.unique(x, axis=0)
        if len(distinct) <= self.anchors:
            return distinct.astype(np.float64)
        found = KMeans(self.anchors, n_init=1, max_iter=self.iterations, random_state=self.seed)
        centres: np.ndarray = found.fit(x.astype(np.float64)).cluster_centers_
        return centres

    def _nearest(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The nearest anchors of each item, nearest first, and their squared distances: (n, nearest)."""
        distance = squared_distances(x, self.anchors_)
        index = np.argsort(distance, axis=1, kind="stable")[:, : self.nearest]
        return index, np.take_along_axis(distance, index, axis=1)

    def _weights(self, x: np.ndarray) -> np.ndarray:
        """(n, d) items -> (n, anchors): the rows of Z."""
        index, distance = self._nearest(x.astype(np.float64))
        # Relative to the nearest, so that far items do not underflow.
        weight = np.exp((distance[:, :1] - distance) / self.scale_)
        z = np.zeros((len(x), len(self.anchors_)))
        np.put_along_axis(z, index, weight / weight.sum(axis=1, keepdims=True), axis=1)
        return z


def _thresholds(y: np.ndarray, joined: np.ndarray) -> np.ndarray:
    """The thresholds (above, below) 0 that minimise ``f' L f`` subject to ``1' f = 0``.

    ``f`` is ``y - above`` where y is positive and ``below - y`` elsewhere; ``L = I - joined joined'``.
    """
    start = np.abs(y)
    effect = np.column_stack([-(y > 0).astype(float), (y <= 0).astype(float)])
    smoothed = effect - joined @ (joined.T @ effect)
    balance = effect.sum(axis=0)
    system = np.block([[smoothed.T @ effect, balance[:, None]], [balance[None, :], np.zeros((1, 1))]])
    right = -np.append(smoothed.T @ start, start.sum())
    solution: np.ndarray = np.linalg.lstsq(system, right, rcond=None)[0]
    return solution[:2]
