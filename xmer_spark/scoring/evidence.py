"""What two items have in common, from the items and the model alone.

Whatever concerns one item only is worked out once per item; a pair then costs two look-ups and an
inner product.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Self

import numpy as np

from xmer_spark.method import Method

#: Numbers in the largest matrix that is held at a time: about as many as a core's cache holds.
CHUNK = 500_000

#: Arrays of n items: "vectors", "posterior", and "hubness/<modality>" towards each modality.
ItemEvidence = dict[str, np.ndarray]
#: Arrays of p pairs, by the field names of ``schema.EVIDENCE``.
PairEvidence = dict[str, np.ndarray]


class ItemModel(Method):
    """What the model knows of an item's surroundings: reference items, and classes.

    A reference sample of each modality tells how near an item is to just anything of that modality,
    its hubness; a multinomial logistic regression on the embeddings tells its class. Both belong to
    the model, so that the evidence of a pair does not depend on what else is in the run.
    """

    def __init__(
        self, neighbours: int = 10, reference: int = 2000, class_penalty: float = 1e-3, seed: int = 0
    ) -> None:
        self.neighbours = neighbours
        self.reference = reference
        self.class_penalty = class_penalty
        self.seed = seed

    def fit_items(
        self, embeddings: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray] | None = None
    ) -> Self:
        """Keep a sample of each modality's (n_m, k) embeddings; learn the classes from labels >= 0."""
        random = np.random.default_rng(self.seed)
        self.reference_: dict[str, np.ndarray] = {}
        for modality, x in sorted(embeddings.items()):
            rows = np.sort(random.permutation(len(x))[: self.reference])
            self.reference_[modality] = x[rows].astype(np.float32)
        labels = labels or {}
        classes = max((int(y.max(initial=-1)) for y in labels.values()), default=-1) + 1
        self.class_weights_ = {
            modality: self._fit_classes(embeddings[modality], y, classes)
            for modality, y in sorted(labels.items())
            if len(np.unique(y[y >= 0])) > 1
        }
        return self

    def prepare(
        self, modality: str, embeddings: np.ndarray, towards: Collection[str] | None = None
    ) -> ItemEvidence:
        """The items' part of the evidence of every pair that they will be in.

        ``towards`` are the modalities of the other items of these pairs, where not all.
        """
        evidence = {"vectors": np.asarray(embeddings, dtype=np.float32)}
        for other in self.reference_ if towards is None else towards:
            reference = self.reference_[other]
            evidence[f"hubness/{other}"] = hubness(evidence["vectors"], reference, self.neighbours)
        if modality in self.class_weights_:
            evidence["posterior"] = _posterior(evidence["vectors"], self.class_weights_[modality])
        return evidence

    def _fit_classes(self, x: np.ndarray, y: np.ndarray, classes: int) -> np.ndarray:
        """Weights (k + 1, classes) of a multinomial logistic regression, the intercept last."""
        from sklearn.linear_model import LogisticRegression

        known = y >= 0
        model = LogisticRegression(C=1 / (self.class_penalty * known.sum()), max_iter=500)
        model.fit(np.asarray(x[known], dtype=np.float64), y[known])
        coefficients, intercepts = model.coef_, model.intercept_
        if len(model.classes_) == 2:  # scikit-learn then gives the second class only, against the first
            coefficients, intercepts = (
                np.vstack([-coefficients, coefficients]) / 2,
                np.r_[-intercepts, intercepts] / 2,
            )
        weights = np.zeros((x.shape[1] + 1, classes), dtype=np.float32)
        weights[-1] = -1e4  # a class that no item of this modality has
        weights[:-1, model.classes_] = coefficients.T
        weights[-1, model.classes_] = intercepts
        return weights


def hubness(x: np.ndarray, reference: np.ndarray, neighbours: int) -> np.ndarray:
    """Mean cosine with the nearest reference items: r(x) of Conneau et al. (2018), section 2.3. (n,)"""
    count = min(neighbours, len(reference))
    result = np.empty(len(x), dtype=np.float32)
    for rows, cosines in row_products(x, reference.T):
        cosines.partition(len(reference) - count, axis=1)
        result[rows] = cosines[:, -count:].mean(axis=1)
    return result


def row_products(x: np.ndarray, matrix: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """``x @ matrix`` as float32 in chunks of rows, each row the same whatever rows it comes with.

    Linear algebra libraries add up in an order that hangs on the shape, and on the place of a row in it: so
    sums are made in double precision, whose last bits are lost in rounding.
    """
    precise = matrix.astype(np.float64)
    for rows in row_chunks(len(x), matrix.shape[1]):
        yield rows, (x[rows].astype(np.float64) @ precise).astype(np.float32)


def pair_evidence(
    modalities: tuple[str, str],
    left: ItemEvidence,
    right: ItemEvidence,
    left_index: np.ndarray,
    right_index: np.ndarray,
) -> PairEvidence:
    """The evidence (p,) float32 of the pairs ``left_index[i]``, ``right_index[i]`` (p,).

    ``csls`` is ``2 cos(x, y) - r(x) - r(y)`` (Conneau et al. 2018, eq. 3), each hubness towards the
    other's modality. ``posterior_agreement`` is the probability that both are of one class, were
    their classes independent; it is left out where the classes of a modality are unknown.
    """
    a, b = modalities
    cosine = inner_products(left["vectors"], right["vectors"], left_index, right_index)
    csls = 2 * cosine - left[f"hubness/{b}"].take(left_index) - right[f"hubness/{a}"].take(right_index)
    evidence = {"cosine": cosine, "csls": csls}
    if "posterior" in left and "posterior" in right:
        evidence["posterior_agreement"] = inner_products(
            left["posterior"], right["posterior"], left_index, right_index
        )
    return evidence


def inner_products(
    left: np.ndarray, right: np.ndarray, left_index: np.ndarray, right_index: np.ndarray
) -> np.ndarray:
    """``left[left_index[i]] . right[right_index[i]]`` of (n, k) rows: (p,) float32.

    Row by row rather than as a matrix product, which adds up in an order that depends on the other
    rows: here the last bit depends on the two rows alone.
    """
    result = np.empty(len(left_index), dtype=np.float32)
    for rows in row_chunks(len(left_index), 4 * left.shape[1]):
        x, y = left.take(left_index[rows], axis=0), right.take(right_index[rows], axis=0)
        np.vecdot(x, y, out=result[rows])
    return result


def row_chunks(count: int, width: int) -> Iterator[slice]:
    """Slices of ``range(count)`` such that a chunk of rows of ``width`` numbers is never large."""
    size = max(1, CHUNK // max(width, 1))
    return (slice(start, start + size) for start in range(0, count, size))


def _posterior(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Softmax of the (n, k) rows under (k + 1, classes) weights."""
    logits = np.empty((len(x), weights.shape[1]), dtype=np.float32)
    for rows, products in row_products(x, weights[:-1]):
        logits[rows] = products + weights[-1]
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)
