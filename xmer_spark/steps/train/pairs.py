"""Candidate pairs of encoded items with their evidence, and what is known of their truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from xmer_spark.names import pair_name
from xmer_spark.steps.train.encoder import Encoded
from xmer_spark.steps.train.items import ItemTable, Sources

#: Non-matching pairs per modality pair and fold that the scorer learns from; each stands for several.
NEGATIVES = 200_000


@dataclass(frozen=True)
class Candidates:
    """The candidate pairs of two modalities, as rows i (p) and j (p) of their items."""

    modalities: tuple[str, str]
    left: ItemTable
    right: ItemTable
    i: np.ndarray
    j: np.ndarray
    encoded: Encoded

    def where(self, rows: np.ndarray) -> Candidates:
        return Candidates(self.modalities, self.left, self.right, self.i[rows], self.j[rows], self.encoded)

    def truth(self, by_class: bool) -> np.ndarray:
        """Whether the two items of each pair are of one entity, or of one class: (p) bool."""
        if by_class:
            a, b = self.left.label[self.i], self.right.label[self.j]
            return (a == b) & (a >= 0)
        same: np.ndarray = self.left.entity[self.i] == self.right.entity[self.j]
        return same

    def evidence(self) -> dict[str, np.ndarray]:
        """What the two items of each pair have in common, by the name of the evidence: (p) each."""
        a, b = self.modalities
        prepared = self.encoded.prepared
        found: dict[str, np.ndarray] = self.encoded.resolver.scorer.evidence(
            self.modalities, prepared[a], prepared[b], self.i, self.j
        )
        return found


def candidates(encoded: Encoded, blockers: dict[str, Any], sources: Sources) -> Iterator[Candidates]:
    """The candidate pairs of every two modalities that have a blocker, of sources that are compared."""
    items, codes = encoded.items, encoded.codes
    for a, b in combinations_with_replacement(sorted(items), 2):
        if pair_name(a, b) not in blockers:
            continue
        i, j = blockers[pair_name(a, b)].pairs(codes[a], codes[b])
        keep = sources.compared(items[a], items[b], i, j)
        if a == b:
            keep &= i < j
        yield Candidates((a, b), items[a], items[b], i[keep], j[keep], encoded)


def thinned(truth: np.ndarray, seed: int) -> tuple[np.ndarray, float]:
    """All matches and a bounded sample of the rest, as rows, and the share of the rest that it is."""
    others = np.flatnonzero(~truth)
    share = min(1.0, NEGATIVES / max(len(others), 1))
    if share < 1:
        others = np.sort(np.random.default_rng(seed).permutation(others)[:NEGATIVES])
    return np.concatenate([np.flatnonzero(truth), others]), share


def weights(pairs: Candidates, truth: np.ndarray, share: float, sources: Sources) -> np.ndarray:
    """How many pairs of the population each of these stands for: (p).

    An item has about as many matches in a large population as in a sample, but the more non-matches: they
    grow with the number of items that it is compared with.
    """
    growth = sources.growth(pairs.right)[pairs.right.source[pairs.j]]
    return np.where(truth, 1.0, growth / share)
