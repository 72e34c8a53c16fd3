"""The records that no model has seen, with what is known of them, and what was made of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from xmer_spark.evaluation.groups import codes
from xmer_spark.names import pair_name
from xmer_spark.numerics.compared import compared, equal_pairs


@dataclass(frozen=True)
class HeldOut:
    """What is known of the held-out records, by rising key: arrays (n).

    The truth of a record is its ``entity`` or its ``label``; either is None where it is unknown.
    """

    key: np.ndarray
    source: np.ndarray
    kind: np.ndarray
    entity: np.ndarray
    label: np.ndarray

    def where(self, rows: np.ndarray) -> Self:
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))

    def of(self, keys: np.ndarray) -> Self:
        """The records of these keys, in their order."""
        return self.where(np.searchsorted(self.key, keys))

    def true_pairs(self, alone: Collection[str]) -> tuple[np.ndarray, np.ndarray]:
        """The rows i (p) and j (p) of the pairs of one entity, i before j, each pair once.

        Sources that are ``alone`` name each thing once and are not compared with themselves.
        """
        entity = codes(self.entity)
        i, j = equal_pairs(entity, entity)
        names, source = np.unique(self.source, return_inverse=True)
        keep = (i < j) & compared(source[i], source[j], np.isin(names, list(alone)))
        return i[keep], j[keep]

    def count_true_pairs(self, alone: Collection[str]) -> dict[str, int]:
        """How many true pairs each pair of kinds has."""
        names, kind = np.unique(self.kind, return_inverse=True)
        i, j = self.true_pairs(alone)
        cell = np.minimum(kind[i], kind[j]) * len(names) + np.maximum(kind[i], kind[j])
        counts = np.bincount(cell, minlength=len(names) ** 2).reshape(len(names), len(names))
        return {pair_name(names[a], names[b]): int(counts[a, b]) for a, b in np.argwhere(counts)}


@dataclass(frozen=True)
class Resolved:
    """The held-out records and all others that share their clusters: arrays (n).

    ``held_out`` says which are which; an ``entity`` is None where it is unknown.
    """

    cluster: np.ndarray
    entity: np.ndarray
    kind: np.ndarray
    held_out: np.ndarray


@dataclass(frozen=True)
class Scored:
    """The scored pairs with a held-out record: their two kinds, two probabilities and truth, (p) each.

    ``probability`` is of the pair by itself, ``decided`` beside its rivals.
    """

    left: np.ndarray
    right: np.ndarray
    probability: np.ndarray
    decided: np.ndarray
    true: np.ndarray

    def pairs(self) -> set[str]:
        """The pairs of kinds that were scored."""
        return {pair_name(a, b) for a in set(self.left) for b in set(self.right[self.left == a])}

    def of(self, a: str, b: str) -> Self:
        """The pairs of two kinds, either way round."""
        here = (self.left == a) & (self.right == b) | (self.left == b) & (self.right == a)
        return type(self)(*(getattr(self, field.name)[here] for field in fields(self)))
