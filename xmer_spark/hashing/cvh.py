"""Cross-view hashing: similar items of any views get codes of small total distance."""

from __future__ import annotations

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.hashing.base import CrossModalHasher
from xmer_spark.hashing.directions import as_many_bits, leading, own_scatter, whitening
from xmer_spark.numerics.views import Labels, Pairs, Views, checked_pairs


class CrossView(CrossModalHasher):
    """Cross-view hashing (Kumar and Udupa 2011).

    Relaxed, the codes minimise ``sum over pairs (i, j) of |w_a' x_i - w_b' x_j|^2``. Subject to
    ``w_m' X_m' D_m X_m w_m = 1`` that is the greatest ``sum over pairs of w_a' x_i x_j' w_b``, a
    generalised eigenproblem (for more than two modalities, with the sum of the constraints). ``D_m`` counts
    the pairs of each item; the paper leaves it out, and then directions of items without pairs look best.
    Where all are in equally many pairs, the two are the same, and for one pair per item CCA. The paper's
    distances within a modality count here where ``pairs`` has pairs of it.

    Ours, too: a ridge of ``regularisation`` mean variances; directions along which pairs do not agree
    are left out, and ``as_many_bits`` makes bits of the rest.
    """

    def __init__(
        self, bits: int = 64, regularisation: float = 0.1, rotate: bool = False, seed: int = 0
    ) -> None:
        self.bits = bits
        self.regularisation = regularisation
        self.rotate = rotate
        self.seed = seed

    def _fit(self, views: Views, labels: Labels | None, pairs: Pairs | None) -> None:
        pairs = {key: index for key, index in checked_pairs(views, pairs).items() if len(index)}
        degree = {m: _degree(m, len(view), pairs) for m, view in views.items()}
        means = {m: np.average(view, axis=0, weights=degree[m]) for m, view in views.items()}
        x = {m: view - means[m] for m, view in views.items()}
        weighted = {m: view * np.sqrt(degree[m])[:, None] for m, view in x.items()}
        white = {m: whitening(own_scatter(view, self.regularisation)) for m, view in weighted.items()}
        z = {m: view @ white[m] for m, view in x.items()}
        values, parts = leading({(a, b): z[a][i].T @ z[b][j] for (a, b), (i, j) in _columns(pairs)}, z)
        kept = values > max(1e-9, 1e-9 * values[0])
        if not kept.any():
            raise XmerError("hashing: cvh found no direction along which pairs agree; are there pairs?")
        self.correlations_ = values[kept]
        maps = {m: white[m] @ part[:, kept] for m, part in parts.items()}
        random = np.random.default_rng(self.seed)
        self.maps_ = as_many_bits(maps, self.correlations_, self.bits, self.rotate, random)
        self.thresholds_ = {m: means[m] @ self.maps_[m] for m in views}


def _columns(pairs: Pairs) -> list[tuple[tuple[str, str], np.ndarray]]:
    return [(key, index.T) for key, index in pairs.items()]


def _degree(modality: str, count: int, pairs: Pairs) -> np.ndarray:
    """How many pairs each item is in: (n_m,)."""
    degree = np.zeros(count)
    for key, index in _columns(pairs):
        for side in (0, 1):
            if key[side] == modality:
                degree += np.bincount(index[side], minlength=count)
    if not degree.any():
        raise XmerError(f"hashing: no pairs of {modality} with another item")
    return degree
