"""The best few scores of each record, gathered a block of pairs at a time, in any order."""

from __future__ import annotations

import numpy as np

#: Turns in which pairs are added.
_TURNS = 8


class Best:
    """The ``count`` best positive scores of each of ``n`` records, best first: ``scores`` (n, count) int64.

    Zero where a record has fewer. As the scores are whole numbers and only the scores are kept, the result
    does not depend on the order in which they are added.

    >>> best = Best(2, 2)
    >>> best.add(np.array([0, 1, 0, 0]), np.array([5, 4, 9, 7]))
    >>> best.scores.tolist()
    [[9, 7], [4, 0]]
    """

    def __init__(self, n: int, count: int) -> None:
        self.scores = np.zeros((n, count), np.int64)

    @property
    def least(self) -> np.ndarray:
        """The score from which on a pair is among the best of each record, at least 1: (n) int64."""
        return np.maximum(self.scores[:, -1], 1)

    def add(self, record: np.ndarray, score: np.ndarray) -> None:
        """Scores of some pairs of these records: (p), (p).

        What some of the pairs reach rules out most of the others before they are sorted.
        """
        for start in range(_TURNS):
            self._add(record[start::_TURNS], score[start::_TURNS])

    def _add(self, record: np.ndarray, score: np.ndarray) -> None:
        better = np.flatnonzero(score > self.scores[record, -1])
        if not len(better):
            return
        record, score = _sorted(record[better], score[better])
        first = np.flatnonzero(np.diff(record, prepend=-1))
        size = np.diff(first, append=len(record))
        rank = np.arange(len(record)) - np.repeat(first, size)
        count = self.scores.shape[1]
        kept = rank < count
        found = np.zeros((len(first), count), np.int64)
        found[np.repeat(np.arange(len(first)), size)[kept], rank[kept]] = score[kept]
        self.merge(record[first], found)

    def merge(self, records: np.ndarray, scores: np.ndarray) -> None:
        """The best scores of some distinct records, from elsewhere: (r), (r, count)."""
        both = np.hstack([self.scores[records], scores])
        self.scores[records] = -np.sort(-both, axis=1)[:, : self.scores.shape[1]]


def _sorted(record: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same pairs by record, best first: both in one number, as values sort faster than places."""
    bits = int(score.max()).bit_length()
    most = (1 << bits) - 1
    if int(record.max()).bit_length() + bits > 63:
        raise ValueError("too many records in one place to rank their pairs; use more partitions")
    both = np.sort(record.astype(np.int64) << bits | most - score)
    return both >> bits, most - (both & most)
