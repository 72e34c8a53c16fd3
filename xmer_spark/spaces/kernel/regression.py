"""Kernel ridge regression: what an item of another modality would look like in one modality's features."""

from __future__ import annotations

from functools import partial

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.numerics.linalg import squared_distances, unit_rows
from xmer_spark.numerics.rows import in_blocks
from xmer_spark.numerics.views import Arrays, Labels, Pairs, Views, checked_pairs
from xmer_spark.spaces.base import Space
from xmer_spark.spaces.kernel.nystroem import drawn, kernel_values, scale_of

#: What keeps the normal equations of landmarks that are nearly alike from being singular.
_JITTER = 1e-9


class KernelRegression(Space):
    """The common space is that of one modality's features, centred, and the others are regressed onto it.

    Kernel ridge regression (Saunders, Gammerman and Vovk 1998): an item x is placed at
    ``k(x, X) (K + regularisation I)^-1 Y``, with X the training items of its modality that have partners in
    ``onto``, Y the mean of each one's partners, and the kernel of ``KernelCCA``. Where X has more than
    ``landmarks`` items, only kernels with so many of them are weighed (subset of regressors; Smola and
    Schoelkopf 2000). Without the modality ``onto``, it is the first one by name.
    """

    def __init__(
        self,
        onto: str = "text",
        width: float = 1.0,
        landmarks: int = 4000,
        regularisation: float = 0.2,
        seed: int = 0,
    ) -> None:
        self.onto = onto
        self.width = width
        self.landmarks = landmarks
        self.regularisation = regularisation
        self.seed = seed

    def _fit(self, views: Views, labels: Labels | None, pairs: Pairs | None) -> None:
        pairs, random = checked_pairs(views, pairs), np.random.default_rng(self.seed)
        self.target_ = self.onto if self.onto in views else min(views)
        self.mean_ = views[self.target_].mean(axis=0, dtype=np.float64)
        self.kernels_: dict[str, Arrays] = {}
        for modality, view in views.items():
            if modality != self.target_:
                rows, partners = self._partners(modality, views, pairs)
                self.kernels_[modality] = self._regression(view[rows], partners, random)

    def _transform(self, modality: str, x: np.ndarray) -> np.ndarray:
        if modality == self.target_:
            return unit_rows(x - self.mean_)
        kernel = self.kernels_[modality]
        return unit_rows(kernel_values(kernel, x) @ kernel["map"])

    def _regression(self, x: np.ndarray, y: np.ndarray, random: np.random.Generator) -> Arrays:
        """The kernel of items x (n, c), and what maps its values to their partners y (n, d)."""
        from scipy.linalg import solve

        landmarks = drawn(x, self.landmarks, random)
        between = squared_distances(landmarks, landmarks)
        kernel = {"landmarks": landmarks, "scale": scale_of(between, self.width)}
        own = np.exp(-kernel["scale"] * between)
        if len(landmarks) == len(x):
            own[np.diag_indices(len(x))] += self.regularisation
            return kernel | {"map": solve(own, y, assume_a="pos", overwrite_a=True)}
        known = in_blocks(partial(kernel_values, kernel), x).astype(np.float64)
        normal = known.T @ known + self.regularisation * own
        normal[np.diag_indices(len(own))] += _JITTER * len(x)
        return kernel | {"map": solve(normal, known.T @ y, assume_a="pos", overwrite_a=True)}

    def _partners(self, modality: str, views: Views, pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
        """The rows of a view that have partners in the target (n), and the mean of each one's (n, d)."""
        ways = ((modality, self.target_), slice(None)), ((self.target_, modality), slice(None, None, -1))
        found = [pairs[names][:, order] for names, order in ways if names in pairs]
        index = np.concatenate([np.empty((0, 2), np.int64), *found])
        if not len(index):
            raise XmerError(f"regression: no {modality} is known to be of one thing with any {self.target_}")
        rows, row, count = np.unique(index[:, 0], return_inverse=True, return_counts=True)
        total = np.zeros((len(rows), len(self.mean_)))
        np.add.at(total, row, views[self.target_][index[:, 1]] - self.mean_)
        return rows, total / count[:, None]
