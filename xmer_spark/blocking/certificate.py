"""How much of what would have matched the blocking kept: an interval from items scored exhaustively.

Some items of one side are drawn at random and scored with every item of the other, candidates or not.
The share of their pairs above the threshold that were candidates estimates the recall of the blocking. The
pairs of one item are alike, so they count for less than as many independent ones; how much less is
measured by comparing items with each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from xmer_spark.numerics.intervals import score_interval, student

#: Rows i (p) and j (p) of pairs -> a value of each, (p).
OfPairs = Callable[[np.ndarray, np.ndarray], np.ndarray]

#: Pairs that are looked at in one go.
_BLOCK = 200_000


class Certificate(NamedTuple):
    """The estimated share and its interval; of how many items, and how many pairs above the threshold."""

    share: float
    low: float
    high: float
    items: int
    pairs: int


def exhaustive_counts(
    items: np.ndarray, others: np.ndarray, probability: OfPairs, candidate: OfPairs, threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """Of each item its pairs with the others above the threshold, and the candidates among them: (n), (n).

    Items (n) and others (m) are keys, and no item is paired with itself. ``probability`` and ``candidate``
    take pairs as rows i (p) and j (p) of these, some of them at a time, and give (p) each.

    >>> near = lambda i, j: 1 / (1 + abs(i - j))
    >>> counts = exhaustive_counts(np.array([5, 6]), np.array([5, 7]), near, np.less, 0.5)
    >>> [each.tolist() for each in counts]
    [[1, 2], [1, 0]]
    """
    total, kept = np.zeros(len(items), np.int64), np.zeros(len(items), np.int64)
    step = max(1, _BLOCK // max(len(others), 1))
    for start in range(0, len(items), step):
        rows = np.arange(start, min(start + step, len(items)))
        i, j = np.repeat(rows, len(others)), np.tile(np.arange(len(others)), len(rows))
        above = (probability(i, j) >= threshold) & (items[i] != others[j])
        i, j = i[above], j[above]
        total += np.bincount(i, minlength=len(items))
        kept += np.bincount(i[candidate(i, j)], minlength=len(items))
    return total, kept


def certificate(total: np.ndarray, kept: np.ndarray, level: float = 0.95) -> Certificate:
    """The share of pairs above the threshold that blocking kept, from the counts of each sampled item.

    The ratio R = sum kept / sum total over n items that have such pairs has the linearised variance
    n / (n - 1) sum (kept_i - R total_i)^2 / (sum total)^2 (Cochran 1977, section 6.4); that over
    R (1 - R) / sum total is the design effect, which divides the number of pairs in Wilson's interval (as
    Korn and Graubard 1998 do in Clopper and Pearson's; Student's quantile). Where all or nothing was kept,
    the variance says nothing, and each item counts as one pair.

    Deviation: the quantile is for half the error that ``level`` allows, as the design effect is an estimate
    too. With all of it, intervals of 95 % covered the truth of the five populations in the tests in .92 to
    .97 of 1,000 samples; with half of it, in .95 to .98.

    >>> certificate(np.array([3, 2, 0]), np.array([3, 2, 0]))[2:]
    (1.0, 3, 5)
    """
    if total.shape != kept.shape or (kept > total).any() or (kept < 0).any():
        raise ValueError("every sampled item needs 0 <= kept <= total")
    seen = int((total > 0).sum())
    pairs = int(total.sum())
    if not pairs:
        return Certificate(1.0, 0.0, 1.0, len(total), 0)
    share = float(kept.sum() / pairs)
    quantile = student((1 + level) / 2, max(1, seen - 1))
    low, high = score_interval(share, effective_pairs(total, kept), quantile)
    return Certificate(share, float(low), float(high), len(total), pairs)


def effective_pairs(total: np.ndarray, kept: np.ndarray) -> float:
    """As many independent pairs as would tell as much: at most the pairs there are."""
    pairs = int(total.sum())
    seen = int((total > 0).sum())
    share = kept.sum() / pairs
    if share in (0.0, 1.0) or seen < 2:
        return float(seen)
    residuals = kept - share * total
    variance = seen / (seen - 1) * float(residuals @ residuals) / pairs**2
    # An item's pairs are never less alike than chance has them.
    return min(float(pairs), share * (1 - share) / variance) if variance else float(seen)
