"""Candidate pairs of records with their evidence, and what is known of their truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from xmer_spark.blocking.records.joint import all_pairs
from xmer_spark.numerics.evidence import Evidence, pair_kind
from xmer_spark.resolver.model import Blockers
from xmer_spark.steps.train.items import Known, Sources
from xmer_spark.steps.train.seen import Seen


@dataclass(frozen=True)
class Candidates:
    """Candidate pairs of two sources, as rows i (p) and j (p) of their records."""

    sources: tuple[str, str]
    seen: Seen
    i: np.ndarray
    j: np.ndarray

    @property
    def left(self) -> Known:
        return self.seen.known[self.sources[0]]

    @property
    def right(self) -> Known:
        return self.seen.known[self.sources[1]]

    def __len__(self) -> int:
        return len(self.i)

    def where(self, rows: np.ndarray) -> Candidates:
        return Candidates(self.sources, self.seen, self.i[rows], self.j[rows])

    def of_validation(self, both: bool = False) -> np.ndarray:
        """Whether one of the two records of each pair, or both of them, are of the split validation: (p)."""
        left, right = self.left.validation[self.i], self.right.validation[self.j]
        return left & right if both else left | right

    def truth(self, by_class: bool) -> np.ndarray:
        """Whether the two records of each pair are of one entity, or of one class: (p) bool."""
        if by_class:
            a, b = self.left.label[self.i], self.right.label[self.j]
            return (a == b) & (a >= 0)
        same: np.ndarray = self.left.entity[self.i] == self.right.entity[self.j]
        return same

    def kinds(self) -> np.ndarray:
        """The kind of each pair, by the modalities that its records have: (p)."""
        left, right = (self.seen.prepared[name] for name in self.sources)
        return pair_kind(left.kind[self.i], right.kind[self.j])

    def evidence(self) -> Evidence:
        """What the two records of each pair have in common."""
        left, right = (self.seen.prepared[name] for name in self.sources)
        return self.seen.comparer.evidence(left, right, self.i, self.j)


def candidates(seen: Seen, blockers: Blockers, sources: Sources) -> Iterator[Candidates]:
    """The candidate pairs of every two sources that are compared and that have blockers."""
    for pair in sources.pairs:
        if pair in blockers:
            a, b = pair
            found = all_pairs(blockers[pair], seen.tables[a], None if a == b else seen.tables[b])
            yield Candidates(pair, seen, found.left, found.right)
