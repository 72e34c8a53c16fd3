"""What two items have in common in the common space, from the items and the model alone.

Whatever concerns one item only, its *surroundings*, is worked out once when it is encoded; a pair then costs
look-ups and inner products.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import numpy as np

from xmer_spark.method import Method
from xmer_spark.numerics.linalg import softmax
from xmer_spark.numerics.logistic import fit_classes
from xmer_spark.numerics.rows import in_blocks, inner_products
from xmer_spark.numerics.threads import one_thread

#: What two items in the common space are compared by.
MEASURES = ("cosine", "csls", "posterior_agreement")


class Surroundings(Method):
    """What the model knows of an item's surroundings: how near it is to just anything, and its class.

    A reference sample of each modality tells how near an item is to just anything of that modality, its
    hubness; a multinomial logistic regression on the embeddings tells its class. Both belong to the model,
    so that the evidence of a pair does not depend on what else is in the run. Without a ``shared`` space,
    items of different modalities are not compared.
    """

    def __init__(
        self,
        neighbours: int = 10,
        reference: int = 2000,
        class_penalty: float = 1e-3,
        shared: bool = True,
        seed: int = 0,
    ) -> None:
        self.shared = shared
        self.neighbours = neighbours
        self.reference = reference
        self.class_penalty = class_penalty
        self.seed = seed

    def fit(
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

    @classmethod
    def load(cls, folder: Path) -> Surroundings:
        """Read what ``save`` wrote."""
        document = json.loads((folder / "method.json").read_text("utf-8"))
        return cls(**document["parameters"]).restore(folder)

    @property
    def modalities(self) -> list[str]:
        return sorted(self.reference_)

    def towards(self, modality: str) -> list[str]:
        """The modalities that items of this one are compared with, sorted."""
        return self.modalities if self.shared else [modality]

    def of(self, modality: str, embeddings: np.ndarray) -> np.ndarray:
        """The surroundings (n, m + c) float32 of n items.

        The hubness towards each of the m modalities that they are compared with, in sorted order, then the
        probabilities of the c classes where these are known of the modality.
        """
        x = np.asarray(embeddings, dtype=np.float32, order="C")
        with one_thread():
            near = [hubness(x, self.reference_[other], self.neighbours) for other in self.towards(modality)]
            parts = [np.column_stack(near)]
            if modality in self.class_weights_:
                parts.append(_posterior(x, self.class_weights_[modality]))
        return np.hstack(parts)

    def evidence(
        self,
        left: tuple[str, np.ndarray, np.ndarray],
        right: tuple[str, np.ndarray, np.ndarray],
        i: np.ndarray,
        j: np.ndarray,
    ) -> np.ndarray:
        """``MEASURES`` of the pairs i[p], j[p]: (p, 3) float32, NaN where a measure does not apply.

        A side is its modality, its embeddings (n, k), NaN where there is none, and its surroundings.
        ``csls`` is ``2 cos(x, y) - r(x) - r(y)`` (Conneau et al. 2018, eq. 3), each hubness towards the
        other's modality. ``posterior_agreement`` is the probability that both are of one class, were their
        classes independent.
        """
        (a, x, around_x), (b, y, around_y) = left, right
        cosine = inner_products(x, y, i, j)
        towards_b, towards_a = self.towards(a).index(b), self.towards(b).index(a)
        csls = 2 * cosine - around_x[i, towards_b] - around_y[j, towards_a]
        agreement = np.full(len(i), np.nan, dtype=np.float32)
        if a in self.class_weights_ and b in self.class_weights_:
            first = len(self.towards(a))
            agreement = inner_products(
                np.ascontiguousarray(around_x[:, first:]), np.ascontiguousarray(around_y[:, first:]), i, j
            )
        return np.column_stack([cosine, csls, agreement])

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


def _posterior(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Softmax of the (n, k) rows under (k + 1, classes) weights."""
    return in_blocks(lambda block: softmax(block @ weights[:-1] + weights[-1]), x)
