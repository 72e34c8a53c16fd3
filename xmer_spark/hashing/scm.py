"""Semantic correlation maximisation: codes whose products reconstruct the similarity of labels."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.hashing.base import CrossModalHasher
from xmer_spark.hashing.directions import as_many_bits, centred, leading, own_scatter, whitening
from xmer_spark.hashing.pairs import check_modalities
from xmer_spark.numerics.views import Labels, Pairs, Views, checked_labels


class SemanticCorrelation(CrossModalHasher):
    """Semantic correlation maximisation (Zhang and Li 2014).

    The codes ``F_m = sgn(X_m W_m)`` minimise ``|F_a F_b' - bits S|^2``; here ``S`` is 1 for two
    items of one class and -1 for others, and is never written out: ``S = 2 L_a L_b' - 1 1'``.

    ``learning="orthogonal"``: without the signs and subject to ``W' X' X W = n I``, the
    solution is ``C v = value X' X v`` with ``C = X_a' S X_b``. It has at most one direction fewer than
    classes; ``as_many_bits`` makes bits of these.

    ``learning="sequential"``: one bit after the other from the leading solution
    for the rest ``R = bits S - sum of f_a f_b'`` that the bits so far leave.

    Ours: a ridge of ``regularisation`` mean variances; more than two modalities, as the sum of the
    objectives of every two; bits go on where the authors' code turns to CCA, once a bit's value exceeds
    the last one's. Pairs are not used.
    """

    def __init__(
        self,
        bits: int = 64,
        learning: str = "sequential",
        regularisation: float = 1e-3,
        rotate: bool = False,
        seed: int = 0,
    ) -> None:
        self.bits = bits
        self.learning = learning
        self.regularisation = regularisation
        self.rotate = rotate
        self.seed = seed

    def _fit(self, views: Views, labels: Labels | None, pairs: Pairs | None) -> None:
        check_modalities("scm", views)
        if self.learning not in ("sequential", "orthogonal"):
            raise XmerError(f'hashing: scm learning is "sequential" or "orthogonal", not {self.learning!r}')
        known = checked_labels("scm", views, labels)
        x, means = centred({m: view[known[m] >= 0] for m, view in views.items()})
        white = {m: whitening(own_scatter(view, self.regularisation)) for m, view in x.items()}
        z = {m: view @ white[m] for m, view in x.items()}
        shared = _shared(z, {m: y[y >= 0] for m, y in known.items()})
        learn = self._sequential if self.learning == "sequential" else self._orthogonal
        self.maps_ = {m: white[m] @ part for m, part in learn(z, shared).items()}
        self.thresholds_ = {m: means[m] @ self.maps_[m] for m in views}

    def _orthogonal(self, z: Views, shared: Mapping[tuple[str, str], np.ndarray]) -> dict[str, np.ndarray]:
        values, parts = leading(shared, z)
        kept = values > 1e-9 * values[0]
        kept_parts = {m: part[:, kept] for m, part in parts.items()}
        random = np.random.default_rng(self.seed)
        return as_many_bits(kept_parts, values[kept] / values[0], self.bits, self.rotate, random)

    def _sequential(self, z: Views, shared: Mapping[tuple[str, str], np.ndarray]) -> dict[str, np.ndarray]:
        rest = {key: self.bits * block for key, block in shared.items()}
        found: dict[str, list[np.ndarray]] = {m: [] for m in z}
        for _ in range(self.bits):
            _, parts = leading(rest, z, 1)
            # z' f: all that the rest needs to know of the bit.
            given = {m: z[m].T @ np.where(z[m] @ part[:, 0] > 0, 1.0, -1.0) for m, part in parts.items()}
            rest = {(a, b): block - np.outer(given[a], given[b]) for (a, b), block in rest.items()}
            for m, part in parts.items():
                found[m].append(part[:, 0])
        return {m: np.column_stack(columns) for m, columns in found.items()}


def _shared(z: Views, labels: Mapping[str, np.ndarray]) -> dict[tuple[str, str], np.ndarray]:
    """``Z_a' S Z_b`` of every two modalities."""
    classes = np.unique(np.concatenate(list(labels.values())))
    sums = {m: (labels[m][:, None] == classes).astype(float).T @ view for m, view in z.items()}
    total = {m: view.sum(axis=0) for m, view in z.items()}
    return {(a, b): 2 * sums[a].T @ sums[b] - np.outer(total[a], total[b]) for a, b in combinations(z, 2)}
