"""Candidate pairs of records with their evidence, and what is known of their truth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from xmer_spark.blocking.records import base as blocking
from xmer_spark.blocking.records.joint import all_pairs
from xmer_spark.comparisons.comparer import Comparer, Prepared
from xmer_spark.numerics.evidence import Evidence, pair_kind
from xmer_spark.resolver.model import Blockers
from xmer_spark.steps.train.items import Known, Sources

#: Non-matching pairs per fold that a scorer learns from, over all pairs of sources; each stands for several.
NEGATIVES = 300_000


@dataclass(frozen=True)
class Seen:
    """Records as one model sees them: with what it makes of their contents, ready to be compared."""

    known: Mapping[str, Known]
    comparer: Comparer

    def where(self, rows: Mapping[str, np.ndarray]) -> Seen:
        """Some records of each source: masks or row numbers."""
        return Seen({name: known.where(rows[name]) for name, known in self.known.items()}, self.comparer)

    @cached_property
    def prepared(self) -> dict[str, Prepared]:
        """What is worked out once per record for all comparisons, by source."""
        return {name: self.comparer.prepare(known.records) for name, known in self.known.items()}

    @cached_property
    def tables(self) -> dict[str, blocking.Records]:
        """The records as blockers take them, by source."""
        return {
            name: blocking.Records(known.records.keys, known.records.table())
            for name, known in self.known.items()
        }


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


def thinned(truth: np.ndarray, most: int, seed: int) -> tuple[np.ndarray, float]:
    """All matches and at most so many of the rest, as rows, and the share of the rest that it is."""
    others = np.flatnonzero(~truth)
    share = min(1.0, most / max(len(others), 1))
    if share < 1:
        others = np.sort(np.random.default_rng(seed).permutation(others)[:most])
    return np.concatenate([np.flatnonzero(truth), others]), share


def weights(pairs: Candidates, truth: np.ndarray, share: float, sources: Sources) -> np.ndarray:
    """How many pairs of the population each of these stands for: (p).

    A record has about as many matches in a large population as in a sample, but the more non-matches: they
    grow with the number of records that it is compared with.
    """
    growth = sources.growth(pairs.sources[1], len(pairs.right))
    return np.where(truth, 1.0, growth / share)
