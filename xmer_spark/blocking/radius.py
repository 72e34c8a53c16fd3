"""Every pair within a Hamming radius, exactly."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from typing import Self

import numpy as np

from xmer_spark.blocking.allocation import Allocation, cheapest, uniform_allocation
from xmer_spark.blocking.base import Coded, Pairs, Side, code_bits
from xmer_spark.blocking.scan import Scan
from xmer_spark.blocking.tables import Table, Tables
from xmer_spark.errors import ConfigError


class Radius(Tables):
    """All pairs of codes that differ in at most ``radius`` bits, found by their substrings.

    The code is cut into ``substrings`` (None: as many as cost least), each a table of its own, and the
    radius is shared out among them so that every near pair meets in one (``allocation``). ``items``, about
    how many a side has, and ``tuned`` matter to speed alone: where no substrings are worth it, as at small
    sizes and large radii, all pairs are compared.

    Norouzi et al. 2012 (multi-index hashing); Qin et al. 2018 (allocation). Deviation: a join of two sides
    instead of queries to an index, so a pair that several substrings find is kept by the first.
    """

    #: What ``tuned`` found; None is the allocation for evenly spread codes.
    allocation: Allocation | None = None

    def __init__(
        self, radius: int = 3, substrings: int | None = None, items: int = 1_000_000, seed: int = 0
    ) -> None:
        self.radius = radius
        self.substrings = substrings
        self.items = items
        self.seed = seed

    def most(self, words: int) -> int:
        return self.radius

    def tuned(self, left: np.ndarray, right: np.ndarray, items: int, partitions: int) -> Self:
        """Substrings and radii by how often the sample's codes agree in them, and its hot buckets."""
        if not len(left) or not len(right):
            return self
        self._check(code_bits(left))
        other = copy(self)
        other.items = items
        other.allocation = cheapest(*other._setting(code_bits(left)), (left, right))
        return super(Radius, other).tuned(left, right, items, partitions)

    def search_seconds(self, left: np.ndarray, right: np.ndarray, items: float) -> float:
        other = copy(self)
        other.items = max(1, round(items))
        return uniform_allocation(*other._setting(code_bits(left))).seconds

    def layout(self, total_bits: int) -> tuple[Table, ...]:
        self._check(total_bits)
        return (self.allocation or uniform_allocation(*self._setting(total_bits))).tables

    def destinations(self, side: Side, keys: np.ndarray, codes: np.ndarray, partitions: int) -> np.ndarray:
        if self.layout(code_bits(codes)):
            return super().destinations(side, keys, codes, partitions)
        return self._scan(codes).destinations(side, keys, codes, partitions)

    def local_pairs(self, left: Coded, right: Coded, partition: int, partitions: int) -> Iterator[Pairs]:
        if self.layout(code_bits(left.codes)):
            return super().local_pairs(left, right, partition, partitions)
        return self._scan(left.codes).local_pairs(left, right, partition, partitions)

    def meets(
        self, left_codes: np.ndarray, right_codes: np.ndarray, i: np.ndarray, j: np.ndarray
    ) -> np.ndarray:
        if self.layout(code_bits(left_codes)):
            return super().meets(left_codes, right_codes, i, j)
        return np.ones(len(i), bool)

    def _scan(self, codes: np.ndarray) -> Scan:
        return Scan(self.radius / code_bits(codes))

    def _setting(self, total_bits: int) -> tuple[int, int | None, int, int, int]:
        return self.radius, self.substrings, self.items, self.seed, total_bits

    def _check(self, total_bits: int) -> None:
        if not 0 <= self.radius <= total_bits:
            raise ConfigError(
                f"blocking.radius: radius is 0 to {total_bits}, the bits of the code, not {self.radius}"
            )
        if self.substrings is not None and not 1 <= self.substrings <= total_bits:
            raise ConfigError(
                f"blocking.radius: substrings is 1 to {total_bits}, the bits of the code, "
                f"not {self.substrings}"
            )
        if self.items < 1:
            raise ConfigError(f"blocking.radius: items is at least 1, not {self.items}")
