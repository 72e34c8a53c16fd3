"""Canonical correlation analysis of kernel features."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from xmer_spark.numerics.rows import in_blocks
from xmer_spark.numerics.views import Arrays, Labels, Pairs, Views
from xmer_spark.spaces.kernel.nystroem import drawn, features, fit_kernel
from xmer_spark.spaces.linear.cca import CCA


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

    def _fit(self, views: Views, labels: Labels | None, pairs: Pairs | None) -> None:
        random = np.random.default_rng(self.seed)
        self.kernels_: dict[str, Arrays] = {}
        for modality, view in views.items():
            landmarks = drawn(view, self.landmarks, random)
            self.kernels_[modality] = fit_kernel(landmarks, self.width, self.components)
        known = {m: in_blocks(partial(self._features, m), view) for m, view in views.items()}
        super()._fit(known, labels, pairs)

    def _transform(self, modality: str, x: np.ndarray) -> np.ndarray:
        return super()._transform(modality, self._features(modality, x))

    def _features(self, modality: str, x: np.ndarray) -> np.ndarray:
        """(n, d) -> (n, components)."""
        return features(self.kernels_[modality], x)
