"""Joint representation learning: maps to the label space, sparse and semi-supervised."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from xmer_spark.numerics.neighbours import class_posteriors, neighbour_graph
from xmer_spark.numerics.rows import chunks, in_blocks
from xmer_spark.numerics.threads import one_thread
from xmer_spark.numerics.views import (
    Arrays,
    Labels,
    Pairs,
    Views,
    aligned_pairs,
    checked_labels,
    checked_pairs,
    class_numbers,
    one_hot,
)
from xmer_spark.spaces.base import Space
from xmer_spark.spaces.kernel.nystroem import drawn, features, fit_kernel

if TYPE_CHECKING:
    from scipy.sparse import csr_array

#: A row of a map has length (|p|^2 + this)^(1/2), which has a derivative at 0.
_SMOOTHING = 1e-12
#: Keeps the equations solvable where a feature does not vary.
_RIDGE = 1e-10


class JRL(Space):
    """Sparse maps of all modalities to class scores, smooth over each modality's neighbour graph.

    Zhai, Peng and Xiao, "Learning Cross-Media Joint Representation With Sparse and Semisupervised
    Regularization" (TCSVT 2014). With standardised features ``X_m`` (n_m, d_m), their labelled rows
    ``X_m^L``, one-hot classes ``Y_m`` and the pairs' rows ``X_ab``, the maps ``P_m`` (d_m, c) minimise

        sum_m |X_m^L P_m - Y_m|^2 / l_m  +  correlation sum_ab |X_ab P_a - X_ba P_b|^2 / p_ab
        + smoothness sum_m tr(P_m^T X_m^T L_m X_m P_m) / n_m  +  sparsity sum_m |P_m|_(2,1),

    where ``L_m = I - D^(-1/2) W D^(-1/2)`` belongs to the graph of ``neighbours`` nearest items,
    labelled or not, and ``|P|_(2,1)`` adds up the lengths of the rows. As in the paper, the similarity
    of two items is then the probability that they share a class, judged by the classes of their
    ``votes`` nearest labelled items of any modality in the joint space: the inner product of two
    posteriors (n, c), which is what ``transform`` gives.

    The paper transduces: the items to be placed take part in the graph, with label -1. So does
    ``fit_transform``, and since the maps are functions, ``transform`` places any other item.

    Deviations. The paper's features are the vectors themselves, which ``landmarks`` 0 gives; better are
    those of the kernel ``exp(-width |x - y|^2 / median |x - y|^2)``, the first ``components`` of
    Nystroem's ``k(x, landmarks) U s^(-1/2)`` (Williams and Seeger 2001), as in KernelCCA. Each sum is
    divided by its number of items, so that parameters carry over between data sets. Edges have heat
    kernel weights, binary in the authors' code. Reweighting solves for all maps at once, where that code
    takes each from the last of the other, so that the objective, kept in ``losses_``, never rises.
    Without ``pairs``, aligned rows are a pair only where both have a label, since the partner of an item
    to be placed is what is asked for.
    """

    def __init__(
        self,
        correlation: float = 1.0,
        smoothness: float = 1.0,
        sparsity: float = 0.01,
        neighbours: int = 100,
        votes: int = 200,
        width: float = 2.0,
        landmarks: int = 800,
        components: int = 100,
        iterations: int = 30,
        tolerance: float = 1e-4,
        seed: int = 0,
    ) -> None:
        self.correlation = correlation
        self.smoothness = smoothness
        self.sparsity = sparsity
        self.neighbours = neighbours
        self.votes = votes
        self.width = width
        self.landmarks = landmarks
        self.components = components
        self.iterations = iterations
        self.tolerance = tolerance
        self.seed = seed

    def _fit(self, views: Views, labels: Labels | None, pairs: Pairs | None) -> None:
        self.classes_, numbers = class_numbers(checked_labels("JRL", views, labels))
        pairs = checked_pairs(views, _labelled_pairs(views, numbers) if pairs is None else pairs)
        self.kernels_: dict[str, Arrays] = {}
        self.means_: Arrays = {}
        self.scales_: Arrays = {}
        standard = {m: self._fit_features(m, x) for m, x in views.items()}
        self._fit_maps(standard, numbers, pairs)
        known = {m: np.flatnonzero(y >= 0) for m, y in numbers.items()}
        self.reference_ = np.vstack([standard[m][rows] @ self.maps_[m] for m, rows in known.items()])
        self.reference_classes_ = np.concatenate([numbers[m][rows] for m, rows in known.items()])

    def _transform(self, modality: str, x: np.ndarray) -> np.ndarray:
        """(n, d_m) vectors -> (n, c) float32: class posteriors, not of unit length."""
        return class_posteriors(
            self._scores(modality, x),
            self.reference_,
            self.reference_classes_,
            self.votes,
            len(self.classes_),
            "euclidean",
        )

    def scores(self, modality: str, x: np.ndarray) -> np.ndarray:
        """The joint representation itself, (n, d_m) -> (n, c) float64."""
        with one_thread():
            return in_blocks(partial(self._scores, modality), x, np.float64)

    def _scores(self, modality: str, x: np.ndarray) -> np.ndarray:
        standard = (self._raw(modality, x) - self.means_[modality]) / self.scales_[modality]
        return np.asarray(standard @ self.maps_[modality])

    def _fit_features(self, modality: str, x: np.ndarray) -> np.ndarray:
        if self.landmarks:
            landmarks = drawn(x, self.landmarks, np.random.default_rng(self.seed))
            self.kernels_[modality] = fit_kernel(landmarks, self.width, self.components)
        raw = in_blocks(partial(self._raw, modality), x, np.float64)
        self.means_[modality] = raw.mean(axis=0)
        self.scales_[modality] = np.maximum(raw.std(axis=0), 1e-9)
        return (raw - self.means_[modality]) / self.scales_[modality]

    def _raw(self, modality: str, x: np.ndarray) -> np.ndarray:
        return features(self.kernels_[modality], x) if self.landmarks else x

    def _fit_maps(self, x: Arrays, numbers: Arrays, pairs: Pairs) -> None:
        """Minimise by reweighting (Nie et al. 2010): ``|p|`` is at most ``|p|^2 / 2r + r / 2``, for any r."""
        from scipy.linalg import solve

        ends = np.cumsum([0, *(view.shape[1] for view in x.values())])
        blocks = {m: slice(a, b) for m, (a, b) in zip(x, pairwise(ends), strict=True)}
        quadratic, linear = self._normal_equations(x, numbers, pairs, blocks)
        lengths = np.ones(len(quadratic))
        losses: list[float] = []
        for _ in range(self.iterations):
            penalty = np.diag(self.sparsity / (2 * lengths) + _RIDGE)
            maps = solve(quadratic + penalty, linear, assume_a="pos")
            lengths = np.sqrt((maps**2).sum(axis=1) + _SMOOTHING)
            smooth = len(x) + (maps * (quadratic @ maps + _RIDGE * maps - 2 * linear)).sum()
            losses.append(float(smooth + self.sparsity * lengths.sum()))
            if len(losses) > 1 and losses[-2] - losses[-1] <= self.tolerance * losses[-2]:
                break
        self.losses_ = np.array(losses)
        self.maps_ = {m: maps[rows] for m, rows in blocks.items()}

    def _normal_equations(
        self, x: Arrays, numbers: Arrays, pairs: Pairs, blocks: dict[str, slice]
    ) -> tuple[np.ndarray, np.ndarray]:
        """``A`` (d, d) and ``B`` (d, c), with which the squares are ``tr(P'AP - 2 P'B)`` plus a constant.

        P stacks all maps. The constant is the number of modalities: one-hot rows have length 1.
        """
        size = sum(view.shape[1] for view in x.values())
        quadratic, linear = np.zeros((size, size)), np.zeros((size, len(self.classes_)))
        for m, view in x.items():
            labelled = view[numbers[m] >= 0]
            targets = one_hot(numbers[m][numbers[m] >= 0], len(self.classes_))
            quadratic[blocks[m], blocks[m]] = labelled.T @ labelled / len(labelled)
            linear[blocks[m]] = labelled.T @ targets / len(labelled)
            if self.smoothness:
                rough = _roughness(view, neighbour_graph(view, self.neighbours))
                quadratic[blocks[m], blocks[m]] += self.smoothness * rough / len(view)
        for (a, b), index in pairs.items():
            weight = self.correlation / max(len(index), 1)
            for rows in chunks(len(index)):
                left, right = x[a][index[rows, 0]], x[b][index[rows, 1]]
                quadratic[blocks[a], blocks[a]] += weight * left.T @ left
                quadratic[blocks[b], blocks[b]] += weight * right.T @ right
                quadratic[blocks[a], blocks[b]] -= weight * left.T @ right
                quadratic[blocks[b], blocks[a]] -= weight * right.T @ left
        return quadratic, linear


def _labelled_pairs(views: Views, numbers: Arrays) -> dict[tuple[str, str], np.ndarray]:
    """Aligned rows, where both have a label."""
    return {
        (a, b): index[(numbers[a][index[:, 0]] >= 0) & (numbers[b][index[:, 1]] >= 0)]
        for (a, b), index in aligned_pairs(views).items()
    }


def _roughness(x: np.ndarray, graph: csr_array) -> np.ndarray:
    """``X^T (I - D^(-1/2) W D^(-1/2)) X`` (d, d) of items (n, d) and adjacency W (n, n)."""
    scaled = x / np.sqrt(np.maximum(graph.sum(axis=1), 1e-12))[:, None]
    return np.asarray(x.T @ x - scaled.T @ (graph @ scaled))
