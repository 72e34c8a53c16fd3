"""The items that no model has seen, with what is known of them, and what was made of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields

import numpy as np

from xmer_spark.numerics.compared import compared, equal_pairs


@dataclass(frozen=True)
class HeldOut:
    """The held-out items (n): embeddings (n, k), codes (n, words), and arrays (n) of what is known of each.

    The truth of an item is its ``entity`` or its ``label``; a label is None where it is unknown.
    """

    key: np.ndarray
    source: np.ndarray
    modality: np.ndarray
    record: np.ndarray
    entity: np.ndarray
    label: np.ndarray
    embeddings: np.ndarray
    codes: np.ndarray

    def where(self, rows: np.ndarray) -> HeldOut:
        return HeldOut(*(getattr(self, field.name)[rows] for field in fields(self)))

    def by_source(self) -> dict[str, HeldOut]:
        return {str(name): self.where(self.source == name) for name in np.unique(self.source)}

    def true_pairs(self, a: str, b: str, alone: Collection[str]) -> tuple[np.ndarray, np.ndarray]:
        """The rows i (p) and j (p) of the pairs of one entity and of these modalities, each pair once.

        Pairs within a record are given and not found; sources that are ``alone`` are not compared with
        themselves. Neither count.
        """
        left, right = (np.flatnonzero(self.modality == name) for name in (a, b))
        i, j = equal_pairs(self.entity[left], self.entity[right])
        i, j = left[i], right[j]
        names, source = np.unique(self.source, return_inverse=True)
        keep = compared(source[i], source[j], np.isin(names, list(alone)))
        keep &= self.record[i] != self.record[j]
        if a == b:
            keep &= i < j
        return i[keep], j[keep]


@dataclass(frozen=True)
class Resolved:
    """The held-out items and all others that share their clusters: arrays (n).

    ``held_out`` says which are which; an ``entity`` is None where it is unknown.
    """

    cluster: np.ndarray
    entity: np.ndarray
    record: np.ndarray
    modality: np.ndarray
    held_out: np.ndarray


@dataclass(frozen=True)
class Scored:
    """The scored pairs with a held-out item: their two modalities, probability and truth, (p) each."""

    left: np.ndarray
    right: np.ndarray
    probability: np.ndarray
    true: np.ndarray

    def of(self, a: str, b: str) -> tuple[np.ndarray, np.ndarray]:
        """The probabilities and the truth of the pairs of two modalities, either way round."""
        here = (self.left == a) & (self.right == b) | (self.left == b) & (self.right == a)
        return self.probability[here], self.true[here]
