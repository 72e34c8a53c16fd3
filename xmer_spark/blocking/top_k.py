"""The k nearest codes of the other side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from xmer_spark.blocking.base import Blocker, Coded, Side, Tile, check_share
from xmer_spark.blocking.rectangles import near_pairs, pieces
from xmer_spark.errors import ConfigError
from xmer_spark.numerics.hamming import WORD, columns, distances
from xmer_spark.numerics.mixing import line


class TopK(Blocker):
    """A pair is a candidate if its right item is among the ``k`` nearest of the left one, ties included.

    If ``mutual``, the left one must be among the ``k`` nearest of the right one too. Exact, by comparing
    all with all; no limit on the distance has to be known, which suits weak alignment.

    Whether a pair is a candidate depends on all other items: one that arrives later can push it out, so
    it does not serve increments. An item is not its own neighbour (equal keys are one item), and a source
    can be joined with itself only if ``mutual``.
    """

    local: ClassVar[bool] = False

    def __init__(self, k: int = 10, mutual: bool = False, max_distance: float | None = None) -> None:
        self.k = k
        self.mutual = mutual
        self.max_distance = max_distance

    @property
    def symmetric(self) -> bool:  # type: ignore[override]
        return self.mutual

    def destinations(self, side: Side, keys: np.ndarray, codes: np.ndarray, partitions: int) -> np.ndarray:
        if side == "right" or self.mutual:
            return np.ones((len(keys), partitions), bool)
        return (np.arange(partitions)[:, None] == line(keys, partitions)).T

    def local_pairs(self, left: Coded, right: Coded, partition: int, partitions: int) -> Iterator[Tile]:
        self._check()
        mine = np.flatnonzero(line(left.keys, partitions) == partition)
        most = self.most(left.codes.shape[1])
        right_reach = np.full(len(right.keys), -1)  # worked out for those that occur
        for i in pieces(mine):
            reach = self._reach(left, right, i)[:, None]
            if most is not None:
                reach = np.minimum(reach, most)
            for j, hamming in _compared(left, right, i):
                # What is left over says by how much a pair is inside the reach.
                row, column, _ = near_pairs(
                    np.arange(len(i))[:, None], np.arange(len(j))[None, :], hamming - reach, 0
                )
                a, b, hamming = i[row], j[column], hamming[row, column]
                if self.mutual:
                    new = np.unique(b[right_reach[b] < 0])
                    right_reach[new] = self._reach(right, left, new)
                    both = hamming <= right_reach[b]
                    a, b, hamming = a[both], b[both], hamming[both]
                yield Tile(a.astype(np.int32), b.astype(np.int32), hamming)

    def meets(
        self, left_codes: np.ndarray, right_codes: np.ndarray, i: np.ndarray, j: np.ndarray
    ) -> np.ndarray:
        """Whether right rows j are among the k nearest of left rows i, if these codes are all there are."""
        self._check()
        keys = np.arange(len(left_codes) + len(right_codes))
        left, right = Coded(keys[: len(left_codes)], left_codes), Coded(keys[len(left_codes) :], right_codes)
        differing = distances(columns(left_codes[i]), columns(right_codes[j]))
        met = differing <= self._reach(left, right, np.arange(len(left_codes)))[i]
        if self.mutual:
            met &= differing <= self._reach(right, left, np.arange(len(right_codes)))[j]
        return np.asarray(met)

    def _reach(self, left: Coded, right: Coded, rows: np.ndarray) -> np.ndarray:
        """The distance of the k-th nearest right item of these left ones; all bits where there are fewer."""
        reach = [np.empty(0, np.int32)]
        for i in pieces(rows):
            best = np.full((len(i), self.k), left.codes.shape[1] * WORD, np.int32)
            for _, hamming in _compared(left, right, i):
                best = np.partition(np.hstack([best, hamming]), self.k - 1, axis=1)[:, : self.k]
            reach.append(best.max(axis=1))
        return np.concatenate(reach)

    def _check(self) -> None:
        check_share("top_k", self.max_distance)
        if self.k < 1:
            raise ConfigError(f"blocking.top_k: k is at least 1, not {self.k}")


def _compared(left: Coded, right: Coded, i: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """These left items against all right ones, a piece at a time: positions and (rows, columns) distances.

    An item is farther from itself than any two codes can be.
    """
    left_columns = [word[:, None] for word in columns(left.codes[i])]
    for j in pieces(np.arange(len(right.keys))):
        hamming = distances(left_columns, columns(right.codes[j]))
        hamming[left.keys[i, None] == right.keys[j]] = left.codes.shape[1] * WORD + 1
        yield j, hamming
