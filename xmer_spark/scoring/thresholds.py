"""Where to draw the line between match and non-match."""

from __future__ import annotations

import numpy as np


def best_threshold(probability: np.ndarray, truth: np.ndarray, weight: np.ndarray) -> float:
    """The probability from which on calling pairs matches gives the best weighted F1.

    The threshold lies half way to the next lower probability.

    >>> best_threshold(np.array([.9, .8, .3, .1]), np.array([1, 1, 0, 0]), np.ones(4))
    0.55
    """
    order = np.argsort(-probability, kind="stable")
    p, hits, total = probability[order], np.cumsum((truth * weight)[order]), np.cumsum(weight[order])
    f1 = 2 * hits / (total + hits[-1])
    last = np.flatnonzero(np.r_[p[:-1] > p[1:], True])  # equal probabilities fall on one side together
    best = last[np.argmax(f1[last])]
    below = p[best + 1] if best + 1 < len(p) else 0.0
    return float((p[best] + below) / 2)
