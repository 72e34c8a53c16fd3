"""The tokens that records share: counted in all of them, then weighed, and each record as a sparse row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from xmer_spark.blocking.base import Side
from xmer_spark.blocking.records.base import (
    RecordBlocker,
    Records,
    check_columns,
    column_of,
    text_columns,
)
from xmer_spark.blocking.records.text import normalised, tokens
from xmer_spark.errors import ConfigError
from xmer_spark.numerics.mixing import share

if TYPE_CHECKING:
    from scipy.sparse import csr_array

#: Tokens are told apart by so many numbers, which bounds what is kept of their frequencies to 50 MB.
BUCKETS = 1 << 22
#: Weights are whole numbers of this fraction, so that sums do not depend on their order.
_UNIT = 64


class Counts(NamedTuple):
    """In how many of ``size`` records each token is: buckets (t), ascending, and frequencies (t)."""

    bucket: np.ndarray
    frequency: np.ndarray
    size: int


class TokenBlocker(RecordBlocker):
    """A blocker by rare tokens.

    Tokens are words and codes (``text.tokens``) of the ``fields``, all fields of text where none is named;
    with ``grams``, runs of so many characters of a word, too. A token in n of N records weighs log(N / n)^2,
    what it adds to the inner product of TF-IDF. One that is in a records of the left and b of the right side
    is rare if a b <= ``spread`` N: so the pairs of any token are in proportion to the records. A token that
    none of the records had that were counted weighs as one that a single one had.

    A token that no two of the counted records could share, for a single one or one side alone has it, adds to
    what later records share with these, and to the length of none.

    Tokens are told apart by a hash of 22 bits (Weinberger et al. 2009): in a larger vocabulary some count as
    the same.
    """

    fields: Sequence[str]
    spread: float
    grams: int

    #: The buckets of the tokens that were counted, ascending, and what each weighs: nothing, if not rare.
    counted_: np.ndarray
    weights_: np.ndarray
    #: Which of them two records could share.
    shared_: np.ndarray
    #: What any other token weighs.
    unseen_: int

    @property
    def symmetric(self) -> bool:  # type: ignore[override]
        return not any("~" in field for field in self.fields)

    @property
    def fitted(self) -> bool:
        return hasattr(self, "counted_")

    def columns(self, side: Side, available: Sequence[str]) -> list[str]:
        wanted = sorted({column_of(side, field) for field in self.fields}) or sorted(available)
        check_columns(wanted, available)
        return wanted

    def fit(self, left: Records, right: Records) -> Self:
        """Learn from all records of both sides; of one source with itself where these are the same."""
        self.fit_counts(self.counted("left", left), self.counted("right", right), left is right)
        return self.fit_sample(left, right)

    def fit_sample(self, left: Records, right: Records) -> Self:
        """Learn, after ``fit_counts``, what a sample of the records suffices for."""
        return self

    def counted(self, side: Side, records: Records) -> Counts:
        """In how many of these records each token is."""
        _, bucket = self._buckets(side, records)
        return Counts(*np.unique(bucket, return_counts=True), len(records.keys))

    def fit_counts(self, left: Counts, right: Counts, within: bool = False) -> Self:
        """Learn the weights from the counts of all records of either side.

        ``within`` says that both sides are one source, of which every record is counted twice.
        """
        if self.spread <= 0 or self.grams < 0 or self.grams == 1:
            raise ConfigError(
                f"blocking: {type(self).__name__.lower()} needs spread above 0, and grams of at least 2 "
                f"characters, or 0 for none; not spread={self.spread}, grams={self.grams}"
            )
        size = left.size + right.size
        every = np.union1d(left.bucket, right.bucket)
        a, b = (_frequency(every, side) for side in (left, right))
        weights = np.rint(_UNIT * np.log(size / (a + b)) ** 2).astype(np.int32)
        weights[a * b > max(1.0, self.spread * size)] = 0
        self.counted_, self.weights_ = every.astype(np.int32), weights
        once = 2 if within else 1  # a record of one source is on both sides
        self.shared_ = (a > 0) & (b > 0) & (a + b > 2 * within)
        self.unseen_ = int(np.rint(_UNIT * np.log(max(size / once, 1)) ** 2))
        return self

    def rows(self, side: Side, records: Records) -> csr_array:
        """The rare tokens of each record: (n, BUCKETS) of ones."""
        from scipy.sparse import csr_array

        record, bucket = self._buckets(side, records)
        rare = np.flatnonzero(self._weights(bucket))
        start = np.searchsorted(record[rare], np.arange(len(records.keys) + 1))
        shape = (len(records.keys), BUCKETS)
        return csr_array((np.ones(len(rare), np.int32), bucket[rare], start), shape=shape)

    def weighed(self, rows: csr_array) -> csr_array:
        """The same with the token's weight in place of each one."""
        from scipy.sparse import csr_array

        return csr_array((self._weights(rows.indices), rows.indices, rows.indptr), shape=rows.shape)

    def lengths(self, rows: csr_array) -> np.ndarray:
        """The length of each record as a vector of its tokens' IDF: (n) float64."""
        from scipy.sparse import csr_array

        weights = self._of_counted(rows.indices, self.weights_ * self.shared_)
        return np.sqrt(csr_array((weights, rows.indices, rows.indptr), shape=rows.shape).sum(axis=1))

    def _weights(self, bucket: np.ndarray) -> np.ndarray:
        """What tokens (t) weigh: (t) int32."""
        return self._of_counted(bucket, self.weights_)

    def _of_counted(self, bucket: np.ndarray, values: np.ndarray) -> np.ndarray:
        """The value of each token (t) that was counted, and what another weighs for the others."""
        if not len(self.counted_):
            return np.full(len(bucket), self.unseen_, np.int32)
        place = np.minimum(np.searchsorted(self.counted_, bucket), len(self.counted_) - 1)
        return np.where(self.counted_[place] == bucket, values[place], np.int32(self.unseen_))

    def _buckets(self, side: Side, records: Records) -> tuple[np.ndarray, np.ndarray]:
        """The distinct tokens of each record: its position, ascending, and their buckets, ascending in it."""
        wanted = self.columns(side, text_columns(records.table))
        record, number = tokens([normalised(records.table[column]) for column in wanted], self.grams)
        bucket = share(number, BUCKETS)  # which keeps the order
        new = np.ones(len(record), bool)
        new[1:] = (np.diff(record) != 0) | (np.diff(bucket) != 0)
        return record[new], bucket[new]


def _frequency(buckets: np.ndarray, side: Counts) -> np.ndarray:
    """In how many records of a side the tokens of these buckets (t), ascending, are: (t) float64."""
    found = np.zeros(len(buckets))
    found[np.searchsorted(buckets, side.bucket)] = side.frequency
    return found
