"""Blocking by several hash tables over samples of bits: what bit sampling and multi-index hashing share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from copy import copy
from typing import NamedTuple, Self

import numpy as np

from xmer_spark.blocking.base import TILE, Blocker, Coded, Pairs, Side, code_bits
from xmer_spark.blocking.bits import flip_masks, octets, take_each
from xmer_spark.blocking.buckets import destinations_of, home, hot_buckets, is_hot
from xmer_spark.blocking.costs import LOOK_UP, PARTITIONS, TABLE
from xmer_spark.blocking.join import near_join, runs
from xmer_spark.numerics.hamming import columns


class Table(NamedTuple):
    """The positions of the bits that a table looks at, and how many of them may differ."""

    positions: np.ndarray
    flips: int


class Tables(Blocker):
    """A pair is a candidate if it is near enough and meets in one of several tables.

    A table's bucket is the number that its bits form. An item of the left side lies in its own bucket; one
    of the right side looks into every bucket within ``flips`` of its own (multi-probe; Lv et al. 2007). Of
    all tables in which a pair meets, the first one makes it, so that nothing has to be deduplicated.
    """

    #: By table, the buckets that hold so many pairs that all partitions share the work; () is none.
    hot: tuple[np.ndarray, ...] = ()

    @abstractmethod
    def layout(self, total_bits: int) -> Sequence[Table]:
        """The tables for codes of so many bits; a ConfigError where the parameters allow none."""

    def tuned(self, left: np.ndarray, right: np.ndarray, items: int, partitions: int) -> Self:
        other = copy(self)
        sides = zip(other.buckets(left), other.buckets(right), strict=True)
        other.hot = hot_buckets(list(sides), partitions)
        return other

    def search_seconds(self, left: np.ndarray, right: np.ndarray, items: float) -> float:
        seconds = super().search_seconds(left, right, items)
        for table in self.layout(code_bits(left)):
            probes = len(flip_masks(len(table.positions), table.flips))
            seconds += items * (TABLE * (1 + min(probes, PARTITIONS)) / 2 + LOOK_UP * probes)
        return seconds

    def buckets(self, codes: np.ndarray) -> list[np.ndarray]:
        """The bucket of every item in every table: (n) uint64 each."""
        return take_each(octets(codes), [table.positions for table in self.layout(code_bits(codes))])

    def destinations(self, side: Side, keys: np.ndarray, codes: np.ndarray, partitions: int) -> np.ndarray:
        # Transposed, so that the items of one partition lie side by side.
        reached = np.zeros((partitions, len(codes)), bool)
        for number, (table, buckets) in enumerate(self._tables(codes)):
            masks = flip_masks(len(table.positions), table.flips if side == "right" else 0)
            if len(masks) > 8 * partitions:  # fewer than one partition in 2,000 would be left out
                reached[:] = True
            if reached.all():
                break
            for mask in masks:
                destinations_of(side, keys, buckets ^ mask, number, self.hot, reached)
        return reached.T

    def local_pairs(self, left: Coded, right: Coded, partition: int, partitions: int) -> Iterator[Pairs]:
        left_tables, right_tables = self._tables(left.codes), self._tables(right.codes)
        most = self.most(left.codes.shape[1])
        for number, (table, left_buckets) in enumerate(left_tables):
            right_buckets = right_tables[number][1]
            here = np.flatnonzero(home(left.keys, left_buckets, number, self.hot, partitions) == partition)
            there = self._can_meet(number, table, right, right_buckets, partition, partitions)
            a, b = runs(left_buckets[here]), runs(right_buckets[there])
            left_rows, right_rows = here[a.order], there[b.order]
            left_columns = columns(left.codes[left_rows])
            right_columns = columns(right.codes[right_rows])
            masks = flip_masks(len(table.positions), table.flips)
            for i, j in near_join(a, b, masks, left_columns, right_columns, most, TILE):
                i, j = left_rows[i], right_rows[j]
                new = ~_meets(left_tables[:number], right_tables[:number], i, j)
                yield i[new].astype(np.int32), j[new].astype(np.int32)

    def meets(
        self, left_codes: np.ndarray, right_codes: np.ndarray, i: np.ndarray, j: np.ndarray
    ) -> np.ndarray:
        return _meets(self._tables(left_codes), self._tables(right_codes), i, j)

    def _tables(self, codes: np.ndarray) -> list[tuple[Table, np.ndarray]]:
        return list(zip(self.layout(code_bits(codes)), self.buckets(codes), strict=True))

    def _can_meet(
        self, number: int, table: Table, right: Coded, buckets: np.ndarray, partition: int, partitions: int
    ) -> np.ndarray:
        """Positions of the right items that may meet a left one here."""
        if table.flips:
            return np.arange(len(buckets))
        everywhere = is_hot(buckets, number, self.hot)
        own = home(right.keys, buckets, number, (), partitions) == partition
        return np.flatnonzero(own | everywhere)


def _meets(
    left: Sequence[tuple[Table, np.ndarray]],
    right: Sequence[tuple[Table, np.ndarray]],
    i: np.ndarray,
    j: np.ndarray,
) -> np.ndarray:
    """Whether left item i and right item j meet in any of these tables."""
    met = np.zeros(len(i), bool)
    for (table, a), (_, b) in zip(left, right, strict=True):
        met |= np.bitwise_count(a[i] ^ b[j]) <= table.flips
    return met
