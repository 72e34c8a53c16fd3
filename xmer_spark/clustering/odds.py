"""Probabilities on the scale of log-odds, on which they add up."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from xmer_spark.numerics.logistic import sigmoid

#: A probability this close to 0 or 1 counts as this close: of certainty the log-odds are infinite.
_CERTAIN = 1e-6


def log_odds(probability: np.ndarray) -> np.ndarray:
    """log(p / (1 - p)).

    >>> log_odds(np.array([0.5, 0.2])).round(3).tolist()
    [0.0, -1.386]
    """
    p = _uncertain(probability)
    return np.log(p / (1 - p))


def relative_to(probability: np.ndarray, threshold: np.ndarray) -> np.ndarray:
    """Probabilities moved, on the scale of log-odds, so that a threshold comes to lie at a half.

    >>> relative_to(np.array([0.2, 0.5]), np.array([0.2, 0.2])).round(3).tolist()
    [0.5, 0.8]
    """
    p, t = np.asarray(probability, float), np.asarray(threshold, float)
    above, below = p * (1 - t), (1 - p) * t
    total = above + below
    found: np.ndarray = np.divide(above, total, out=np.zeros_like(total), where=total > 0)
    return found


def corrected(
    probability: np.ndarray, kind: np.ndarray, correction: Mapping[int, tuple[float, float]]
) -> np.ndarray:
    """Probabilities (p) with the log-odds of each kind (p) stretched by a slope and moved by an offset.

    Those of a kind that has no correction stay as they are.

    >>> corrected(np.array([0.5, 0.5]), np.array([1, 2]), {2: (1.0, -1.386)}).round(3).tolist()
    [0.5, 0.2]
    """
    found = np.array(probability, float)
    for each, (slope, offset) in correction.items():
        rows = np.flatnonzero(kind == each)
        found[rows] = sigmoid(slope * log_odds(found[rows]) + offset)
    return found


def _uncertain(probability: np.ndarray) -> np.ndarray:
    return np.clip(np.asarray(probability, float), _CERTAIN, 1 - _CERTAIN)
