"""The pairs that a blocker of codes finds in one place."""

from __future__ import annotations

import numpy as np

from xmer_spark.blocking.base import Blocker, Coded, Pairs


def all_pairs(blocker: Blocker, left: np.ndarray, right: np.ndarray) -> Pairs:
    """Every candidate pair of two sides of codes (n, words) and (m, words)."""
    keys = np.arange(len(left) + len(right))
    sides = Coded(keys[: len(left)], left), Coded(keys[len(left) :], right)
    empty = np.empty(0, np.int32)
    i, j = zip((empty, empty), *blocker.local_pairs(*sides, 0, 1), strict=True)
    return np.concatenate(i), np.concatenate(j)
