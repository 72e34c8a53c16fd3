"""Canopies: overlapping groups of records around some of them, by a cheap similarity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from typing import TYPE_CHECKING, Self

import numpy as np

from xmer_spark.blocking.base import Pairs, Side
from xmer_spark.blocking.records.base import Fields, Prepared, Records
from xmer_spark.blocking.records.sparse import common, inner
from xmer_spark.blocking.records.vocabulary import BUCKETS, TokenBlocker
from xmer_spark.errors import ConfigError
from xmer_spark.numerics.mixing import mix

if TYPE_CHECKING:
    from scipy.sparse import csr_array

#: Records that are looked at together when centres are chosen.
_BATCH = 256


class Canopy(TokenBlocker):
    """A pair is a candidate if both records are in one canopy: near to its centre, a record of the sample.

    The similarity is the cosine of the rare tokens' IDF (``TokenBlocker``). Of the records in random order,
    each that is left becomes a centre and takes those with at least ``tight`` out of the choice; with
    ``loose`` a record is in the canopy.

    McCallum, Nigam and Ungar 2000. Deviations: centres are chosen among a sample, all records where they are
    few; a record that is in no canopy joins that of its nearest centre, the first of equals.
    """

    def __init__(
        self,
        fields: Sequence[str] = (),
        loose: float = 0.3,
        tight: float = 0.6,
        spread: float = 20.0,
        grams: int = 0,
        seed: int = 0,
    ) -> None:
        self.fields = fields
        self.loose = loose
        self.tight = tight
        self.spread = spread
        self.grams = grams
        self.seed = seed

    #: The tokens of the centres, one after another, and where each centre's start, and the last one's end.
    centre_tokens_: np.ndarray
    centre_starts_: np.ndarray

    @classmethod
    def options(cls, fields: Fields) -> list[Self]:
        return [cls(loose=loose) for loose in (0.2, 0.4)] if fields.texts else []

    def looked_at(self, left: Prepared, right: Prepared) -> int:
        return (len(left.keys) + len(right.keys)) * left.made.shape[1]

    def thinned(self, share: float) -> Self:
        other = copy(self)
        other.spread = self.spread * share
        return other

    @property
    def fitted(self) -> bool:
        return hasattr(self, "centre_tokens_")

    def fit_sample(self, left: Records, right: Records) -> Self:
        """Choose the centres among these records."""
        from scipy.sparse import vstack

        if not 0 < self.loose <= self.tight <= 1:
            raise ConfigError(
                "blocking.canopy: 0 < loose <= tight <= 1 is needed, not "
                f"loose={self.loose}, tight={self.tight}"
            )
        keys, first = np.unique(np.concatenate([left.keys, right.keys]), return_index=True)
        rows = vstack([self.rows("left", left), self.rows("right", right)], format="csr")[first]
        rows = rows[np.argsort(mix(keys, self.seed), kind="stable")]
        centres = rows[self._centres(rows)]
        self.centre_tokens_, self.centre_starts_ = centres.indices, centres.indptr
        return self

    def prepare(self, side: Side, records: Records, marks: np.ndarray | None = None) -> Prepared:
        """Which canopies each record is in: a sparse matrix (n, centres) of ones."""
        from scipy.sparse import csr_array

        shape = (len(self.centre_starts_) - 1, BUCKETS)
        ones = np.ones(len(self.centre_tokens_), np.int32)
        centres = csr_array((ones, self.centre_tokens_, self.centre_starts_), shape=shape)
        rows, columns = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for i, j, cosine in self._cosines(self.rows(side, records), centres):
            order = np.lexsort((j, -cosine, i))
            nearest = np.zeros(len(i), bool)
            nearest[order] = np.diff(i[order], prepend=-1) != 0
            kept = nearest | (cosine >= self.loose)
            rows.append(i[kept])
            columns.append(j[kept])
        i, j = np.concatenate(rows), np.concatenate(columns)
        canopies = csr_array((np.ones(len(i), np.int32), (i, j)), shape=(len(records.keys), shape[0]))
        return Prepared(records.keys, canopies)

    def pairs(self, left: Prepared, right: Prepared) -> Iterator[Pairs]:
        for i, j, _ in common(left.made, right.made):
            other = left.keys[i] != right.keys[j]
            yield i[other].astype(np.int32), j[other].astype(np.int32)

    def meets(self, left: Prepared, right: Prepared, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        return (inner(left.made, right.made, i, j) > 0) & (left.keys[i] != right.keys[j])

    def _centres(self, rows: csr_array) -> np.ndarray:
        """Positions of the records that become centres, in the order of the rows."""
        left = np.diff(rows.indptr) > 0
        chosen: list[int] = []
        while left.any():
            batch = np.flatnonzero(left)[:_BATCH]
            near = [(i[c >= self.tight], j[c >= self.tight]) for i, j, c in self._cosines(rows[batch], rows)]
            by, taken = (np.concatenate(parts) for parts in zip(*near, strict=True))
            start = np.searchsorted(by, np.arange(len(batch) + 1))
            for number, centre in enumerate(batch):
                if left[centre]:
                    chosen.append(int(centre))
                    left[taken[start[number] : start[number + 1]]] = False
                    left[centre] = False
        return np.array(chosen, np.int64)

    def _cosines(
        self, left: csr_array, right: csr_array
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Rows with a token in common, and the cosine of each two, in tiles of whole left rows."""
        a, b = (np.maximum(self.lengths(rows), 1) for rows in (left, right))
        for i, j, shared in common(self.weighed(left), right):
            yield i, j, shared / (a[i] * b[j])
