"""Cross-modality correlation propagation over the modalities' neighbour graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xmer_spark.errors import XmerError
from xmer_spark.numerics.neighbours import nearest
from xmer_spark.numerics.views import Labels, Pairs, Views, checked_labels, class_numbers, one_hot
from xmer_spark.spaces.base import Space

if TYPE_CHECKING:
    from scipy.sparse import csr_array


class CMCP(Space):
    """Positive and negative correlations of labelled items, propagated to all others.

    Zhai, Peng and Xiao, "Cross-Modality Correlation Propagation for Cross-Media Retrieval" (ICASSP
    2012). ``Z`` (n_x, n_y) holds the known correlations: +1 for two items of one class, -1 for two of
    different classes, 0 where a label is missing. ``F <- alpha S_x F + (1 - alpha) Z`` spreads it
    over the first modality's graph, and then the same over the second's, where
    ``S = D^(-1/2) W D^(-1/2)`` of the ``neighbours`` nearest items. The fixed point is

        F = (1 - alpha)^2 (I - alpha S_x)^(-1) Z (I - alpha S_y)^(-1).

    With ``Y`` (n, c) the one-hot classes, zero where unknown, ``Z = Y_x C Y_y^T`` with
    ``C = 2 I - 1 1^T``. So ``F = P_x C P_y^T`` exactly, where ``P = (1 - alpha)(I - alpha S)^(-1) Y``
    is found for each modality by itself, by conjugate gradients on the sparse graph: no matrix of
    all pairs is ever made.

    Similarity is F over the evidence that reached the two items, ``F_ij / (r_i r_j)`` with
    ``r = P 1``: the positive less the negative share, in [-1, 1]. It equals ``2 <p_i, p_j> - 1`` with
    ``p = P / r``, so the rows ``p`` (n, c) are the embedding: their inner product ranks as it does, for
    any number of modalities. Deviations: the authors rank by F, which also says how central an item is,
    and their code divides the +1s and the -1s of each column of Z by their numbers, so that both weigh the
    same. Without the latter F is swamped by the many -1s: on Wikipedia (transductive, square roots of the
    features) its MAP is .18, with it .29, and the embedding's .30. F of any ``C`` follows from P, kept in
    ``evidence_``. An item that no label reaches stays zero.

    Edges weigh ``exp(-width distance^2 / mean distance^2 of neighbours)``, and half of that where only
    one of the two items is among the other's nearest; the authors' code has the cosine of z-scored
    features instead, and alpha 0.6. ``fit_transform`` is the paper's transductive procedure.
    ``transform`` places another item by a last step of propagation with the fitted items held: ``P(x)``
    in proportion to ``sum_j w(x, j) d_j^(-1/2) P_j`` over its nearest ones.
    """

    def __init__(self, neighbours: int = 30, alpha: float = 0.5, width: float = 2.0) -> None:
        self.neighbours = neighbours
        self.alpha = alpha
        self.width = width

    def _fit(self, views: Views, labels: Labels | None, pairs: Pairs | None) -> None:
        """Learn from labels and neighbours; ``pairs`` have no part in the paper's correlations."""
        if not 0 <= self.alpha < 1:
            raise XmerError(f"CMCP: alpha must be at least 0 and below 1, not {self.alpha}")
        self.classes_, numbers = class_numbers(checked_labels("CMCP", views, labels))
        self.items_ = {m: np.asarray(x, dtype=np.float32) for m, x in views.items()}
        self.scales_: dict[str, float] = {}
        self.degrees_: dict[str, np.ndarray] = {}
        self.evidence_: dict[str, np.ndarray] = {}
        for m, x in self.items_.items():
            graph, self.scales_[m] = self._graph(x)
            self.degrees_[m] = np.maximum(graph.sum(axis=1), 1e-12)
            known = one_hot(numbers[m], len(self.classes_))
            self.evidence_[m] = propagate(graph, self.degrees_[m], known, self.alpha)

    def fit_transform(
        self, views: Views, labels: Labels | None = None, pairs: Pairs | None = None
    ) -> dict[str, np.ndarray]:
        self.fit(views, labels, pairs)
        return {m: _shares(evidence).astype(np.float32) for m, evidence in self.evidence_.items()}

    def _transform(self, modality: str, x: np.ndarray) -> np.ndarray:
        """(n, d_m) vectors -> (n, c) float32: shares of the classes, not of unit length."""
        index, distance = nearest(x, self.items_[modality], self.neighbours)
        step = self.evidence_[modality] / np.sqrt(self.degrees_[modality])[:, None]
        # Relative to the nearest one, so that an item far from all others still leans on it.
        squares = distance**2 - distance[:, :1] ** 2
        weight = self._weight(squares, self.scales_[modality])
        placed = np.zeros((len(x), step.shape[1]))
        for column in range(index.shape[1]):
            placed += weight[:, [column]] * step[index[:, column]]
        return _shares(placed)

    def _graph(self, x: np.ndarray) -> tuple[csr_array, float]:
        """The symmetric weights (n, n) of neighbours, and their mean squared distance."""
        from scipy.sparse import csr_array

        index, distance = nearest(x, x, self.neighbours, exclude_self=True)
        scale = max(float((distance**2).mean()), 1e-12)
        starts = np.arange(0, index.size + 1, index.shape[1])
        weight = self._weight(distance**2, scale)
        directed = csr_array((weight.ravel(), index.ravel(), starts), shape=(len(x), len(x)))
        return csr_array((directed + directed.T) / 2), scale

    def _weight(self, squares: np.ndarray, scale: float) -> np.ndarray:
        return np.exp(-self.width * squares / scale)


def propagate(graph: csr_array, degrees: np.ndarray, known: np.ndarray, alpha: float) -> np.ndarray:
    """``(1 - alpha)(I - alpha S)^(-1) Y`` of known classes Y (n, c), with S of the graph's weights (n, n).

    It is the limit of ``P <- alpha S P + (1 - alpha) Y``. Conjugate gradients take about the square
    root of the steps that this iteration takes.
    """
    from scipy.sparse import diags_array, eye_array
    from scipy.sparse.linalg import cg

    root = diags_array(1 / np.sqrt(degrees))
    system = eye_array(len(degrees), format="csr") - alpha * (root @ graph @ root)
    columns = [cg(system, (1 - alpha) * column, rtol=1e-8)[0] for column in known.T]
    # What is 0 in exact arithmetic may come out just below it.
    return np.maximum(np.column_stack(columns), 0)


def _shares(evidence: np.ndarray) -> np.ndarray:
    """Rows (n, c) divided by their sums; zero rows stay zero."""
    total = evidence.sum(axis=1, keepdims=True)
    return np.divide(evidence, total, out=np.zeros_like(evidence), where=total > 0)
