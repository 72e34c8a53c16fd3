"""What two items have in common, from the items and the model alone.

Whatever concerns one item only is worked out once per item; a pair then costs two look-ups and an
inner product.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Self

import numpy as np

from xmer_spark.method import Method
from xmer_spark.numerics.linalg import softmax
from xmer_spark.numerics.logistic import fit_classes
from xmer_spark.numerics.rows import in_blocks, inner_products
from xmer_spark.numerics.threads import one_thread

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
        labels = labels or {}
        classes = max((int(y.max(initial=-1)) for y in labels.values()), default=-1) + 1
        with self.fitting():
            for modality, x in sorted(embeddings.items()):
                rows = np.sort(random.permutation(len(x))[: self.reference])
                self.reference_[modality] = x[rows].astype(np.float32)
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
        x = np.asarray(embeddings, dtype=np.float32, order="C")
        evidence = {"vectors": x}
        with one_thread():
            for other in self.reference_ if towards is None else towards:
                evidence[f"hubness/{other}"] = hubness(x, self.reference_[other], self.neighbours)
            if modality in self.class_weights_:
                evidence["posterior"] = _posterior(x, self.class_weights_[modality])
        return evidence

    def _fit_classes(self, x: np.ndarray, y: np.ndarray, classes: int) -> np.ndarray:
        """Weights (k + 1, classes) of a multinomial logistic regression, the intercept last."""
        known = y >= 0
        present = np.unique(y[known])
        weights = np.zeros((x.shape[1] + 1, classes), dtype=np.float32)
        weights[-1] = -1e4  # a class that no item of this modality has
        precise = np.asarray(x[known], dtype=np.float64, order="C")
        strength = 1 / (self.class_penalty * known.sum())
        weights[:-1, present], weights[-1, present] = fit_classes(precise, y[known], strength, iterations=500)
        return weights


def hubness(x: np.ndarray, reference: np.ndarray, neighbours: int) -> np.ndarray:
    """Mean cosine with the nearest reference items: r(x) of Conneau et al. (2018), section 2.3. (n,)"""
    count, precise = min(neighbours, len(reference)), reference.T.astype(np.float64)

    def nearest(block: np.ndarray) -> np.ndarray:
        cosines = block @ precise
        cosines.partition(len(reference) - count, axis=1)
        mean: np.ndarray = cosines[:, -count:].mean(axis=1)
        return mean

    return in_blocks(nearest, x)


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


def _posterior(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Softmax of the (n, k) rows under (k + 1, classes) weights."""
    return in_blocks(lambda block: softmax(block @ weights[:-1] + weights[-1]), x)
