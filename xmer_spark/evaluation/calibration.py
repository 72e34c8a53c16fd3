"""Whether a match probability of p comes true p of the time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from xmer_spark.numerics.intervals import normal, score_interval


@dataclass(frozen=True)
class Reliability:
    """By bin, (b): mean probability, observed share of true pairs with its interval, pairs."""

    probability: np.ndarray
    observed: np.ndarray
    low: np.ndarray
    high: np.ndarray
    count: np.ndarray

    @property
    def expected_calibration_error(self) -> float:
        """Mean distance between probability and observed share, weighted by pairs (Naeini et al. 2015)."""
        if not self.count.size:
            return 0.0
        return float(np.average(np.abs(self.probability - self.observed), weights=self.count))


def reliability(
    probability: np.ndarray,
    is_true: np.ndarray,
    bins: int = 10,
    *,
    equal: Literal["mass", "width"] = "mass",
    level: float = 0.95,
) -> Reliability:
    """The reliability of scored pairs (n), in at most ``bins`` bins; empty ones are left out.

    Bins of equal mass make the calibration error less biased (Nixon et al. 2019); bins of equal width make
    the better curve to look at, for most candidate pairs have a probability near 0. Equal probabilities
    share a bin, so that the order of pairs is of no account.
    """
    probability = np.asarray(probability, dtype=np.float64)
    if not probability.size:
        none = np.empty(0)
        return Reliability(none, none, none, none, np.empty(0, dtype=np.int64))
    inner = np.arange(1, bins) / bins
    edges = np.quantile(probability, inner) if equal == "mass" else inner
    bin_of = np.searchsorted(edges, probability, side="left")
    used, bin_of, count = np.unique(bin_of, return_inverse=True, return_counts=True)
    right = np.bincount(bin_of, weights=np.asarray(is_true, dtype=bool), minlength=len(used))
    mean = np.bincount(bin_of, weights=probability) / count
    return Reliability(mean, right / count, *score_interval(right / count, count, normal(level)), count)


def brier(probability: np.ndarray, is_true: np.ndarray) -> float:
    """Mean squared distance between probability and outcome (Brier 1950): 0 is best.

    >>> brier(np.array([1.0, 0.5]), np.array([True, False]))
    0.125
    """
    return float(np.mean((np.asarray(probability, dtype=np.float64) - np.asarray(is_true)) ** 2))
