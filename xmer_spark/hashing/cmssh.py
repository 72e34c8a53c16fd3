"""Cross-modality similarity-sensitive hashing: bits boosted on similar and dissimilar pairs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from xmer_spark.hashing.base import CrossModalHasher
from xmer_spark.hashing.directions import centred, leading
from xmer_spark.hashing.pairs import (
    Sample,
    check_modalities,
    check_supervision,
    similar_and_not,
)
from xmer_spark.numerics.views import Labels, Pairs, Views, checked_labels

Samples = Mapping[tuple[str, str], Sample]


class CMSSH(CrossModalHasher):
    """Cross-modality similarity-sensitive hashing (Bronstein, Bronstein, Michel and Paragios 2010).

    Bit by bit, ``sgn(p' x + a)`` and ``sgn(q' y + b)`` maximise ``r = sum_k w_k s_k sgn(.) sgn(.)`` over
    weighted pairs, ``s_k`` 1 or -1. Without the signs, p and q are the leading singular vectors of
    ``sum_k w_k s_k x_k y_k'``; then a and b are searched for, exactly and one after the other, with the
    signs. Last, ``w_k`` becomes ``w_k exp(-step s_k sgn(.) sgn(.))``.

    Similar pairs are those given (``supervision="pairs"``) or of one class (``"labels"``), ``count`` of
    them and as many others, drawn at random. ``step=1`` is the paper's as far as we know; where ``step``
    is None it is AdaBoost's ``log((1 + r) / (1 - r)) / 2``, better where single bits are weak; still
    smaller ones suit many bits. Features are centred, and more than two modalities boosted together:
    ours.
    """

    def __init__(
        self,
        bits: int = 64,
        supervision: str = "pairs",
        count: int = 20_000,
        step: float | None = None,
        seed: int = 0,
    ) -> None:
        self.bits = bits
        self.supervision = supervision
        self.count = count
        self.step = step
        self.seed = seed

    def _fit(self, views: Views, labels: Labels | None, pairs: Pairs | None) -> None:
        check_modalities("cmssh", views)
        check_supervision(self.supervision)
        known = checked_labels("cmssh", views, labels) if self.supervision == "labels" else None
        random = np.random.default_rng(self.seed)
        samples = similar_and_not(views, known, pairs, self.count, random)
        z, means = centred(views)
        weights = {key: np.full(len(s.alike), 1 / len(s.alike)) for key, s in samples.items()}
        found: dict[str, list[np.ndarray]] = {m: [] for m in z}
        cuts: dict[str, list[float]] = {m: [] for m in z}
        for _ in range(self.bits):
            _, parts = leading(weighted_products(z, samples, weights), z, 1)
            along = {m: z[m] @ part[:, 0] for m, part in parts.items()}
            cut = _cuts(along, samples, weights)
            signs = {m: np.where(value > cut[m], 1.0, -1.0) for m, value in along.items()}
            weights = self._reweighted(signs, samples, weights)
            for m, part in parts.items():
                found[m].append(part[:, 0])
                cuts[m].append(cut[m])
        self.maps_ = {m: np.column_stack(columns) for m, columns in found.items()}
        self.thresholds_ = {m: means[m] @ self.maps_[m] + np.array(cuts[m]) for m in z}

    def _reweighted(
        self, signs: Mapping[str, np.ndarray], samples: Samples, weights: Mapping[tuple[str, str], np.ndarray]
    ) -> dict[tuple[str, str], np.ndarray]:
        right = {(a, b): s.alike * signs[a][s.left] * signs[b][s.right] for (a, b), s in samples.items()}
        edge = float(np.mean([weights[key] @ value for key, value in right.items()]))
        step = np.arctanh(np.clip(edge, 0, 0.99)) if self.step is None else self.step
        grown = {key: weights[key] * np.exp(-step * value) for key, value in right.items()}
        return {key: value / value.sum() for key, value in grown.items()}


def weighted_products(
    z: Views, samples: Samples, weights: Mapping[tuple[str, str], np.ndarray]
) -> dict[tuple[str, str], np.ndarray]:
    """``sum_k w_k s_k x_k y_k'`` of every two modalities."""
    from scipy.sparse import coo_matrix

    def product(a: str, b: str, s: Sample, w: np.ndarray) -> np.ndarray:
        joined = coo_matrix((w * s.alike, (s.left, s.right)), shape=(len(z[a]), len(z[b])))
        result: np.ndarray = z[a].T @ (joined.tocsr() @ z[b])
        return result

    return {(a, b): product(a, b, s, weights[a, b]) for (a, b), s in samples.items()}


def _cuts(
    along: Mapping[str, np.ndarray], samples: Samples, weights: Mapping[tuple[str, str], np.ndarray]
) -> dict[str, float]:
    """Where each modality's values are cut: the best place given the other cuts, which start at 0."""
    cut = dict.fromkeys(along, 0.0)
    for m in along:
        gain = np.zeros(len(along[m]))
        for (a, b), s in samples.items():
            if m in (a, b):
                mine, other, its = (s.left, b, s.right) if m == a else (s.right, a, s.left)
                sign = np.where(along[other][its] > cut[other], 1.0, -1.0)
                gain += np.bincount(mine, weights[a, b] * s.alike * sign, len(gain))
        cut[m] = best_cut(along[m], gain)
    return cut


def best_cut(values: np.ndarray, gain: np.ndarray) -> float:
    """The c that maximises ``sum_i gain_i sgn(values_i - c)``, between two values.

    >>> best_cut(np.array([3.0, 1.0, 2.0]), np.array([0.5, -1.0, 1.0]))
    1.5
    """
    order = np.argsort(values, kind="stable")
    placed = values[order]
    total = gain.sum() - 2 * np.cumsum(gain[order])[:-1]
    total = np.where(placed[1:] > placed[:-1], total, -np.inf)  # equal values cannot be parted
    if not len(total) or total.max() == -np.inf:
        return 0.0
    best = int(total.argmax())
    return float((placed[best] + placed[best + 1]) / 2)
