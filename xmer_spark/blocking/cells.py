"""An inverted file in Hamming space: items meet in the cells around learnt anchor codes."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from typing import Self

import numpy as np

from xmer_spark.blocking.anchors import k_majority, nearest
from xmer_spark.blocking.base import TILE, Blocker, Coded, Pairs, Side, check_share
from xmer_spark.blocking.buckets import destinations_of, home, hot_buckets
from xmer_spark.blocking.join import near_join, runs
from xmer_spark.errors import ConfigError, XmerError
from xmer_spark.numerics.hamming import columns


class Cells(Blocker):
    """A pair is a candidate if its items share one of their ``probes`` nearest of ``cells`` anchor codes.

    Made for weak alignment: true pairs that differ in a third of their bits still lie on the same side of
    the space. The anchors are learnt from the codes of both sides (``anchors``), and given these, whether
    a pair is a candidate depends on its two items alone. It is made in the first cell, in the left item's
    order, that both share.

    Sivic and Zisserman 2003 (inverted file); Grana et al. 2013 (anchors). Deviation: either side has
    several cells, so that the two sides are treated alike.
    """

    anchors_: np.ndarray
    #: The cells that hold so many pairs that all partitions share the work.
    hot: tuple[np.ndarray, ...] = ()

    def __init__(
        self,
        cells: int = 256,
        probes: int = 4,
        max_distance: float | None = None,
        iterations: int = 20,
        seed: int = 0,
    ) -> None:
        self.cells = cells
        self.probes = probes
        self.max_distance = max_distance
        self.iterations = iterations
        self.seed = seed

    def fit(self, left: np.ndarray, right: np.ndarray | None = None) -> Self:
        """Learn ``anchors_`` (cells, words) uint64; fewer where there are fewer distinct codes."""
        self._check()
        codes = left if right is None else np.concatenate([left, right])
        self.anchors_ = k_majority(codes, self.cells, self.iterations, self.seed)
        return self

    def tuned(self, left: np.ndarray, right: np.ndarray, items: int, partitions: int) -> Self:
        other = copy(self)
        other.hot = hot_buckets([(self.cells_of(left).ravel(), self.cells_of(right).ravel())], partitions)
        return other

    def cells_of(self, codes: np.ndarray) -> np.ndarray:
        """The cells of each item, nearest first: (probes, n) uint64."""
        self._check()
        if not hasattr(self, "anchors_"):
            raise XmerError("blocking.cells: the anchors are not fitted yet")
        if codes.shape[1] != self.anchors_.shape[1]:
            raise XmerError(
                f"blocking.cells: fitted to codes of {self.anchors_.shape[1]} words, not {codes.shape[1]}"
            )
        return nearest(codes, self.anchors_, self.probes).T.astype(np.uint64)

    def destinations(self, side: Side, keys: np.ndarray, codes: np.ndarray, partitions: int) -> np.ndarray:
        reached = np.zeros((partitions, len(codes)), bool)
        for cells in self.cells_of(codes):
            destinations_of(side, keys, cells, 0, self.hot, reached)
        return reached.T

    def local_pairs(self, left: Coded, right: Coded, partition: int, partitions: int) -> Iterator[Pairs]:
        left_cells, right_cells = self.cells_of(left.codes), self.cells_of(right.codes)
        right_sets = _sets(right_cells, len(self.anchors_))
        most = self.most(left.codes.shape[1])
        right_entries = runs(right_cells.ravel())
        right_rows = right_entries.order % max(1, len(right.keys))
        right_columns = columns(right.codes[right_rows])
        same = np.zeros(1, np.uint64)
        for rank, cells in enumerate(left_cells):
            here = np.flatnonzero(home(left.keys, cells, 0, self.hot, partitions) == partition)
            left_entries = runs(cells[here])
            left_rows = here[left_entries.order]
            earlier = _sets(left_cells[:rank], len(self.anchors_))
            left_columns = columns(left.codes[left_rows])
            for i, j in near_join(left_entries, right_entries, same, left_columns, right_columns, most, TILE):
                i, j = left_rows[i], right_rows[j]
                new = ~_share(earlier, right_sets, i, j)
                yield i[new].astype(np.int32), j[new].astype(np.int32)

    def meets(
        self, left_codes: np.ndarray, right_codes: np.ndarray, i: np.ndarray, j: np.ndarray
    ) -> np.ndarray:
        left, right = (_sets(self.cells_of(codes), len(self.anchors_)) for codes in (left_codes, right_codes))
        return _share(left, right, i, j)

    def _check(self) -> None:
        check_share("cells", self.max_distance)
        if not (1 <= self.probes <= self.cells and self.iterations >= 0):
            raise ConfigError(
                f"blocking.cells: {self.probes} probes of {self.cells} cells, {self.iterations} iterations: "
                "probes is 1 to cells, iterations at least 0"
            )


def _sets(cells: np.ndarray, count: int) -> list[np.ndarray]:
    """The cells (ranks, n) of each item as a set of bits, in words of 64 cells: (n) uint64 per word."""
    words = [np.zeros(cells.shape[1], np.uint64) for _ in range(-(-count // 64))]
    for ranked in cells:
        bit = np.uint64(1) << (ranked % np.uint64(64))
        for number, word in enumerate(words):
            word |= np.where(ranked // np.uint64(64) == number, bit, np.uint64(0))
    return words


def _share(left: list[np.ndarray], right: list[np.ndarray], i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Whether the sets of left item i and right item j have a cell in common: (pairs) bool."""
    shared = np.zeros(len(i), bool)
    for a, b in zip(left, right, strict=True):
        shared |= (a.take(i) & b.take(j)) != 0
    return shared
