"""A measured value with its interval, and the interval of a plain proportion."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Estimate(NamedTuple):
    """A value and the ends of its confidence interval."""

    value: float
    low: float
    high: float


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


def wilson(successes: int, trials: int, level: float = 0.95) -> Estimate:
    """A proportion with its score interval, which stays honest near 0 and 1 (Wilson 1927).

    >>> wilson(0, 0)
    Estimate(value=1.0, low=0.0, high=1.0)
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"successes must lie between 0 and the {trials} trials, not {successes}")
    if trials == 0:
        return Estimate(1.0, 0.0, 1.0)
    low, high = wilson_bounds(np.array([successes]), np.array([trials]), level)
    return Estimate(successes / trials, float(low[0]), float(high[0]))


def wilson_bounds(
    successes: np.ndarray, trials: np.ndarray, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Both ends of Wilson's score interval, element by element; every trial count must be positive."""
    from scipy.special import ndtri

    z2 = float(ndtri((1 + level) / 2)) ** 2
    rate = successes / trials
    centre = (rate + z2 / (2 * trials)) / (1 + z2 / trials)
    half = np.sqrt(z2 * (rate * (1 - rate) / trials + z2 / (4 * trials**2))) / (1 + z2 / trials)
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)
