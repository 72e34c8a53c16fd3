"""How much of what would have matched the blocking kept: an interval from items scored exhaustively.

Some items of one side are drawn at random and scored with every item of the other, candidates or not.
The share of their pairs above the threshold that were candidates estimates the recall of the blocking. The
pairs of one item are alike, so they count for less than as many independent ones; how much less is
measured by comparing items with each other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from xmer_spark.numerics.intervals import score_interval, student


class Certificate(NamedTuple):
    """The estimated share and its interval; of how many items, and how many pairs above the threshold."""

    share: float
    low: float
    high: float
    items: int
    pairs: int


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
