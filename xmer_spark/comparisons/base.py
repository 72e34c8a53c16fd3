"""What every comparison offers: values are prepared once, pairs of them are compared in blocks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from xmer_spark.method import Method
from xmer_spark.numerics.rows import chunks
from xmer_spark.numerics.threads import one_thread

#: A column made ready: "number" (n,) is the position of each record's value among the distinct ones, -1
#: where it is missing; the rest are arrays of the distinct values, or tuples of them.
Prepared = dict[str, Any]
#: Pairs of values that are compared at a time: what lies between fits into a core's cache.
BLOCK = 4_096


class Comparison(Method):
    """Compares values of two columns, which are object arrays of str, or None where a value is missing.

    A comparison writes ``_prepare`` and ``_compare``, and ``_fit`` where it learns. Equal values are
    prepared once, and of the pairs that are compared together, those of the same two values once.
    """

    #: Names of the columns of ``compare``; all are from 0 to 1, greater where values are more alike.
    measures: tuple[str, ...]

    def fit(self, column: np.ndarray) -> Self:
        """Learn from the values of all records (n,) what is common and what is rare."""
        with self.fitting():
            number, values = self._numbered(column)
            self._fit(values, np.bincount(number[number >= 0], minlength=len(values)))
        return self

    def prepare(self, column: np.ndarray) -> Prepared:
        """What is to be known of each record's value (n,), for any number of pairs."""
        number, values = self._numbered(column)
        with one_thread():
            return {"number": number, "values": len(values), **self._prepare(values)}

    def compare(self, left: Prepared, right: Prepared, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """The measures (p, c) float32 of the pairs ``left[i]``, ``right[j]`` (p,); NaN: either is missing."""
        x, y = left["number"].take(i), right["number"].take(j)
        result = np.full((len(x), len(self.measures)), np.nan, np.float32)
        present = np.flatnonzero((x >= 0) & (y >= 0))
        x, y = x[present].astype(np.int64), y[present].astype(np.int64)
        distinct, place = np.unique(x * right["values"] + y, return_inverse=True)
        every = self._in_blocks(left, right, *np.divmod(distinct, max(right["values"], 1)))
        result[present] = every.take(place, axis=0)
        return result

    def _in_blocks(self, left: Prepared, right: Prepared, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        result = np.empty((len(x), len(self.measures)), np.float32)
        for rows in chunks(len(x), BLOCK):
            measured = self._compare(left, right, x[rows], y[rows])
            for column, measure in enumerate(self.measures):
                result[rows, column] = measured[measure]
        return result

    def _numbered(self, column: np.ndarray) -> tuple[np.ndarray, list[str]]:
        """Each record's value by number (n,), -1 where nothing is left of it, and the distinct values."""
        raw, values = _distinct(column)
        again, cleaned = _distinct([self._clean(value) or None for value in values])
        number = np.full(len(raw), -1, np.int32)
        number[raw >= 0] = again[raw[raw >= 0]]
        return number, cleaned

    def _clean(self, value: str) -> str:
        """A value as it is compared; where nothing is left, it counts as missing."""
        return value.strip()

    def _fit(self, values: list[str], count: np.ndarray) -> None:
        """Learn from distinct values and how many records (n,) have each."""

    @abstractmethod
    def _prepare(self, values: list[str]) -> Prepared:
        """What is to be known of distinct values."""

    @abstractmethod
    def _compare(self, left: Prepared, right: Prepared, x: np.ndarray, y: np.ndarray) -> Prepared:
        """Each measure (p,) of pairs of values, none of which is missing."""


def _distinct(column: np.ndarray | Sequence[str | None]) -> tuple[np.ndarray, list[str]]:
    import pyarrow as pa

    encoded = pa.array(column, pa.string(), from_pandas=True).dictionary_encode()
    return encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False), encoded.dictionary.to_pylist()
