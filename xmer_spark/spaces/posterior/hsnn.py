"""Similarity across modalities as the probability of one shared class, from nearest neighbours."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from xmer_spark.numerics.neighbours import class_posteriors
from xmer_spark.numerics.threads import one_thread
from xmer_spark.numerics.views import Labels, Pairs, Views, checked_labels, class_numbers, contiguous_views
from xmer_spark.spaces.base import Space


class HSNN(Space):
    """Heterogeneous similarity with nearest neighbours (Zhai, Peng and Xiao 2012).

    "Effective Heterogeneous Similarity Measure with Nearest Neighbors for Cross-Media Retrieval", MMM.

    Each item is placed by its class posteriors among its ``k`` nearest labelled items of its own
    modality, and the similarity is the probability that two items share their class::

        p(c | x) = sum of sigma(s(x, x')) over neighbours x' of class c / the same over all neighbours
        similarity(x, y) = sum over c of p(c | x) p(c | y)

    with ``sigma(s) = 1 / (1 + exp(-s))`` and ``s`` the cosine, or minus the distance. ``metric`` is
    "cosine", "euclidean", "cityblock" or another of ``scipy.spatial.distance.cdist``; it and ``k``
    may differ by modality. The labelled training items are the fitted state. ``pairs`` is not used.
    With distances far above 1 the nearest neighbour decides almost alone, as sigma is nearly
    ``exp(-distance)``. The authors' published code differs: z-scored cosines of z-scored features as
    weights, without sigma, ``k`` 30, and the nearest neighbour left out, for test items too.
    ``transform`` finds an item that was fitted on among its own neighbours; ``fit_transform`` does not.
    """

    def __init__(
        self, k: int | Mapping[str, int] = 60, metric: str | Mapping[str, str] = "cityblock"
    ) -> None:
        self.k = k
        self.metric = metric

    def _fit(self, views: Views, labels: Labels | None, pairs: Pairs | None) -> None:
        self.classes_, numbers = class_numbers(checked_labels("HSNN", views, labels))
        known = {m: numbers[m] >= 0 for m in views}
        self.reference_ = {m: np.asarray(view[known[m]], np.float32) for m, view in views.items()}
        self.labels_ = {m: numbers[m][known[m]] for m in views}

    def _transform(self, modality: str, x: np.ndarray) -> np.ndarray:
        """(n, d_m) vectors -> (n, classes) float32: class posteriors, whose rows sum to one."""
        return self._posteriors(modality, x)

    def fit_transform(
        self, views: Views, labels: Labels | None = None, pairs: Pairs | None = None
    ) -> dict[str, np.ndarray]:
        """Place the items fitted on, none of which counts as a neighbour of itself."""
        self.fit(views, labels, pairs)
        placed = {}
        for modality, view in contiguous_views(views).items():
            known = labels[modality] >= 0 if labels else np.zeros(len(view), bool)
            placed[modality] = np.empty((len(view), len(self.classes_)), np.float32)
            with one_thread():
                placed[modality][known] = self._posteriors(modality, view[known], exclude_self=True)
            placed[modality][~known] = self.transform(modality, view[~known])
        return placed

    def _posteriors(self, modality: str, x: np.ndarray, *, exclude_self: bool = False) -> np.ndarray:
        return class_posteriors(
            x,
            self.reference_[modality],
            self.labels_[modality],
            self.k[modality] if isinstance(self.k, Mapping) else self.k,
            len(self.classes_),
            self.metric[modality] if isinstance(self.metric, Mapping) else self.metric,
            exclude_self=exclude_self,
        )
