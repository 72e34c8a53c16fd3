"""A measured value with its interval, and the interval of a plain proportion."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class PrecisionRecall(NamedTuple):
    """Precision, recall and their harmonic mean (SURVEY.md section 2, eq. 1-3)."""

    precision: float
    recall: float
    f1: float


def share(part: np.ndarray | float, whole: np.ndarray | float) -> np.ndarray:
    """``part / whole``, and 1 where the whole is empty: of nothing, nothing is wrong or missing.

    >>> share(np.array([1.0, 0.0]), np.array([4.0, 0.0]))
    array([0.25, 1.  ])
    """
    part, whole = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    return np.divide(part, whole, out=np.ones(np.broadcast(part, whole).shape), where=whole != 0)
