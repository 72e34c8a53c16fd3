"""Canonical correlation analysis of kernel features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import numpy as np

from xmer_spark.numerics.linalg import chunks
from xmer_spark.numerics.views import Labels, Pairs, Views
from xmer_spark.spaces.linear.cca import CCA

#: Rows whose kernel values are held at a time.
_ROWS = 8192


class KernelCCA(CCA):
    """CCA after a non-linear map: kernel CCA (Akaho 2001; Hardoon et al. 2004), by landmarks.

    The kernel is ``exp(-width |x - y|^2 / median |x - y|^2)``, by modality. Nystroem's method
    (Williams and Seeger 2001) turns it into ``components`` explicit features: with ``U`` and ``s``
    the leading eigenvectors and values of the kernel of ``landmarks`` training items,
    ``f(x) = k(x, landmarks) U s^(-1/2)``. The ridge acts on these features as in CCA, whose other
    parameters are kept.
    """

    def __init__(
        self,
        width: float = 1.0,
        landmarks: int = 1500,
        components: int = 300,
        dimensions: int = 200,
        regularisation: float | Mapping[str, float] = 0.1,
        power: float = 1.0,
        within: float | Mapping[str, float] = 1.0,
        class_weight: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__(dimensions, regularisation, power, within, class_weight)
        self.width = width
        self.landmarks = landmarks
        self.components = components
        self.seed = seed

    def fit(self, views: Views, labels: Labels | None = None, pairs: Pairs | None = None) -> Self:
        self.landmarks_: dict[str, np.ndarray] = {}
        self.scales_: dict[str, float] = {}
        self.features_: dict[str, np.ndarray] = {}
        random = np.random.default_rng(self.seed)
        for modality, view in views.items():
            rows = np.sort(random.permutation(len(view))[: self.landmarks])
            self.landmarks_[modality] = view[rows].astype(np.float32)
            self._fit_features(modality)
        return super().fit({m: self._features(m, view) for m, view in views.items()}, labels, pairs)

    def transform(self, modality: str, x: np.ndarray) -> np.ndarray:
        parts = [
            super(KernelCCA, self).transform(modality, self._features(modality, x[rows]))
            for rows in chunks(len(x), _ROWS)
        ]
        return np.vstack(parts) if parts else np.empty((0, len(self.correlations_)), np.float32)

    def _fit_features(self, modality: str) -> None:
        from scipy.linalg import eigh

        landmarks = self.landmarks_[modality]
        distances = squared_distances(landmarks, landmarks)
        apart = distances[np.triu_indices(len(landmarks), 1)]
        self.scales_[modality] = self.width / max(float(np.median(apart)) if len(apart) else 0.0, 1e-12)
        kernel = np.exp(-self.scales_[modality] * distances).astype(np.float64)
        count = len(landmarks)
        kept = min(self.components, count)
        values, vectors = eigh(kernel, subset_by_index=(count - kept, count - 1))
        sound = values > 1e-8 * count
        self.features_[modality] = (vectors[:, sound] / np.sqrt(values[sound]))[:, ::-1].astype(np.float32)

    def _features(self, modality: str, x: np.ndarray) -> np.ndarray:
        """(n, d) -> (n, components) float32."""
        features = self.features_[modality]
        result = np.empty((len(x), features.shape[1]), dtype=np.float32)
        for rows in chunks(len(x), _ROWS):
            distances = squared_distances(x[rows].astype(np.float32), self.landmarks_[modality])
            result[rows] = np.exp(-self.scales_[modality] * distances) @ features
        return result


def squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(n, d) and (m, d) -> (n, m) squared Euclidean distances, never below 0.

    >>> squared_distances(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[25.0, 0.0]]
    """
    squares = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1)
    return np.maximum(squares - 2 * (x @ y.T), 0)
