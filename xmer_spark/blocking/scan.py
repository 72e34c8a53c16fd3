"""Every pair: the truth for tests, and the blocker of small inputs."""

from __future__ import annotations

from collections.abc import Iterator
from math import isqrt

import numpy as np

from xmer_spark.blocking.base import Blocker, Coded, Pairs, Side, check_share
from xmer_spark.blocking.costs import SCANNED
from xmer_spark.blocking.rectangles import near_pairs, pieces
from xmer_spark.numerics.hamming import columns, small_distances
from xmer_spark.numerics.mixing import line


class Scan(Blocker):
    """All pairs, or all within ``max_distance`` (a share of the bits), by comparing all with all.

    Partitions form a grid: a left item goes to one row of it, a right item to one column, and they meet
    where these cross. With P partitions an item is sent about sqrt(P) times.
    """

    def __init__(self, max_distance: float | None = None) -> None:
        self.max_distance = max_distance

    def search_seconds(self, left: np.ndarray, right: np.ndarray, items: float) -> float:
        return items**2 * SCANNED * left.shape[1]

    def destinations(self, side: Side, keys: np.ndarray, codes: np.ndarray, partitions: int) -> np.ndarray:
        return reached_in_grid(side, keys, partitions)

    def local_pairs(self, left: Coded, right: Coded, partition: int, partitions: int) -> Iterator[Pairs]:
        check_share("scan", self.max_distance)
        mine, theirs = cell(left.keys, right.keys, partition, partitions)
        most = self.most(left.codes.shape[1])
        right_tiles = [(part, columns(right.codes[part])) for part in pieces(theirs)]
        for i in pieces(mine):
            left_columns = [word[:, None] for word in columns(left.codes[i])]
            for j, right_columns in right_tiles:
                hamming = small_distances(left_columns, right_columns)
                yield near_pairs(i[:, None], j[None, :], hamming, most)

    def meets(
        self, left_codes: np.ndarray, right_codes: np.ndarray, i: np.ndarray, j: np.ndarray
    ) -> np.ndarray:
        check_share("scan", self.max_distance)
        return np.ones(len(i), bool)


def reached_in_grid(side: Side, keys: np.ndarray, partitions: int) -> np.ndarray:
    """Which cells of the grid need which items: (n, partitions) bool."""
    rows, columns = grid(partitions)
    row, column = np.divmod(np.arange(partitions), columns)
    # Transposed, so that the items of one partition lie side by side.
    if side == "left":
        return (row[:, None] == line(keys, rows)).T
    return (column[:, None] == line(keys, columns)).T


def cell(left: np.ndarray, right: np.ndarray, partition: int, partitions: int) -> Pairs:
    """The positions of the left and of the right keys whose pairs this cell of the grid makes."""
    rows, columns = grid(partitions)
    row, column = divmod(partition, columns)
    mine, theirs = line(left, rows) == row, line(right, columns) == column
    return np.flatnonzero(mine).astype(np.int32), np.flatnonzero(theirs).astype(np.int32)


def grid(partitions: int) -> tuple[int, int]:
    """The most nearly square grid of exactly that many cells.

    >>> grid(8), grid(7)
    ((2, 4), (1, 7))
    """
    rows = next(r for r in range(isqrt(partitions), 0, -1) if partitions % r == 0)
    return rows, partitions // rows
