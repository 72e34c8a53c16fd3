"""The join of two lists of bucket ids, in memory and in tiles of bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np


class Runs(NamedTuple):
    """Items sorted by bucket: their order, the distinct buckets, where each starts, how many it holds."""

    order: np.ndarray
    bucket: np.ndarray
    start: np.ndarray
    size: np.ndarray


def runs(buckets: np.ndarray) -> Runs:
    order = np.argsort(buckets, kind="stable")
    bucket, start, count = np.unique(buckets[order], return_index=True, return_counts=True)
    return Runs(order, bucket, start, count)


def bucket_join(
    left: np.ndarray, right: np.ndarray, masks: np.ndarray, tile: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """All pairs of positions whose bucket ids differ by one of ``masks``, at most ``tile`` at once.

    Ids differ by a mask if it is their exclusive or. ``left`` and ``right`` are (n) uint64 bucket ids,
    ``masks`` distinct uint64 values; mask 0 is equality.

    >>> ids = np.array([5, 7], np.uint64)
    >>> [(i.tolist(), j.tolist()) for i, j in bucket_join(ids, ids, np.array([0], np.uint64), 10)]
    [([0, 1], [0, 1])]
    """
    if not len(left) or not len(right):
        return
    a, b = runs(left), runs(right)
    step = max(1, tile // len(b.bucket))  # bounds the look-ups in memory as the tiles bound the pairs
    for first in range(0, len(masks), step):
        wanted = (b.bucket ^ masks[first : first + step, None]).ravel()
        place = np.minimum(np.searchsorted(a.bucket, wanted), len(a.bucket) - 1)
        found = np.flatnonzero(a.bucket[place] == wanted)
        yield from _rectangles(a, b, place[found], found % len(b.bucket), tile)


def _rectangles(
    a: Runs, b: Runs, a_run: np.ndarray, b_run: np.ndarray, tile: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The pairs of run ``a_run[k]`` with run ``b_run[k]``, rectangle after rectangle, row by row."""
    width = b.size[b_run]
    ends = np.cumsum(a.size[a_run] * width)
    total = int(ends[-1]) if len(ends) else 0
    for low in range(0, total, tile):
        high = min(low + tile, total)
        first, last = np.searchsorted(ends, (low, high - 1), side="right")
        bounds = np.clip(np.concatenate([[0], ends])[first : last + 2], low, high)
        which = np.repeat(np.arange(first, last + 1), np.diff(bounds))
        starts = np.concatenate([[0], ends[:last]])[which]
        row, column = np.divmod(np.arange(low, high) - starts, width[which])
        yield a.order[a.start[a_run[which]] + row], b.order[b.start[b_run[which]] + column]
