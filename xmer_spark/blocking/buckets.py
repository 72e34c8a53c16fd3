"""Where buckets are joined: each in one partition, but for those that hold too many pairs.

The pairs of a hot bucket are shared out by the left item: it goes to a partition that its key names, and
the right items go to all. Which buckets are hot is read from a sample and changes no pair.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xmer_spark.blocking.base import Side
from xmer_spark.numerics.mixing import line, mix, share

#: A bucket is hot that holds more than this share of what a partition has to do on average.
_HOT = 0.25


def hot_buckets(tables: Sequence[tuple[np.ndarray, np.ndarray]], partitions: int) -> tuple[np.ndarray, ...]:
    """By table, which buckets are hot, from the (n) bucket ids of a sample of either side."""
    found = []
    for left, right in tables:
        a, a_size = np.unique(left, return_counts=True)
        b, b_size = np.unique(right, return_counts=True)
        bucket, i, j = np.intersect1d(a, b, assume_unique=True, return_indices=True)
        found.append((bucket, a_size[i] * b_size[j]))
    total = sum(int(pairs.sum()) for _, pairs in found)
    # A few pairs of a sample say nothing: at least ten items of either side.
    enough = max(100.0, _HOT * total / partitions)
    return tuple(bucket[pairs >= enough] for bucket, pairs in found)


def is_hot(buckets: np.ndarray, table: int, hot: Sequence[np.ndarray]) -> np.ndarray:
    return np.isin(buckets, hot[table]) if hot and len(hot[table]) else np.zeros(len(buckets), bool)


def home(
    keys: np.ndarray, buckets: np.ndarray, table: int, hot: Sequence[np.ndarray], partitions: int
) -> np.ndarray:
    """The partition that makes the pairs of each item of the left side: (n) int64."""
    of_bucket = share(mix(buckets, table), partitions)
    if not hot or not len(hot[table]):
        return of_bucket
    return np.where(is_hot(buckets, table, hot), line(keys, partitions), of_bucket)


def destinations_of(
    side: Side,
    keys: np.ndarray,
    buckets: np.ndarray,
    table: int,
    hot: Sequence[np.ndarray],
    reached: np.ndarray,
) -> None:
    """Mark in ``reached``, (partitions, n) bool, where items of these buckets must be."""
    reached[home(keys, buckets, table, hot, len(reached)), np.arange(len(keys))] = True
    if side == "right":
        reached[:, is_hot(buckets, table, hot)] = True
