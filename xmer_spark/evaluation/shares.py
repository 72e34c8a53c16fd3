"""Shares of what may be nothing."""

from __future__ import annotations

import numpy as np


def share(part: np.ndarray | float, whole: np.ndarray | float) -> np.ndarray:
    """``part / whole``, and 1 where the whole is empty: of nothing, nothing is wrong or missing.

    >>> share(np.array([1.0, 0.0]), np.array([4.0, 0.0]))
    array([0.25, 1.  ])
    """
    part, whole = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    return np.divide(part, whole, out=np.ones(np.broadcast(part, whole).shape), where=whole != 0)
