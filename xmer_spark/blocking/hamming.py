"""Hamming distance between packed binary codes."""

from __future__ import annotations

import numpy as np

from xmer_spark.numerics.hamming import WORD


def limit(max_distance: float | None, words: int) -> int | None:
    """The largest number of differing bits that a share of all bits allows."""
    return None if max_distance is None else int(max_distance * words * WORD + 1e-6)  # 7 / 192 * 192 < 7


def near_pairs(
    i: np.ndarray, j: np.ndarray, hamming: np.ndarray, most: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pairs of at most ``most`` differing bits, aligned: i, j, hamming.

    ``i`` and ``j`` are aligned already, or a column and a row: then ``hamming`` is the whole rectangle.
    """
    flat = hamming.ravel()
    kept = np.arange(len(flat)) if most is None else np.flatnonzero(flat <= most)
    if i.ndim == 1:
        return i[kept], j[kept], flat[kept].astype(np.int32)
    row, column = np.divmod(kept, hamming.shape[1])
    return i[row, 0], j[0, column], flat[kept].astype(np.int32)
