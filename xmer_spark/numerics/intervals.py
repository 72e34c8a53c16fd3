"""Intervals of shares, and the quantiles that they take."""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple

import numpy as np


class Estimate(NamedTuple):
    """A value and the ends of its confidence interval."""

    value: float
    low: float
    high: float


def wilson(successes: int, trials: int, level: float = 0.95) -> Estimate:
    """A proportion with its score interval, which stays honest near 0 and 1 (Wilson 1927).

    >>> wilson(0, 0)
    Estimate(value=1.0, low=0.0, high=1.0)
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"successes must lie between 0 and the {trials} trials, not {successes}")
    if trials == 0:  # of nothing, nothing is wrong
        return Estimate(1.0, 0.0, 1.0)
    low, high = score_interval(successes / trials, trials, normal(level))
    return Estimate(successes / trials, float(low), float(high))


def score_interval(
    share: np.ndarray | float, trials: np.ndarray | float, quantile: float
) -> tuple[np.ndarray, np.ndarray]:
    """Both ends of Wilson's score interval (1927) of shares, element by element; 0 to 1 without trials.

    >>> [round(float(end), 3) for end in score_interval(0.5, 100, 1.96)]
    [0.404, 0.596]
    """
    share, trials = np.asarray(share, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    z2 = quantile**2
    known = np.where(trials > 0, trials, 1.0)
    centre = (share + z2 / (2 * known)) / (1 + z2 / known)
    half = quantile * np.sqrt(share * (1 - share) / known + z2 / (4 * known**2)) / (1 + z2 / known)
    # Rounding leaves the ends of nothing and all a little off.
    low = np.where((share > 0) & (trials > 0), np.maximum(centre - half, 0.0), 0.0)
    high = np.where((share < 1) & (trials > 0), np.minimum(centre + half, 1.0), 1.0)
    return low, high


def normal(level: float) -> float:
    """The two-sided quantile of the normal distribution.

    >>> round(normal(0.95), 2)
    1.96
    """
    return NormalDist().inv_cdf((1 + level) / 2)


def student(level: float, degrees: int) -> float:
    """The two-sided quantile of Student's distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, (1 + level) / 2))
