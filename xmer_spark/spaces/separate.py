"""A space for each modality by itself, where nothing says how they belong together."""

from __future__ import annotations

import numpy as np

from xmer_spark.numerics.linalg import unit_rows
from xmer_spark.numerics.views import Labels, Pairs, Views
from xmer_spark.spaces.base import Space


class Separate(Space):
    """Prepared features at unit length: items of one modality can be compared, of two modalities not.

    It needs neither labels nor pairs. Narrower modalities are filled up with zeros, so that all have one
    width.
    """

    def _fit(self, views: Views, labels: Labels | None, pairs: Pairs | None) -> None:
        self.width_ = max(view.shape[1] for view in views.values())

    def _transform(self, modality: str, x: np.ndarray) -> np.ndarray:
        return np.pad(unit_rows(x), ((0, 0), (0, self.width_ - x.shape[1])))
