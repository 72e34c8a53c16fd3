"""All of some items against all of some others, a piece at a time, and which of these pairs are near."""

from __future__ import annotations

from math import isqrt

import numpy as np

from xmer_spark.blocking.base import TILE

#: Items of a piece.
EDGE = isqrt(TILE)


def pieces(positions: np.ndarray) -> list[np.ndarray]:
    """The same positions in pieces, any two of which make a rectangle of at most ``TILE`` pairs."""
    return [positions[k : k + EDGE] for k in range(0, len(positions), EDGE)]


def near_pairs(
    i: np.ndarray, j: np.ndarray, hamming: np.ndarray, most: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """The pairs of at most ``most`` differing bits, aligned.

    ``i`` and ``j`` are aligned already, or a column and a row: then ``hamming`` is the whole rectangle.
    """
    flat = hamming.ravel()
    kept = np.arange(len(flat)) if most is None else np.flatnonzero(flat <= most)
    if i.ndim == 1:
        return i[kept], j[kept]
    row, column = np.divmod(kept, hamming.shape[1])
    return i[row, 0], j[0, column]
