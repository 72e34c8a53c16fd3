"""The nearest codes of each record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from typing import Self

import numpy as np

from xmer_spark.blocking.base import Side
from xmer_spark.blocking.records.base import Fields, Prepared, Records, column_of, sides_of
from xmer_spark.blocking.records.codes import code_rows
from xmer_spark.blocking.records.ranked import Ranked, Scored
from xmer_spark.blocking.rectangles import pieces
from xmer_spark.errors import ConfigError
from xmer_spark.numerics.hamming import WORD, hamming, hamming_matrix


class NearestCodes(Ranked):
    """A pair is a candidate if it is among the ``top`` nearest by its codes of either record, ties included.

    If ``mutual``, of both. ``field`` names the columns of the codes as in ``Codes``. Exact, by comparing all
    with all; no limit on the distance has to be known, which suits weak alignment.
    """

    def __init__(self, field: str = "", top: int = 10, mutual: bool = False) -> None:
        self.field = field
        self.top = top
        self.mutual = mutual

    @classmethod
    def options(cls, fields: Fields) -> list[Self]:
        return [cls(field, top) for field in fields.codes for top in (10, 50)]

    def looked_at(self, left: Prepared, right: Prepared) -> int:
        return int(left.made.there.sum()) * int(right.made.there.sum())

    @property
    def symmetric(self) -> bool:  # type: ignore[override]
        left, right = sides_of(self.field)
        return left == right

    def columns(self, side: Side, available: Sequence[str]) -> list[str]:
        if self.top < 1:
            raise ConfigError(f"blocking.nearest_codes: top is at least 1, not {self.top}")
        return [column_of(side, self.field)]

    def prepare(self, side: Side, records: Records, marks: np.ndarray | None = None) -> Prepared:
        return Prepared(records.keys, code_rows(records.table, column_of(side, self.field)), marks)

    def take(self, records: Prepared, positions: np.ndarray) -> Prepared:
        marks = None if records.marks is None else records.marks[positions]
        return Prepared(records.keys[positions], records.made.of(positions), marks)

    def scored(self, left: Prepared, right: Prepared) -> Iterator[Scored]:
        """The score is the number of equal bits and one, so that none is 0."""
        mine, theirs = (np.flatnonzero(side.made.there) for side in (left, right))
        for i in pieces(mine):
            for j in pieces(theirs):
                a, b = left.made.codes[i], right.made.codes[j]
                score = a.shape[1] * WORD + 1 - hamming_matrix(a, b).astype(np.int64)
                row, column = np.nonzero(left.keys[i, None] != right.keys[j])
                yield i[row], j[column], score[row, column]

    def score(self, left: Prepared, right: Prepared, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        score = np.zeros(len(i), np.int64)
        both = left.made.there[i] & right.made.there[j] & (left.keys[i] != right.keys[j])
        rows = np.flatnonzero(both)
        if len(rows):
            a, b = left.made.codes[i[rows]], right.made.codes[j[rows]]
            score[rows] = a.shape[1] * WORD + 1 - hamming(a, b)
        return score

    def thinned(self, share: float) -> Self:
        other = copy(self)
        other.top = max(1, round(self.top * share))
        return other
