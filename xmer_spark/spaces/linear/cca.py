"""Regularised canonical correlation analysis of any number of modalities."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.numerics.linalg import cross_covariance, mean_and_covariance, unit_rows
from xmer_spark.numerics.views import Labels, Pairs, Views, checked_pairs, one_hot
from xmer_spark.spaces.base import Space

#: The view of class labels, beside the modalities.
CLASS = "class"


class CCA(Space):
    """One linear map per modality, chosen so that items of one thing agree.

    The directions w = (w_1, ..., w_M) solve the generalised eigenproblem ``A w = rho B w``. Block
    (a, b) of ``A`` is the covariance over the pairs of a and b; ``B`` is block diagonal with each
    modality's own covariance. Two modalities: Hotelling (1936). More: the sum of correlations,
    Kettenring (1971). ``B_m + regularisation * mean variance * I``: Vinod (1976). A class as a
    further view, and directions weighted by ``rho ** power``: Gong et al. (2014), sections 3 and 4.

    Pairs within a modality, such as two pictures of one thing, enter the diagonal blocks of ``A``
    with weight ``within``: they favour directions that do not change between the two.

    At most ``dimensions`` are kept. ``class_weight`` weighs the view of labels; 0 leaves it out.
    ``regularisation`` and ``within`` may differ by modality.
    """

    def __init__(
        self,
        dimensions: int = 128,
        regularisation: float | Mapping[str, float] = 0.1,
        power: float = 1.0,
        within: float | Mapping[str, float] = 1.0,
        class_weight: float = 0.0,
    ) -> None:
        self.dimensions = dimensions
        self.regularisation = regularisation
        self.power = power
        self.within = within
        self.class_weight = class_weight

    def _fit(self, views: Views, labels: Labels | None, pairs: Pairs | None) -> None:
        from scipy.linalg import eigh

        pairs = checked_pairs(views, pairs)
        modalities = list(views)
        if self.class_weight and labels is not None:
            views, pairs = _with_classes(views, labels, pairs)
        between, own, means, blocks = self._covariances(views, pairs)
        size = len(own)
        kept = min(self.dimensions, size)
        values, vectors = eigh(between, own, subset_by_index=(size - kept, size - 1))
        positive = np.flatnonzero(values > 1e-9)[::-1]
        if not len(positive):
            raise XmerError("CCA found no correlated direction: are there pairs, and do the features vary?")
        self.correlations_ = values[positive]
        weight = self.correlations_**self.power
        self.means_ = {m: means[m] for m in modalities}
        self.maps_ = {m: vectors[blocks[m]][:, positive] * weight for m in modalities}

    def _transform(self, modality: str, x: np.ndarray) -> np.ndarray:
        return unit_rows((x - self.means_[modality]) @ self.maps_[modality])

    def _covariances(
        self, views: Views, pairs: Pairs
    ) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray], dict[str, slice]]:
        """The two sides of the eigenproblem, the means, and each view's place in it."""
        ends = np.cumsum([view.shape[1] for view in views.values()])
        blocks = {m: slice(end - views[m].shape[1], end) for m, end in zip(views, ends, strict=True)}
        between, own = np.zeros((ends[-1], ends[-1])), np.zeros((ends[-1], ends[-1]))
        means = {}
        for m, view in views.items():
            means[m], covariance = mean_and_covariance(view)
            ridge = _of(self.regularisation, m) * np.trace(covariance) / len(covariance)
            own[blocks[m], blocks[m]] = covariance + (ridge + 1e-10) * np.eye(len(covariance))
        for (a, b), index in pairs.items():
            shared = cross_covariance(views[a], means[a], views[b], means[b], index)
            if a == b:
                between[blocks[a], blocks[a]] += _of(self.within, a) * (shared + shared.T) / 2
                continue
            shared *= self.class_weight if CLASS in (a, b) else 1.0
            between[blocks[a], blocks[b]] += shared
            between[blocks[b], blocks[a]] += shared.T
        return between, own, means, blocks


def _of(parameter: float | Mapping[str, float], modality: str) -> float:
    """A parameter's value for one modality; 0 where it names others only."""
    return parameter.get(modality, 0.0) if isinstance(parameter, Mapping) else parameter


def _with_classes(views: Views, labels: Labels, pairs: Pairs) -> tuple[Views, Pairs]:
    """Add the view of one-hot class labels, each labelled item paired with its own."""
    known = {m: np.flatnonzero(y >= 0) for m, y in labels.items() if m in views}
    classes = np.concatenate([labels[m][rows] for m, rows in known.items()])
    starts = np.cumsum([0, *(len(rows) for rows in known.values())])
    own = {
        (m, CLASS): np.column_stack([rows, start + np.arange(len(rows))])
        for (m, rows), start in zip(known.items(), starts, strict=False)
    }
    return {**views, CLASS: one_hot(classes, classes.max() + 1)}, {**pairs, **own}
