"""Co-regularised hashing: bits with a margin in each modality, boosted on pairs across modalities."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from xmer_spark.hashing.base import CrossModalHasher
from xmer_spark.hashing.cmssh import weighted_products
from xmer_spark.hashing.directions import centred, leading
from xmer_spark.hashing.pairs import (
    Sample,
    check_modalities,
    check_supervision,
    similar_and_not,
)
from xmer_spark.numerics.views import Labels, Pairs, Views, checked_labels


class CoRegularised(CrossModalHasher):
    """Co-regularised hashing (Zhen and Yeung 2012).

    Each bit is ``sgn(w_m' x)`` with the ``w`` that minimise, with ``f = w_a' x_i``, ``g = w_b' y_j`` and
    ``d = f - g``,
    ``mean_i max(0, 1 - |f_i|) + mean_j max(0, 1 - |g_j|) + gamma sum_k v_k l(d_k) + lambda / 2 |w|^2``:
    a margin within each modality and, between them, ``l(d) = d^2`` for similar pairs and the smoothly
    clipped inverted squared deviation for others,
    ``a t^2 / 2 - d^2 / 2`` up to t, ``(d^2 - 2 a t |d| + a^2 t^2) / (2 (a - 1))`` up to a t, and then 0.
    Modality by modality, each term is a difference of convex functions: the concave-convex procedure.
    Pairs that a bit gets wrong weigh more for the next (AdaBoost's update).

    Ours: the convex subproblems are solved by L-BFGS instead of stochastic sub-gradient steps; w starts
    at the leading singular vectors of the weighted pairs; features are scaled to a mean variance of 1;
    there are ``rounds`` steps per modality, not as many as it takes to converge; a ``rate`` below 1,
    AdaBoost's, boosts more slowly, which many bits need; ``supervision`` and ``count`` as for CMSSH.
    """

    def __init__(
        self,
        bits: int = 64,
        supervision: str = "pairs",
        count: int = 10_000,
        gamma: float = 10.0,
        penalty: float = 0.01,
        clip: float = 1.0,
        slope: float = 3.7,
        rounds: int = 2,
        rate: float = 0.3,
        seed: int = 0,
    ) -> None:
        self.bits = bits
        self.supervision = supervision
        self.count = count
        self.gamma = gamma
        self.penalty = penalty
        self.clip = clip
        self.slope = slope
        self.rounds = rounds
        self.rate = rate
        self.seed = seed

    def _fit(self, views: Views, labels: Labels | None, pairs: Pairs | None) -> None:
        check_modalities("crh", views)
        check_supervision(self.supervision)
        known = checked_labels("crh", views, labels) if self.supervision == "labels" else None
        samples = similar_and_not(views, known, pairs, self.count, np.random.default_rng(self.seed))
        x, means = centred(views)
        scale = {m: max(float(np.sqrt((view**2).mean())), 1e-12) for m, view in x.items()}
        z = {m: view / scale[m] for m, view in x.items()}
        weights = {key: np.full(len(s.alike), 1 / len(s.alike)) for key, s in samples.items()}
        found: dict[str, list[np.ndarray]] = {m: [] for m in z}
        for _ in range(self.bits):
            _, parts = leading(weighted_products(z, samples, weights), z, 1)
            w = self._bit({m: part[:, 0] for m, part in parts.items()}, z, samples, weights)
            signs = {m: np.where(z[m] @ w[m] > 0, 1.0, -1.0) for m in z}
            weights = _reweighted(signs, samples, weights, self.rate)
            for m in z:
                found[m].append(w[m])
        self.maps_ = {m: np.column_stack(columns) / scale[m] for m, columns in found.items()}
        self.thresholds_ = {m: means[m] @ self.maps_[m] for m in z}

    def _bit(
        self,
        w: dict[str, np.ndarray],
        z: Views,
        samples: Mapping[tuple[str, str], Sample],
        weights: Mapping[tuple[str, str], np.ndarray],
    ) -> dict[str, np.ndarray]:
        """Improve the directions of one bit, one modality after the other, ``rounds`` times."""
        for _ in range(self.rounds):
            for m in z:
                mine = []
                for (a, b), s in samples.items():
                    if m in (a, b):
                        rows, other, its = (s.left, b, s.right) if m == a else (s.right, a, s.left)
                        mine.append((rows, z[other][its] @ w[other], s.alike, weights[a, b]))
                rows, target, alike, weight = (np.concatenate(column) for column in zip(*mine, strict=True))
                w[m] = self._convex_step(w[m], z[m], rows, target, alike, weight)
        return w

    def _convex_step(
        self,
        start: np.ndarray,
        z: np.ndarray,
        rows: np.ndarray,
        target: np.ndarray,
        alike: np.ndarray,
        weight: np.ndarray,
    ) -> np.ndarray:
        """Minimise the objective in one ``w`` after its concave parts were made linear at ``start``."""
        from scipy.optimize import minimize

        similar = alike > 0
        f = z @ start
        # The slopes of |f| and, for dissimilar pairs, of d^2 / 2.
        fixed = z.T @ np.where(f > 0, 1.0, -1.0) / len(z)
        pull = np.where(similar, 0.0, weight * (f[rows] - target))
        fixed += self.gamma * (z.T @ np.bincount(rows, pull, len(z)))

        def objective(w: np.ndarray) -> tuple[float, np.ndarray]:
            f = z @ w
            d = f[rows] - target
            value, slope = _convex_part(d, self.clip, self.slope)
            value, slope = np.where(similar, d**2, value), np.where(similar, 2 * d, slope)
            outside = np.abs(f) > 1
            each = np.where(outside, np.sign(f), 0.0) / len(z)
            each += self.gamma * np.bincount(rows, weight * slope, len(z))
            loss = np.maximum(np.abs(f), 1).mean() + self.gamma * (weight @ value) - fixed @ w
            return loss + self.penalty / 2 * (w @ w), z.T @ each - fixed + self.penalty * w

        solution: np.ndarray = minimize(
            objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 15}
        ).x
        return solution


def _convex_part(d: np.ndarray, clip: float, slope: float) -> tuple[np.ndarray, np.ndarray]:
    """What the smoothly clipped deviation adds to ``slope clip^2 / 2 - d^2 / 2``, and the slope of this part.

    The deviation has one peak at 0; what is added is convex.
    """
    size = np.abs(d)
    middle = slope * (size - clip) ** 2 / (2 * (slope - 1))
    far = (size**2 - slope * clip**2) / 2
    value = np.where(size <= clip, 0.0, np.where(size <= slope * clip, middle, far))
    rate = np.where(size <= slope * clip, slope * np.maximum(size - clip, 0) / (slope - 1), size)
    return value, np.sign(d) * rate


def _reweighted(
    signs: Mapping[str, np.ndarray],
    samples: Mapping[tuple[str, str], Sample],
    weights: Mapping[tuple[str, str], np.ndarray],
    rate: float,
) -> dict[tuple[str, str], np.ndarray]:
    """AdaBoost's weights: a pair that was right is scaled by ``(error / (1 - error)) ** rate``."""
    result = {}
    for (a, b), s in samples.items():
        right = signs[a][s.left] * signs[b][s.right] == s.alike
        error = float(np.clip(weights[a, b][~right].sum(), 0.01, 0.5))
        grown = weights[a, b] * np.where(right, (error / (1 - error)) ** rate, 1.0)
        result[a, b] = grown / grown.sum()
    return result
