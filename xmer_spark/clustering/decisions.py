"""What people have decided of two records, told among the probabilities of matches."""

from __future__ import annotations

import numpy as np

#: Stand where a probability would: outside of what one can be.
SAME, DIFFERENT = 2.0, -1.0
#: The weight of a decision: more than 7,000 all but certain matches between two clusters add up to, and small
#: enough that rounding stays below what counts as a gain.
SURE = 1e5


def firm(weight: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """The weights (m) of links with these probabilities (m), where a decision outweighs all else.

    >>> firm(np.array([0.3, 0.1, 0.1]), np.array([0.8, SAME, DIFFERENT])).tolist()
    [0.3, 100000.0, -100000.0]
    """
    return np.select([probability == SAME, probability == DIFFERENT], [SURE, -SURE], weight)


def lasting(probability: np.ndarray, bar: float) -> np.ndarray:
    """Which links (m) stay where weak ones are removed: those that reach the bar, and all decisions."""
    return (probability >= bar) | (probability == DIFFERENT)
