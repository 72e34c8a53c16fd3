"""Blockers that score pairs and keep the best of each record: what rare tokens and nearest codes share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from xmer_spark.blocking.base import Pairs
from xmer_spark.blocking.records.base import Prepared, RecordBlocker
from xmer_spark.blocking.records.best import Best

#: Pairs i (p) and j (p) with whole, positive scores (p) int64, higher for what is likelier the same.
Scored = tuple[np.ndarray, np.ndarray, np.ndarray]


class Ranked(RecordBlocker):
    """A pair is a candidate if its score is among the best ``top`` of either record, ties included.

    If ``mutual``, of both. A record's mark is the score from which on it keeps a pair. It is found in a pass
    of its own, from the best scores that the record reaches in each part of the other side. A record that
    arrives later can raise it.
    """

    marked: ClassVar[bool] = True
    unmarked: ClassVar[int] = 1
    top: int
    mutual: bool = False

    @abstractmethod
    def scored(self, left: Prepared, right: Prepared) -> Iterator[Scored]:
        """Pairs of different records that have something in common, with their scores, in tiles."""

    @abstractmethod
    def score(self, left: Prepared, right: Prepared, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """The same scores of left records i (p) and right records j (p); 0 with nothing in common."""

    def best(self, left: Prepared, right: Prepared) -> tuple[Best, Best]:
        """The best scores of each record of either side among these of the other."""
        of_left, of_right = Best(len(left.keys), self.top), Best(len(right.keys), self.top)
        for i, j, score in self.scored(left, right):
            of_left.add(i, score)
            of_right.add(j, score)
        return of_left, of_right

    def marks(self, left: Prepared, right: Prepared) -> tuple[np.ndarray, np.ndarray]:
        of_left, of_right = self.best(left, right)
        return of_left.least, of_right.least

    def pairs(self, left: Prepared, right: Prepared) -> Iterator[Pairs]:
        for i, j, score in self.scored(left, right):
            kept = np.flatnonzero(self._keeps(left, right, i, j, score))
            yield i[kept].astype(np.int32), j[kept].astype(np.int32)

    def meets(self, left: Prepared, right: Prepared, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        return self._keeps(left, right, i, j, self.score(left, right, i, j))

    def _keeps(
        self, left: Prepared, right: Prepared, i: np.ndarray, j: np.ndarray, score: np.ndarray
    ) -> np.ndarray:
        if left.marks is None or right.marks is None:
            raise ValueError("the marks of the records have to be found first")
        of_left, of_right = score >= left.marks[i], score >= right.marks[j]
        return of_left & of_right if self.mutual else of_left | of_right
